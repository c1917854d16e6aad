//! A config file. `cargo +nightly fuzz run config fuzz/corpus/config fuzz/seeds/config`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::config::examine(bytes);
});
