//! What a restart in place waits for (the new code's start, `hotfix.save`) ends in time, also where it is an endless loop.
//!
//! A hook looks at the clock. When the time is up it lets the coroutine yield, which nothing in Lua can catch; where Lua allows no yield it
//! raises, again at each further instruction. Coroutines inherit the hook from the one that makes them, and lose it once there is no
//! deadline any more.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;
use std::time::Instant;

use mlua::ffi::{self, lua_State};

use crate::lua::context::{self, Context};
use crate::lua::values;

/// Instructions between two looks at the clock.
const LOOK_EVERY: c_int = 10_000;

/// Sets the deadline of everything that runs from now on.
///
/// # Safety
/// The VM is open and idle, and this is its thread.
pub unsafe fn watch(context: &Context, deadline: Instant) {
    context.deadline.set(Some(deadline));
    ffi::lua_sethook(context.main.get(), Some(look), ffi::LUA_MASKCOUNT, LOOK_EVERY);
}

/// There is no deadline any more.
///
/// # Safety
/// As [`watch`].
pub unsafe fn forget(context: &Context) {
    context.deadline.set(None);
    context.overdue.take();
    ffi::lua_sethook(context.main.get(), None, 0, 0);
}

unsafe extern "C-unwind" fn look(l: *mut lua_State, _ar: *mut ffi::lua_Debug) {
    let context = context::of(l);
    match context.deadline.get() {
        None => return ffi::lua_sethook(l, None, 0, 0),
        Some(deadline) if Instant::now() < deadline => return,
        Some(_) => {}
    }
    if context.overdue.borrow().is_none() {
        ffi::luaL_traceback(l, l, std::ptr::null(), 0);
        *context.overdue.borrow_mut() = values::text(l, -1);
        ffi::lua_pop(l, 1);
    }
    ffi::lua_sethook(l, Some(look), ffi::LUA_MASKCOUNT, 1);
    if ffi::lua_isyieldable(l) != 0 {
        ffi::lua_yieldk(l, 0, 0, None);
        return;
    }
    context.raise(l, format_args!("its time is up (hotfix.restart_limit)"));
}
