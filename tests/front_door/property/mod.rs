//! The promise of source patches, on random services: *random edits, applied live, leave the same behaviour for new calls as a fresh start
//! with the new source and the old state.*
//!
//! `service` is a random service as data, `render` writes it as Lua, `edit` changes it; `play` runs many of them in one node, drops each
//! new version, and compares with a fresh instance that is given the state (`observe.lua`, `driver.lua`). A failure prints the seed of its
//! case and both texts. `HOTLUA_SEED=N HOTLUA_CASES=1` repeats it; `HOTLUA_CASES` alone makes a longer run.

mod edit;
mod play;
mod render;
mod service;

use play::Run;

/// Seed of the first case; the next ones follow.
const SEED: u64 = 1;

/// Services of a usual run.
const CASES: u64 = 40;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(usual)
}

#[test]
fn a_patched_service_is_as_a_fresh_one_with_the_old_state() {
    let (seed, count) = (setting("HOTLUA_SEED", SEED), setting("HOTLUA_CASES", CASES));
    let mut run = Run::start(seed..seed.saturating_add(count));
    for round in 1..=4 {
        run.round(round);
    }
    run.finish();
}
