//! Running the files of the built-in library.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};

use crate::lua::context::Context;
use crate::lua::guard;
use crate::lua::library;
use crate::lua::values::{self, Slot};

/// Pushes the main function of a file of the built-in library; raises its error if it does not compile.
///
/// # Safety
/// `l` is live, inside a protected call.
pub unsafe fn push(l: *mut lua_State, context: &Context, text: &'static str, name: &str) {
    match context.host.chunks.builtin(l, text, name) {
        Ok(chunk) => {
            guard::open(l, chunk.libraries);
            // What is built in lives as long as the node.
            chunk.push_in_place(l);
        }
        Err(why) => {
            context.push_text(l, why);
            ffi::lua_error(l);
        }
    }
}

/// Runs a part of the library `skynet`, which gets the table `skynet.core`, and adds what it returns to the library, but for names that
/// the program has given another value.
///
/// # Safety
/// As [`push`].
pub unsafe fn add_part(l: *mut lua_State, context: &Context, part: &library::Part) {
    ffi::luaL_checkstack(l, 8, std::ptr::null());
    values::slot(l, Slot::Library);
    push(l, context, part.text, part.label);
    values::slot(l, Slot::Core);
    ffi::lua_call(l, 1, 1);
    ffi::lua_pushnil(l);
    while ffi::lua_next(l, -2) != 0 {
        ffi::lua_pushvalue(l, -2);
        if ffi::lua_rawget(l, -5) == ffi::LUA_TNIL {
            ffi::lua_pop(l, 1);
            ffi::lua_pushvalue(l, -2);
            ffi::lua_insert(l, -2);
            ffi::lua_rawset(l, -5);
        } else {
            ffi::lua_pop(l, 2);
        }
    }
    ffi::lua_pop(l, 2);
}
