//! Every reader with its seeds, whole and damaged.

use std::fs;
use std::path::Path;

use fastrand::Rng;

use super::{config, console, dump, header, plan, request, source, unpack};
use crate::lua::probe::compiled;

/// How many damaged inputs each reader gets.
const ROUNDS: usize = 8_000;

/// What hurts: the largest lengths of packed tables, text that is none, ends where none ought to be.
const HURTS: [&[u8]; 10] = [
    &[0xfe, 0x22, 0xff, 0xff, 0xff, 0x7f],
    &[0xfe, 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xff; 9],
    &[0],
    b"\n",
    b"\r",
    b"end",
    b"[[",
    b"99999999999999999999",
    "\u{202e}".as_bytes(),
];

/// The seeds of a fuzz target, in order.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file")).collect()
}

/// Gives a reader its seeds, and those damaged; at least so many in a hundred of the damaged inputs must be accepted, or the damage is too great to
/// tell anything.
fn endure(seeds: &[Vec<u8>], accepted: usize, examine: impl Fn(&[u8]) -> bool) {
    for bytes in seeds {
        examine(bytes);
    }
    let mut random = Rng::with_seed(7);
    let mut count = 0;
    for _ in 0..ROUNDS {
        let mut bytes = random.choice(seeds).cloned().unwrap_or_default();
        for _ in 0..random.usize(1..4) {
            damage(&mut random, &mut bytes, seeds);
        }
        count += usize::from(examine(&bytes));
    }
    assert!(count * 100 >= accepted * ROUNDS, "{count} of {ROUNDS} were accepted");
}

fn damage(random: &mut Rng, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.usize(0..=bytes.len());
    let end = (at + random.usize(0..8)).min(bytes.len());
    match random.u8(0..7) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.u8(..)),
        2 => drop(bytes.drain(at..end)),
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.u8(0..8);
            }
        }
        4 => {
            let copied = bytes[at..end].to_vec();
            let to = random.usize(0..=bytes.len());
            bytes.splice(to..to, copied);
        }
        5 => {
            let other = random.choice(seeds).cloned().unwrap_or_default();
            bytes.splice(at..at, other);
        }
        _ => {
            let hurts = random.choice(HURTS).unwrap_or_default();
            bytes.splice(at..at, hurts.iter().copied());
        }
    }
}

#[test]
fn configs() {
    endure(&seeds("config"), 10, config::examine);
}

#[test]
fn what_clients_send() {
    endure(&seeds("console"), 30, console::examine);
}

#[test]
fn headers_of_patches() {
    endure(&seeds("header"), 30, header::examine);
}

#[test]
fn requests() {
    endure(&seeds("request"), 4, request::examine);
}

#[test]
fn sources() {
    endure(&seeds("source"), 50, source::examine);
}

#[test]
fn versions_of_files() {
    endure(&seeds("plan"), 4, plan::examine);
}

#[test]
fn packed_messages() {
    let seeds = seeds("unpack");
    for message in &seeds {
        assert!(unpack::examine(message), "{message:02x?}");
    }
    endure(&seeds, 5, unpack::examine);
}

#[test]
fn compiled_files() {
    let compiled = seeds("source").into_iter().filter_map(|text| compiled(&text));
    endure(&compiled.collect::<Vec<_>>(), 4, dump::examine);
}
