//! The promise of source patches, on random services: *random edits, applied live, leave the same behaviour for new calls as a fresh start
//! with the new source and the old state.*
//!
//! `service` is a random service as data, `render` writes it as Lua, `edit` changes it; `play` runs many of them in one node, drops each
//! new version (or one changed function alone), and compares with a fresh instance that is given the state (`observe.lua`, `driver.lua`).
//! A failure prints the seed of its case and both texts. `HOTLUA_SEED=N HOTLUA_CASES=1` repeats it; `HOTLUA_CASES` alone makes a longer
//! run. `cases` is what was found so.

mod cases;
mod edit;
mod play;
mod render;
mod service;

use play::{Run, Way};

/// Seed of the first case; the next ones follow.
const SEED: u64 = 1;

/// Services of a usual run.
const CASES: u64 = 40;

/// Services that are saved again and again in dev mode, and how often: often enough for older versions to be let go.
const SAVED: u64 = 3;
/// See [`SAVED`].
const SAVES: usize = 45;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(usual)
}

#[test]
fn a_patched_service_is_as_a_fresh_one_with_the_old_state() {
    let (seed, count) = (setting("HOTLUA_SEED", SEED), setting("HOTLUA_CASES", CASES));
    let mut run = Run::start(Way::Dropped, seed..seed.saturating_add(count));
    for round in 1..=4 {
        run.round(round);
    }
    run.finish();
}

#[test]
fn a_service_saved_again_and_again_is_as_a_fresh_one_with_the_old_state() {
    let (seed, count) = (setting("HOTLUA_SEED", 1000), setting("HOTLUA_SAVED", SAVED));
    let mut run = Run::start(Way::Saved, seed..seed.saturating_add(count));
    for round in 1..=setting("HOTLUA_SAVES", SAVES as u64) as usize {
        run.round(round);
    }
    run.finish();
}
