//! The comparison of two versions of a file (`patch::compare`, `patch::revision`) on pairs of texts that nobody meant: pieces of the
//! project's own Lua files, cut, doubled, exchanged and damaged.

use std::collections::HashSet;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};

use super::bytecode::{parsed, sources};
use crate::patch::bytecode::{Code, Declaration};
use crate::patch::compare::{Comparison, Join, Side};
use crate::patch::revision::{Names, plan};
use crate::patch::source::Source;
use crate::patch::syntax::{Outline, outline, source_of};

/// How many damaged versions of each text are compared with it.
const VERSIONS: usize = 6;

/// Texts larger than this show nothing that smaller ones do not.
const LARGEST: usize = 12_000;

/// Where chance begins: `HOTLUA_SEED`, or the same every time.
fn chance() -> fastrand::Rng {
    let seed = std::env::var("HOTLUA_SEED").ok().and_then(|seed| seed.parse().ok());
    fastrand::Rng::with_seed(seed.unwrap_or(5))
}

/// A text that the compiler accepts, read.
struct Read {
    text: Vec<u8>,
    outline: Outline,
    code: Code,
}

impl Read {
    fn new(lua: &Lua, bytes: &[u8]) -> Option<Read> {
        let source = Source::new(bytes).ok()?;
        let text = source.bytes().to_vec();
        let function = load(lua, &text).ok()?;
        let (code, outline) = (parsed(&function.dump(false)), outline(&text));
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

fn load(lua: &Lua, text: &[u8]) -> mlua::Result<Function> {
    lua.load(text)
        .set_name("@dir/x.lua")
        .set_mode(ChunkMode::Text)
        .into_function()
}

/// Compares two texts and looks whether the plan can be what it says.
fn examine(lua: &Lua, old: &Read, new: &Read) {
    let names = Names {
        old: "old.lua",
        new: "new.lua",
    };
    let revision = plan(old.side(), new.side(), &new.text, names);
    let shown = || {
        format!(
            "{}\n-----\n{}",
            String::from_utf8_lossy(&old.text),
            String::from_utf8_lossy(&new.text)
        )
    };
    if let Err(error) = load(lua, &revision.program.text) {
        panic!(
            "{error} in the program\n{}\n-----\n{}",
            String::from_utf8_lossy(&revision.program.text),
            shown()
        );
    }
    let functions = |side: &Read| side.outline.functions.len();
    assert!(
        revision.program.functions.iter().all(|number| *number < functions(new)),
        "{}",
        shown()
    );
    comparison(&revision.comparison, old, new, &shown);
    let local = |side: &Read, number: usize| number < side.code.functions[0].locals.len();
    assert!(
        revision.added.iter().all(|(number, _)| local(new, *number)),
        "{}",
        shown()
    );
    assert!(
        revision.dropped.iter().all(|(number, _)| local(old, *number)),
        "{}",
        shown()
    );
    assert!(
        revision.literals.iter().all(|literal| local(new, literal.local)),
        "{}",
        shown()
    );
}

fn comparison(comparison: &Comparison, old: &Read, new: &Read, shown: &dyn Fn() -> String) {
    let (mut of_old, mut of_new) = (HashSet::new(), HashSet::new());
    for pair in &comparison.pairs {
        let (was, is) = (&old.code.functions[pair.old], &new.code.functions[pair.new]);
        assert!(
            of_old.insert(pair.old) && of_new.insert(pair.new),
            "one partner each\n{}",
            shown()
        );
        assert!(pair.changed || !pair.own_changed, "{}", shown());
        let joins = if pair.changed { is.upvalues.len() } else { 0 };
        assert_eq!(pair.joins.len(), joins, "{}", shown());
        for join in &pair.joins {
            match join {
                Join::Own(number) => assert!(*number < was.upvalues.len(), "{}", shown()),
                Join::Outer(number) => assert!(*number < new.code.functions[0].upvalues.len(), "{}", shown()),
                Join::Variable(local, before) => {
                    assert!(*local < new.code.functions[0].locals.len(), "{}", shown());
                    assert!(before.is_none_or(|before| exists(old, before)), "{}", shown());
                }
                Join::Elsewhere(variable) => assert!(exists(old, *variable), "{}", shown()),
                Join::Fresh(variable) => assert!(exists(new, *variable), "{}", shown()),
                Join::Refused(why) => assert!(!why.is_empty()),
            }
        }
    }
    assert_eq!(comparison.pairs.first().map(|pair| (pair.old, pair.new)), Some((0, 0)));
    for (now, before) in &comparison.variables {
        assert!(exists(new, *now) && exists(old, *before), "{}", shown());
    }
    let befores: HashSet<&Declaration> = comparison.variables.values().collect();
    assert_eq!(
        befores.len(),
        comparison.variables.len(),
        "one new variable for an old one\n{}",
        shown()
    );
    assert!(
        comparison.added.iter().all(|function| !of_new.contains(function)),
        "{}",
        shown()
    );
    assert!(
        comparison.removed.iter().all(|function| !of_old.contains(function)),
        "{}",
        shown()
    );
}

fn exists(side: &Read, variable: Declaration) -> bool {
    side.code
        .functions
        .get(variable.function)
        .is_some_and(|function| variable.local < function.locals.len())
}

/// Another version of a text: lines cut, doubled, exchanged or taken from another text, words changed, or bytes damaged.
fn damaged(rng: &mut fastrand::Rng, text: &[u8], other: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let others: Vec<&[u8]> = other.split(|b| *b == b'\n').collect();
    for _ in 0..rng.usize(1..4) {
        let from = rng.usize(..lines.len().max(1)).min(lines.len());
        let to = (from + rng.usize(..12)).min(lines.len());
        match rng.u8(..6) {
            0 => drop(lines.drain(from..to)),
            1 => drop(lines.splice(to..to, lines[from..to].to_vec())),
            2 => lines[from..to].reverse(),
            3 => {
                let start = rng.usize(..others.len());
                let taken = others[start..].iter().take(rng.usize(1..8)).map(|line| line.to_vec());
                lines.splice(from..from, taken);
            }
            4 => renamed(rng, &mut lines[from..to]),
            _ => {
                for line in lines[from..to].iter_mut().filter(|line| !line.is_empty()) {
                    let at = rng.usize(..line.len());
                    line[at] = rng.choice(*b"ab1= (){},.\"end").unwrap_or(b' ');
                }
            }
        }
    }
    lines.join(&b'\n')
}

/// Numbers and names become others.
fn renamed(rng: &mut fastrand::Rng, lines: &mut [Vec<u8>]) {
    for byte in lines.iter_mut().flatten() {
        match byte {
            b'0'..=b'8' if rng.u8(..3) == 0 => *byte += 1,
            b'a' | b'x' if rng.u8(..8) == 0 => *byte += 1,
            _ => {}
        }
    }
}

#[test]
fn any_two_texts_can_be_compared() {
    let (lua, mut rng) = (Lua::new(), chance());
    let all: Vec<(String, Vec<u8>)> = sources::all()
        .into_iter()
        .filter(|(_, text)| text.len() < LARGEST)
        .collect();
    let mut compared = 0;
    for number in 0..all.len() {
        let Some(old) = Read::new(&lua, &all[number].1) else {
            continue;
        };
        for _ in 0..VERSIONS {
            let other = rng.usize(..all.len());
            let bytes = damaged(&mut rng, &all[number].1, &all[other].1);
            let Some(new) = Read::new(&lua, &bytes) else { continue };
            examine(&lua, &old, &new);
            examine(&lua, &new, &old);
            compared += 1;
        }
        examine(&lua, &old, &old);
        if let Some(other) = Read::new(&lua, &all[rng.usize(..all.len())].1) {
            examine(&lua, &old, &other);
        }
    }
    assert!(compared > all.len(), "{compared} of {}", all.len());
}

#[test]
fn a_text_is_as_itself() {
    let lua = Lua::new();
    for (name, text) in sources::all().into_iter().filter(|(_, text)| text.len() < LARGEST) {
        let Some(read) = Read::new(&lua, &text) else { continue };
        let revision = plan(read.side(), read.side(), &read.text, Names { old: &name, new: &name });
        let Comparison {
            pairs, added, removed, ..
        } = &revision.comparison;
        assert!(
            pairs.iter().all(|pair| !pair.changed) && added.is_empty() && removed.is_empty(),
            "{name}"
        );
        assert!(
            revision.program.text.is_empty() && revision.literals.is_empty(),
            "{name}"
        );
        assert!(
            revision.notes.is_empty() && revision.restarts.is_empty(),
            "{name}: {:?} {:?}",
            revision.notes,
            revision.restarts
        );
    }
}

#[test]
fn any_bytes_have_an_outline() {
    let mut rng = chance();
    let all: Vec<Vec<u8>> = sources::all()
        .into_iter()
        .map(|(_, text)| text)
        .filter(|text| text.len() < LARGEST)
        .collect();
    for number in 0..all.len() {
        let other = rng.usize(..all.len());
        let mut bytes = damaged(&mut rng, &all[number], &all[other]);
        if rng.bool() && !bytes.is_empty() {
            bytes.truncate(rng.usize(..bytes.len()));
        }
        if let Ok(source) = Source::new(&bytes) {
            let outline = outline(source.bytes());
            let _ = source_of(&outline, source.bytes());
            assert_eq!(outline.bodies.len(), outline.functions.len() + 1);
        }
    }
}
