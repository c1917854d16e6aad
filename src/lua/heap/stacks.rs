//! Reading and writing the stack slots of coroutines that do not run.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

/// Pushes what a stack slot of a suspended coroutine holds now; false, with nothing pushed, if it is not there any more (a patch may
/// have resumed the coroutine).
///
/// # Safety
/// `l` is live, with room for one value; `thread` is another coroutine that does not run.
pub unsafe fn push_stack(l: *mut lua_State, thread: *mut lua_State, level: c_int, local: c_int) -> bool {
    if ffi::lua_checkstack(thread, 2) == 0 {
        return false;
    }
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    if level < 0 {
        let waits = ffi::lua_status(thread) == ffi::LUA_OK && ffi::lua_getstack(thread, 0, &mut ar) == 0;
        if !waits || local > ffi::lua_gettop(thread) {
            return false;
        }
        ffi::lua_pushvalue(thread, local);
    } else if ffi::lua_getstack(thread, level, &mut ar) == 0 || ffi::lua_getlocal(thread, &ar, local).is_null() {
        return false;
    }
    ffi::lua_xmove(thread, l, 1);
    true
}

/// Sets a stack slot to the value on top of `l`, which is popped.
///
/// # Safety
/// [`push_stack`] has just found the slot.
pub unsafe fn set_stack(l: *mut lua_State, thread: *mut lua_State, level: c_int, local: c_int) {
    ffi::lua_xmove(l, thread, 1);
    if level < 0 {
        ffi::lua_replace(thread, local);
        return;
    }
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    if ffi::lua_getstack(thread, level, &mut ar) == 0 || ffi::lua_setlocal(thread, &ar, local).is_null() {
        ffi::lua_pop(thread, 1);
    }
}

/// The line at which a coroutine is in a frame, if that is still a frame of the function on top of `l` (popped).
///
/// # Safety
/// As [`push_stack`].
pub unsafe fn line_in(l: *mut lua_State, thread: *mut lua_State, level: c_int) -> Option<c_int> {
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    let there = ffi::lua_checkstack(thread, 2) != 0 && ffi::lua_getstack(thread, level, &mut ar) != 0;
    if there {
        ffi::lua_getinfo(thread, c"fl".as_ptr(), &mut ar);
        ffi::lua_xmove(thread, l, 1);
    } else {
        ffi::lua_pushnil(l);
    }
    let same = ffi::lua_rawequal(l, -1, -2) != 0;
    ffi::lua_pop(l, 2);
    same.then_some(ar.currentline)
}
