//! Two texts that Lua accepts, as versions of one file: there is a plan, its program compiles, and what it mentions exists.

use crate::lua::probe::compiled;
use crate::patch::bytecode::Code;
use crate::patch::compare::{Join, Side};
use crate::patch::revision::{Names, plan};
use crate::patch::source::Source;
use crate::patch::syntax::{Outline, outline};

/// What stands between the two texts.
const BETWEEN: &[u8] = b"\n--8<--\n";

/// Whether there are two texts that Lua accepts.
pub fn examine(bytes: &[u8]) -> bool {
    let place = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN);
    let (old, new) = match place {
        Some(at) => (&bytes[..at], &bytes[at + BETWEEN.len()..]),
        None => bytes.split_at(bytes.len() / 2),
    };
    let (Some(old), Some(new)) = (Read::new(old), Read::new(new)) else {
        return false;
    };
    compare(&old, &new);
    compare(&new, &old);
    compare(&old, &old);
    true
}

struct Read {
    text: Vec<u8>,
    outline: Outline,
    code: Code,
}

impl Read {
    fn new(bytes: &[u8]) -> Option<Read> {
        let text = Source::new(bytes).ok()?.bytes().to_vec();
        let dump = compiled(&text)?;
        let code = Code::parse(&dump).expect("what Lua dumps can be read");
        let outline = outline(&text);
        // A file whose tree is another is refused before anything is compared.
        (outline.functions.len() + 1 == code.functions.len()).then_some(Read { text, outline, code })
    }

    fn side(&self) -> Side<'_> {
        Side {
            outline: &self.outline,
            code: &self.code,
            base: 0,
        }
    }
}

fn compare(old: &Read, new: &Read) {
    let revision = plan(old.side(), new.side(), &new.text, Names { old: "old", new: "new" });
    assert!(compiled(&revision.program.text).is_some(), "the program compiles");
    assert!(
        revision
            .program
            .functions
            .iter()
            .all(|number| *number < new.outline.functions.len())
    );
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
