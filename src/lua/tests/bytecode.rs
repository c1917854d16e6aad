//! The reader and writer of dumps (`patch::bytecode`) against Lua itself.

mod bindings;
mod bodies;
mod garbage;
mod makers;
pub(super) mod random;
mod round_trips;
pub(super) mod sources;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};

use crate::patch::bytecode::{Code, Proto};

/// A VM with all libraries, which loads compiled chunks too.
fn vm() -> Lua {
    // SAFETY: the chunks that are loaded here were written by `Code` out of what Lua compiled.
    unsafe { Lua::unsafe_new() }
}

/// A file, compiled and not run.
fn compiled(lua: &Lua, text: &[u8]) -> Function {
    let chunk = lua.load(text).set_name("@dir/x.lua").set_mode(ChunkMode::Text);
    match chunk.into_function() {
        Ok(function) => function,
        Err(error) => panic!("{error} in:\n{}", String::from_utf8_lossy(text)),
    }
}

pub(super) fn dump(text: &[u8]) -> Vec<u8> {
    compiled(&vm(), text).dump(false)
}

fn code(text: &str) -> Code {
    parsed(&dump(text.as_bytes()))
}

pub(super) fn parsed(dump: &[u8]) -> Code {
    Code::parse(dump).unwrap_or_else(|why| panic!("{why}"))
}

/// The maker of a function, loaded.
fn maker(lua: &Lua, code: &Code, function: usize) -> Function {
    let chunk = lua.load(code.maker(function)).set_mode(ChunkMode::Binary);
    chunk.call(()).unwrap()
}

/// The number of an upvalue by its name.
fn upvalue(proto: &Proto, name: &str) -> usize {
    let found = proto
        .upvalues
        .iter()
        .position(|upvalue| *upvalue.name == *name.as_bytes());
    found.unwrap_or_else(|| panic!("no upvalue {name}"))
}
