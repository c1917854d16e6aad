//! A patch in one instance that is warm: of one function by definition alone; the same with a statement, for which the heap is written down; and a new version
//! of the whole file. Each time it is another text, so it is compiled, too; `further` is a second instance, for which that has been done.

use divan::Bencher;

use crate::texts::{LINES, service};
use crate::workshop::{Workshop, patch};

/// A game's service: its argument is how many MiB of players it makes.
const GAME: &str = include_str!("../node/game.lua");

/// Heaps in MiB; 0 is the service without any players.
const HEAPS: [usize; 3] = [0, 1, 10];

fn definition(number: u64) -> String {
    format!("function command.speak(n) return score(n) + {number} end\n")
}

fn statement(number: u64) -> String {
    definition(number) + "tuning.hits = tuning.hits + 1\n"
}

/// Applies texts by number to an instance of the service; `further`: to another one before, which is not measured.
fn measure(bencher: Bencher<'_, '_>, (source, args): (&str, &str), text: impl Fn(u64) -> String, further: bool) {
    let workshop = Workshop::open();
    let mut before = further.then(|| workshop.start(source, args));
    let mut measured = workshop.start(source, args);
    let mut number = 0;
    let next = || {
        number += 1;
        let patch = patch(number, &text(number));
        if let Some(before) = &mut before {
            before.apply(patch.clone());
        }
        patch
    };
    bencher
        .with_inputs(next)
        .bench_local_values(|patch| measured.apply(patch));
}

fn of_game(bencher: Bencher<'_, '_>, mib: usize, text: fn(u64) -> String, further: bool) {
    let source = GAME.replace("skynet.dispatch(", "print 'ready' skynet.dispatch(");
    measure(bencher, (&source, &mib.to_string()), text, further);
}

#[divan::bench(args = HEAPS, sample_count = 25, sample_size = 1)]
fn definitions(bencher: Bencher<'_, '_>, mib: usize) {
    of_game(bencher, mib, definition, false);
}

#[divan::bench(args = HEAPS, sample_count = 25, sample_size = 1)]
fn definitions_further(bencher: Bencher<'_, '_>, mib: usize) {
    of_game(bencher, mib, definition, true);
}

#[divan::bench(args = HEAPS, sample_count = 25, sample_size = 1)]
fn with_snapshot(bencher: Bencher<'_, '_>, mib: usize) {
    of_game(bencher, mib, statement, false);
}

#[divan::bench(args = HEAPS, sample_count = 25, sample_size = 1)]
fn with_snapshot_further(bencher: Bencher<'_, '_>, mib: usize) {
    of_game(bencher, mib, statement, true);
}

#[divan::bench(args = LINES, sample_count = 25, sample_size = 1)]
fn whole_file(bencher: Bencher<'_, '_>, lines: usize) {
    measure(
        bencher,
        (&service(lines, 0), ""),
        |number| service(lines, number as usize),
        false,
    );
}

#[divan::bench(args = LINES, sample_count = 25, sample_size = 1)]
fn whole_file_further(bencher: Bencher<'_, '_>, lines: usize) {
    measure(
        bencher,
        (&service(lines, 0), ""),
        |number| service(lines, number as usize),
        true,
    );
}
