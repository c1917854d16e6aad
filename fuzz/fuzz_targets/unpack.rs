//! A packed message, as another service or a library has made it. `cargo +nightly fuzz run unpack fuzz/corpus/unpack fuzz/seeds/unpack`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::unpack::examine(bytes);
});
