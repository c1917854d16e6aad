//! What is done once for a new version of a file, whoever gets it: reading its tree and the compiler's dump of it, and comparing it with the version that runs.

use divan::{Bencher, black_box};
use hotlua::lua::probe::compiled;
use hotlua::patch::bytecode::Code;
use hotlua::patch::compare::Side;
use hotlua::patch::revision::{Names, plan};
use hotlua::patch::syntax::{Outline, outline};

use crate::texts::{LINES, service};

/// A text, read.
struct Version {
    text: Vec<u8>,
    outline: Outline,
    code: Code,
}

impl Version {
    fn read(text: String) -> Version {
        let text = text.into_bytes();
        Version {
            outline: outline(&text),
            code: Code::parse(&dump(&text)).expect("what Lua dumps can be read"),
            text,
        }
    }

    fn side(&self) -> Side<'_> {
        Side {
            outline: &self.outline,
            code: &self.code,
            base: 0,
        }
    }
}

fn dump(text: &[u8]) -> Vec<u8> {
    compiled(text).expect("Lua accepts the text")
}

/// Lua's compiler, in a new VM.
#[divan::bench(args = LINES)]
fn compile(bencher: Bencher<'_, '_>, lines: usize) {
    let text = service(lines, 1).into_bytes();
    bencher.bench_local(|| compiled(black_box(&text)));
}

#[divan::bench(args = LINES)]
fn tree(bencher: Bencher<'_, '_>, lines: usize) {
    let text = service(lines, 1).into_bytes();
    bencher.bench_local(|| outline(black_box(&text)));
}

#[divan::bench(args = LINES)]
fn read_dump(bencher: Bencher<'_, '_>, lines: usize) {
    let dump = dump(service(lines, 1).as_bytes());
    bencher.bench_local(|| Code::parse(black_box(&dump)).is_ok());
}

#[divan::bench(args = LINES)]
fn comparison(bencher: Bencher<'_, '_>, lines: usize) {
    let (old, new) = (Version::read(service(lines, 1)), Version::read(service(lines, 2)));
    let names = || Names {
        old: "old.lua",
        new: "new.lua",
    };
    let changed = plan(old.side(), new.side(), &new.text, names()).comparison;
    let changed = changed.pairs.iter().skip(1).filter(|pair| pair.own_changed).count();
    assert_eq!(changed, 1, "one function differs");
    bencher.bench_local(|| plan(old.side(), black_box(new.side()), &new.text, names()));
}
