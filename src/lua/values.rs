//! Small steps between Rust and Lua values, and where the tables lie that both sides use.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

/// The bytes of the string (or number, which becomes one in place) at `index`; valid while the value stays on the stack.
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn bytes<'a>(l: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    let mut length = 0;
    let start = ffi::lua_tolstring(l, index, &mut length);
    (!start.is_null()).then(|| std::slice::from_raw_parts(start.cast(), length))
}

/// The text at `index`, with what is not UTF-8 replaced.
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn text(l: *mut lua_State, index: c_int) -> Option<String> {
    bytes(l, index).map(|b| String::from_utf8_lossy(b).into_owned())
}

/// Any value at `index` as `tostring` shows it, without calling metamethods for anything but errors with `__tostring`.
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn describe(l: *mut lua_State, index: c_int) -> String {
    match ffi::lua_type(l, index) {
        ffi::LUA_TSTRING | ffi::LUA_TNUMBER => {
            ffi::lua_pushvalue(l, index);
            let shown = text(l, -1).unwrap_or_default();
            ffi::lua_pop(l, 1);
            shown
        }
        ffi::LUA_TNIL => "nil".into(),
        ffi::LUA_TBOOLEAN => (ffi::lua_toboolean(l, index) != 0).to_string(),
        kind => {
            let name = CStr::from_ptr(ffi::lua_typename(l, kind)).to_string_lossy();
            format!("{name}: {:p}", ffi::lua_topointer(l, index))
        }
    }
}

/// Pushes a string.
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn push(l: *mut lua_State, text: &[u8]) {
    ffi::lua_pushlstring(l, text.as_ptr().cast(), text.len());
}

/// The integer at `index`, if it is one (or a float or string with an integral value).
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn integer(l: *mut lua_State, index: c_int) -> Option<i64> {
    let mut is = 0;
    let value = ffi::lua_tointegerx(l, index, &mut is);
    (is != 0).then_some(value)
}

/// Pushes field `name` of the table at `index`, without metamethods.
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn raw_field(l: *mut lua_State, index: c_int, name: &CStr) -> c_int {
    let index = ffi::lua_absindex(l, index);
    ffi::lua_pushstring(l, name.as_ptr());
    ffi::lua_rawget(l, index)
}

/// Pseudo-index of an upvalue of the running C function.
pub fn upvalue(number: c_int) -> c_int {
    ffi::LUA_REGISTRYINDEX - number
}

/// Pushes the arguments' `tostring`s, each behind the one before with `separator` between them, as one string.
///
/// # Safety
/// `l` is a live coroutine inside a function that Lua called. Raises Lua errors.
pub unsafe fn join_arguments(l: *mut lua_State, separator: &[u8]) {
    let count = ffi::lua_gettop(l);
    ffi::luaL_checkstack(l, 2 * count + 2, std::ptr::null());
    for index in 1..=count {
        if index > 1 {
            push(l, separator);
        }
        ffi::luaL_tolstring(l, index, std::ptr::null_mut());
    }
    ffi::lua_concat(l, (2 * count - 1).max(0));
}

/// Registry slots that hold the tables which Lua's side and ours both use.
#[derive(Clone, Copy)]
#[repr(i32)]
pub enum Slot {
    /// Protocols, by name and by number.
    Proto = ffi::LUA_RIDX_LAST as i32 + 1,
    /// Session → the coroutine that waits for it.
    Sessions,
    /// Every coroutine of the scheduler's, by address: keeps them alive.
    Coroutines,
    /// Coroutines that `fork` made, first in first out between the fields `h` and `t`.
    Forks,
    /// Tokens that `wakeup` named, likewise.
    Wakeups,
    /// Token → session of the coroutine that sleeps on it.
    Sleeping,
    /// The table `skynet.core`.
    Core,
    /// The table `skynet`.
    Library,
    /// What the library wants to be called for: `unknown_request`, `stop`, ….
    Hooks,
    /// Closures that keep the file-level locals of each file alive, by file.
    Kept,
    /// Main functions of all files, which keep their prototypes from being collected.
    Mains,
    /// What a patch works with while it is applied: not part of the program's heap.
    Work,
    /// Upvalues that a patch has joined elsewhere: function, number, and a closure over the cell from before.
    Joins,
    /// What each live patch has replaced, by its number: not part of the program's heap.
    Undo,
    /// Functions that each live patch wants to be called when it goes, by its number.
    Unload,
    /// Coroutines that are in old bodies, each with the function: kept alive by nobody else.
    InFlight,
}

/// How many [`Slot`]s there are.
pub const SLOTS: i32 = 16;

/// Pushes the table in a registry slot.
///
/// # Safety
/// `l` is a live coroutine; see the rules in the module documentation of `lua`.
pub unsafe fn slot(l: *mut lua_State, slot: Slot) {
    ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, slot as i64);
}
