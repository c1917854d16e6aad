//! Two texts that Lua accepts, as versions of one file: there is a plan, its program compiles, and what it mentions exists.
//! `cargo +nightly fuzz run plan`

#![no_main]

use hotlua::patch::bytecode::Code;
use hotlua::patch::compare::{Join, Side};
use hotlua::patch::revision::{Names, plan};
use hotlua::patch::source::Source;
use hotlua::patch::syntax::{Outline, outline};
use libfuzzer_sys::fuzz_target;
use mlua::Lua;
use mlua::chunk::ChunkMode;

/// What stands between the two texts.
const BETWEEN: &[u8] = b"\n--8<--\n";

fuzz_target!(|bytes: &[u8]| {
    let place = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN);
    let (old, new) = match place {
        Some(at) => (&bytes[..at], &bytes[at + BETWEEN.len()..]),
        None => bytes.split_at(bytes.len() / 2),
    };
    let lua = Lua::new();
    if let (Some(old), Some(new)) = (Read::new(&lua, old), Read::new(&lua, new)) {
        examine(&lua, &old, &new);
        examine(&lua, &new, &old);
        examine(&lua, &old, &old);
    }
});

struct Read {
    text: Vec<u8>,
    outline: Outline,
    code: Code,
}

impl Read {
    fn new(lua: &Lua, bytes: &[u8]) -> Option<Read> {
        let text = Source::new(bytes).ok()?.bytes().to_vec();
        let chunk = lua.load(&text[..]).set_name("@x.lua").set_mode(ChunkMode::Text);
        let dump = chunk.into_function().ok()?.dump(false);
        let code = Code::parse(&dump).expect("what Lua dumps can be read");
        let outline = outline(&text);
        // A file whose tree is another is refused before anything is compared.
        (outline.functions.len() + 1 == code.functions.len()).then_some(Read { text, outline, code })
    }

    fn side(&self) -> Side<'_> {
        Side { outline: &self.outline, code: &self.code, base: 0 }
    }
}

fn examine(lua: &Lua, old: &Read, new: &Read) {
    let revision = plan(old.side(), new.side(), &new.text, Names { old: "old", new: "new" });
    let program = lua.load(&revision.program.text[..]).set_mode(ChunkMode::Text);
    program.into_function().expect("the program compiles");
    assert!(revision.program.functions.iter().all(|number| *number < new.outline.functions.len()));
    for pair in &revision.comparison.pairs {
        let (was, is) = (&old.code.functions[pair.old], &new.code.functions[pair.new]);
        assert_eq!(pair.joins.len(), if pair.changed { is.upvalues.len() } else { 0 });
        let own = |join: &Join| !matches!(join, Join::Own(number) if *number >= was.upvalues.len());
        assert!(pair.joins.iter().all(own));
    }
    if std::ptr::eq(old, new) {
        assert!(revision.comparison.pairs.iter().all(|pair| !pair.changed));
        assert!(revision.program.text.is_empty());
    }
}
