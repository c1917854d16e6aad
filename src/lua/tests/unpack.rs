//! Any bytes as a packed message: they are refused, or they are values, in memory that the bytes pay for. The fuzz target `unpack` runs
//! `examine`, too.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, LuaString};

use crate::lua::codec::unpack;

/// How much a message may cost in Lua for each of its bytes: the empty table is the dearest byte, in a list that has room for it.
const COST: usize = 128;
/// What it costs to unpack anything at all: a stack that grows, and an error message.
const ANYWAY: usize = 64 << 10;

/// A VM, and what unpacks its argument there: the number of values, or nothing.
pub struct Bench {
    lua: Lua,
    unpack: Function,
}

impl Bench {
    /// A new VM.
    pub fn new() -> Bench {
        let lua = Lua::new();
        // SAFETY: the function keeps the rules of a C function of Lua.
        let unpack = unsafe { lua.create_c_function(unpack_argument) }.expect("memory for a function");
        Bench { lua, unpack }
    }

    /// How many values the bytes are; `None` if they are no message.
    pub fn examine(&self, bytes: &[u8]) -> Option<usize> {
        let text: LuaString = self.lua.create_string(bytes).expect("memory for the bytes");
        self.lua.gc_collect().expect("no finalizers");
        let used = self.lua.used_memory();
        self.lua
            .set_memory_limit(used + ANYWAY + COST * bytes.len())
            .expect("the allocator is mlua's own");
        let count = self.unpack.call::<Option<usize>>(text);
        self.lua.set_memory_limit(0).expect("as above");
        match count {
            Ok(count) => count,
            // More values than a stack holds: no message of a service's is one.
            Err(why) if why.to_string().contains("stack overflow") => None,
            Err(why) => panic!("{} bytes, {used} bytes used: {why}: {bytes:02x?}", bytes.len()),
        }
    }
}

/// # Safety
/// Lua calls it, with one string.
unsafe extern "C-unwind" fn unpack_argument(l: *mut lua_State) -> c_int {
    // SAFETY: a Lua function with one argument, a string, which lies on the stack until it returns; nothing here needs dropping.
    unsafe {
        let mut length = 0;
        let start = ffi::lua_tolstring(l, 1, &mut length);
        let before = ffi::lua_gettop(l);
        let Ok(count) = unpack(l, std::slice::from_raw_parts(start.cast(), length)) else {
            return 0;
        };
        assert_eq!(ffi::lua_gettop(l), before + count, "so many values were pushed");
        ffi::lua_settop(l, 0);
        ffi::lua_pushinteger(l, i64::from(count));
        1
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::Bench;

    /// Messages with everything in them that there is, and more of it than is written in the tag.
    fn messages() -> Vec<Vec<u8>> {
        let nested = [&[0x0e; 33][..], &[0x00; 66]].concat();
        let mut long = vec![0x25, 0x00, 0x01, 0x00, 0x00];
        long.extend([b'x'; 256]);
        let mut list = vec![0xfe, 0x0a, 40];
        list.extend([0x06, 0x00].repeat(40));
        list.push(0x00);
        vec![
            vec![0x00, 0x01, 0x09, 0x02, 0x0a, 5, 0x12, 1, 2, 0x22, 1, 2, 3, 4],
            vec![0x32, 1, 2, 3, 4, 5, 6, 7, 8, 0x42, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
            vec![0x03, 1, 2, 3, 4, 5, 6, 7, 8, 0x1c, b'a', b'b', b'c', 0x04],
            vec![0x15, 3, 0, b'a', b'b', b'c'],
            vec![0x16, 0x0a, 1, 0x0a, 2, 0x0c, b'k', 0x16, 0x09, 0x01, 0x00, 0x00],
            nested,
            long,
            list,
        ]
    }

    #[test]
    fn damaged_messages_are_refused_or_values() {
        let bench = Bench::new();
        let whole = messages();
        for message in &whole {
            assert!(bench.examine(message).is_some(), "{message:02x?}");
        }
        let mut random = Rng::with_seed(7);
        let mut accepted = 0;
        for _ in 0..60_000 {
            let mut bytes = random.choice(&whole).cloned().unwrap_or_default();
            for _ in 0..random.usize(1..4) {
                damage(&mut random, &mut bytes, &whole);
            }
            accepted += usize::from(bench.examine(&bytes).is_some());
        }
        assert!(
            accepted > 5_000,
            "only {accepted} were accepted: the damage is too great to tell anything"
        );
    }

    fn damage(random: &mut Rng, bytes: &mut Vec<u8>, whole: &[Vec<u8>]) {
        let at = random.usize(0..=bytes.len());
        match random.u8(0..5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.u8(0..8);
                }
            }
            3 => {
                bytes.splice(at..at, random.choice(whole).cloned().unwrap_or_default());
            }
            _ => {
                // A table, and the largest lengths that there are.
                let length = [
                    &[0xfe, 0x22, 0xff, 0xff, 0xff, 0x7f][..],
                    &[0xfe, 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
                ];
                bytes.splice(at..at, random.choice(length).unwrap_or_default().iter().copied());
            }
        }
    }

    #[test]
    fn a_length_that_the_bytes_do_not_hold_takes_no_memory() {
        let bench = Bench::new();
        // Tables in each other, each of which says that all the rest is its own.
        const ALL: usize = 1 << 20;
        let mut bytes = Vec::new();
        for _ in 0..32 {
            let rest = i32::try_from(ALL - bytes.len() - 6).expect("small");
            bytes.extend([0xfe, 0x22]);
            bytes.extend(rest.to_le_bytes());
        }
        bytes.resize(ALL, 0x00);
        assert_eq!(bench.examine(&bytes), None);
        // The same, truly: a list of as many.
        let mut bytes = vec![0xfe, 0x22];
        bytes.extend(i32::try_from(ALL).expect("small").to_le_bytes());
        bytes.extend(vec![0x02; ALL]);
        bytes.push(0x00);
        assert_eq!(bench.examine(&bytes), Some(1));
    }
}
