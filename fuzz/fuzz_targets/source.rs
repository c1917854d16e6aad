//! Any bytes as the text of a patch: they are no source, or they have an outline, and whether they are a new version of a whole file can be `cargo +nightly fuzz run source fuzz/corpus/source fuzz/seeds/source`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::source::examine(bytes);
});
