//! What comes by the control socket. `cargo +nightly fuzz run request fuzz/corpus/request fuzz/seeds/request`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::request::examine(bytes);
});
