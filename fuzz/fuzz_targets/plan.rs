//! Two texts that Lua accepts, as versions of one file: there is a plan, its program compiles, and what it mentions exists. `cargo +nightly fuzz run plan fuzz/corpus/plan fuzz/seeds/plan`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hotlua::fuzz::plan::examine(bytes);
});
