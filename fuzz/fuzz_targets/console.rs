//! What a client of the console sends: lines, the token among them, or a request by HTTP. `cargo +nightly fuzz run console fuzz/corpus/console fuzz/seeds/console`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::console::examine(bytes);
});
