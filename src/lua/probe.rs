//! For tests, fuzzing and benchmarks: what Lua itself says of bytes, and parts of the workshop in VMs that have nothing else.

pub mod heap;
pub mod packer;

use std::ffi::c_int;

use mlua::chunk::ChunkMode;
use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, LuaString};

use crate::lua::codec::unpack;

/// How much a message may cost in Lua for each of its bytes: the empty table is the dearest byte, in a list that has room for it.
const COST: usize = 128;
/// What it costs to unpack anything at all: a stack that grows, and an error message.
const ANYWAY: usize = 64 << 10;

/// What the compiler makes of a text, with all names and lines; `None` if it refuses it.
pub fn compiled(text: &[u8]) -> Option<Vec<u8>> {
    let lua = Lua::new();
    let chunk = lua.load(text).set_name("@x.lua").set_mode(ChunkMode::Text);
    Some(chunk.into_function().ok()?.dump(false))
}

/// A VM, and what unpacks its argument there: the number of values, or nothing.
pub struct Unpacker {
    lua: Lua,
    unpack: Function,
}

impl Unpacker {
    /// With a new VM.
    #[allow(clippy::new_without_default, reason = "a VM is no default value")]
    pub fn new() -> Unpacker {
        let lua = Lua::new();
        // SAFETY: the function keeps the rules of a C function of Lua.
        let unpack = unsafe { lua.create_c_function(unpack_argument) }.expect("memory for a function");
        Unpacker { lua, unpack }
    }

    /// How many values the bytes are, in memory that they pay for; `None` if they are no message.
    pub fn values(&self, bytes: &[u8]) -> Option<usize> {
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
    use super::Unpacker;

    #[test]
    fn a_length_that_the_bytes_do_not_hold_takes_no_memory() {
        let unpacker = Unpacker::new();
        // Tables in each other, each of which says that all the rest is its own.
        const ALL: usize = 1 << 20;
        let mut bytes = Vec::new();
        for _ in 0..32 {
            let rest = i32::try_from(ALL - bytes.len() - 6).expect("small");
            bytes.extend([0xfe, 0x22]);
            bytes.extend(rest.to_le_bytes());
        }
        bytes.resize(ALL, 0x00);
        assert_eq!(unpacker.values(&bytes), None);
        // The same, truly: a list of as many.
        let mut bytes = vec![0xfe, 0x22];
        bytes.extend(i32::try_from(ALL).expect("small").to_le_bytes());
        bytes.extend(vec![0x02; ALL]);
        bytes.push(0x00);
        assert_eq!(unpacker.values(&bytes), Some(1));
    }
}
