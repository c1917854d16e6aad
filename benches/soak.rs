//! A node under load for a long time, while it is patched without end: `cargo bench --bench soak -- [--minutes N | --quick] [--seed N]`.
//!
//! 200 instances, 150 of them in a ring through which tokens run and along which calls are made, 50 that are ended and started anew. Patches of
//! all kinds, rollbacks and restarts in place come in random order (the seed is printed); in the last third the same goes on in dev mode, with
//! saves. After each step every instance is asked what it runs. No message may be lost or doubled, the books must agree with what runs, and
//! memory must stay flat; the first thing that is not so ends the run.

#[path = "soak/books.rs"]
mod books;
#[path = "soak/memory.rs"]
mod memory;
#[path = "soak/model.rs"]
mod model;
mod node;
#[path = "soak/patches.rs"]
mod patches;
#[path = "soak/saves.rs"]
mod saves;
#[path = "soak/world.rs"]
mod world;

use std::time::Duration;

use world::World;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let seed = number("--seed").unwrap_or_else(|| fastrand::u64(..) >> 32);
    let seconds = if quick {
        18
    } else {
        60 * number("--minutes").unwrap_or(2)
    };
    println!("seed {seed}, {seconds} s; to repeat: cargo bench --bench soak -- --seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().expect("a temporary directory");
    {
        let mut world = World::start("run", dir.path());
        patches::go_on(&mut world, &mut random, Duration::from_secs(seconds * 2 / 3));
        world.stop();
    }
    let mut world = World::start("dev", dir.path());
    saves::go_on(&mut world, &mut random, Duration::from_secs(seconds / 3));
    world.stop();
}
