//! The comments that a patch begins with. `cargo +nightly fuzz run header fuzz/corpus/header fuzz/seeds/header`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::header::examine(bytes);
});
