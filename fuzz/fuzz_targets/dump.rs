//! Any bytes as a compiled file: they are refused, or they are written again as they were, and every question has an answer. `cargo +nightly fuzz run dump`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::dump::examine(bytes);
});
