//! The queues of coroutines and tokens that lie in Lua tables, where patches find them: fields `h` and `t`, first in first out.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::context::Context;
use crate::lua::values::{self, Slot};

/// Makes a queue empty.
///
/// # Safety
/// `l` is live, inside a protected call.
pub unsafe fn clear(l: *mut lua_State, queue: Slot) {
    values::slot(l, queue);
    set_ends(l, 1, 0);
    ffi::lua_pop(l, 1);
}

/// Puts the value at `index` at the end of a queue, to be taken in this turn.
///
/// # Safety
/// As [`clear`].
pub unsafe fn push(l: *mut lua_State, context: &Context, queue: Slot, index: c_int) {
    ffi::luaL_checkstack(l, 4, std::ptr::null());
    let index = ffi::lua_absindex(l, index);
    values::slot(l, queue);
    values::raw_field(l, -1, c"t");
    let tail = values::integer(l, -1).unwrap_or_default() + 1;
    ffi::lua_pop(l, 1);
    ffi::lua_pushvalue(l, index);
    ffi::lua_rawseti(l, -2, tail);
    ffi::lua_pushinteger(l, tail);
    ffi::lua_setfield(l, -2, c"t".as_ptr());
    ffi::lua_pop(l, 1);
    context.stirred.set(true);
}

/// Takes the next value out of a queue and pushes it; false, with nothing pushed, if it is empty.
///
/// # Safety
/// As [`clear`].
pub unsafe fn next(l: *mut lua_State, queue: Slot) -> bool {
    values::slot(l, queue);
    values::raw_field(l, -1, c"h");
    values::raw_field(l, -2, c"t");
    let (head, tail) = (values::integer(l, -2).unwrap_or(1), values::integer(l, -1).unwrap_or(0));
    ffi::lua_pop(l, 2);
    if head > tail {
        ffi::lua_pop(l, 1);
        return false;
    }
    ffi::lua_rawgeti(l, -1, head);
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -3, head);
    ffi::lua_insert(l, -2);
    // An empty queue starts again at the front, where a table is cheapest.
    let (head, tail) = if head == tail { (1, 0) } else { (head + 1, tail) };
    set_ends(l, head, tail);
    ffi::lua_pop(l, 1);
    true
}

/// Sets the ends of the queue on top.
unsafe fn set_ends(l: *mut lua_State, head: i64, tail: i64) {
    for (name, value) in [(c"h", head), (c"t", tail)] {
        ffi::lua_pushinteger(l, value);
        ffi::lua_setfield(l, -2, name.as_ptr());
    }
}
