//! The few facts about Lua's own structures that the public API does not give: where a closure keeps its prototype, and where a
//! prototype keeps those nested in it. They hold for the vendored Lua 5.5 on 64-bit machines; [`check`] proves them at start against
//! closures that it knows, so a Lua that differs is noticed before it is used.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

/// Byte offset of `LClosure.p`.
const CLOSURE_PROTO: usize = 24;
/// Byte offset of `Proto.sizep` (an `int`).
const PROTO_CHILD_COUNT: usize = 32;
/// Byte offset of `Proto.p` (a `Proto **`).
const PROTO_CHILDREN: usize = 72;

/// The address of a prototype. It stays the prototype's own as long as a closure of it, or one around it, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proto(usize);

/// The prototype of the Lua function at `index`; `None` for anything else.
///
/// # Safety
/// `l` is live; [`check`] has succeeded.
pub unsafe fn proto_of(l: *mut lua_State, index: c_int) -> Option<Proto> {
    if ffi::lua_type(l, index) != ffi::LUA_TFUNCTION || ffi::lua_iscfunction(l, index) != 0 {
        return None;
    }
    let closure = ffi::lua_topointer(l, index) as usize;
    // SAFETY: a Lua function's pointer is its LClosure, whose layout `check` has proved.
    Some(Proto(*((closure + CLOSURE_PROTO) as *const usize)))
}

/// The prototypes nested directly in one, in the order of their source.
///
/// # Safety
/// The prototype is alive; [`check`] has succeeded.
pub unsafe fn children(proto: Proto) -> Vec<Proto> {
    // SAFETY: see above; the compiler fills `sizep` entries.
    let count = *((proto.0 + PROTO_CHILD_COUNT) as *const c_int);
    let list = *((proto.0 + PROTO_CHILDREN) as *const *const usize);
    (0..usize::try_from(count).unwrap_or(0))
        .map(|i| Proto(*list.add(i)))
        .collect()
}

/// Proves the layout on functions made for it: a chunk that returns two closures of its first nested function and one of its second.
///
/// # Safety
/// `l` is live, with room for a few values, inside a protected call.
pub unsafe fn check(l: *mut lua_State) -> bool {
    let text = c"local f = function() return 1 end local g = function() return function() end end local function mk() return f end \
                 return f, g, mk, g()";
    let top = ffi::lua_gettop(l);
    let loaded = ffi::luaL_loadstring(l, text.as_ptr()) == ffi::LUA_OK;
    let proved = loaded && {
        ffi::lua_pushvalue(l, -1);
        ffi::lua_call(l, 0, 4);
        let plausible = |proto: Proto| proto.0 != 0 && proto.0.is_multiple_of(8);
        let [main, f, g, mk, inner] = [-5, -4, -3, -2, -1].map(|i| proto_of(l, i));
        match (main, f, g, mk, inner) {
            (Some(main), Some(f), Some(g), Some(mk), Some(inner))
                if [main, f, g, mk, inner].iter().all(|p| plausible(*p)) =>
            {
                children(main) == [f, g, mk] && children(g) == [inner] && children(f).is_empty()
            }
            _ => false,
        }
    };
    ffi::lua_settop(l, top);
    proved
}
