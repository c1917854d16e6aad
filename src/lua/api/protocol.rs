//! Message types: what packs, unpacks and handles each.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_CFunction, lua_State};

use crate::actor::message::kind;
use crate::lua::api::buffers;
use crate::lua::builtin::add_part;
use crate::lua::context::Context;
use crate::lua::functions::lua_functions;
use crate::lua::library;
use crate::lua::values::{self, Slot};

/// A field and its function.
type Function = (&'static CStr, lua_CFunction);

/// Makes the message types known that every service has.
///
/// # Safety
/// `l` is live, inside a protected call.
pub unsafe fn furnish(l: *mut lua_State) {
    let packed: &[Function] = &[(c"pack", buffers::pack), (c"unpack", buffers::unpack)];
    let debug = &[packed[0], packed[1], (c"dispatch", debug_message)];
    let types: [(&CStr, u8, &[Function]); 4] = [
        (c"lua", kind::LUA, packed),
        (c"response", kind::RESPONSE, &[]),
        (c"error", kind::ERROR, &[(c"unpack", same)]),
        (c"debug", kind::DEBUG, debug),
    ];
    values::slot(l, Slot::Proto);
    for (name, id, functions) in types {
        ffi::lua_createtable(l, 0, functions.len() as c_int + 2);
        ffi::lua_pushstring(l, name.as_ptr());
        ffi::lua_setfield(l, -2, c"name".as_ptr());
        ffi::lua_pushinteger(l, i64::from(id));
        ffi::lua_setfield(l, -2, c"id".as_ptr());
        for (field, function) in functions {
            ffi::lua_pushcfunction(l, *function);
            ffi::lua_setfield(l, -2, field.as_ptr());
        }
        ffi::lua_pushvalue(l, -1);
        ffi::lua_setfield(l, -3, name.as_ptr());
        ffi::lua_rawseti(l, -2, i64::from(id));
    }
    ffi::lua_pop(l, 1);
}

/// Pushes what was registered for the message type (a name or a number) at `index`; raises if nothing was.
///
/// # Safety
/// As [`Context::raise`].
pub unsafe fn push_protocol(l: *mut lua_State, context: &Context, index: c_int) {
    ffi::luaL_checkstack(l, 4, std::ptr::null());
    if !find(l, index) {
        let shown = values::describe(l, index);
        context.push_text(l, shown);
        let shown = values::bytes(l, -1).unwrap_or_default();
        context.raise(
            l,
            format_args!(
                "unknown message type {} (skynet.register_protocol makes one known)",
                std::str::from_utf8(shown).unwrap_or("?")
            ),
        );
    }
}

/// Pushes what was registered for the message type at `index`; false, with nothing pushed, if nothing was.
unsafe fn find(l: *mut lua_State, index: c_int) -> bool {
    values::slot(l, Slot::Proto);
    ffi::lua_pushvalue(l, index);
    ffi::lua_rawget(l, -2);
    ffi::lua_remove(l, -2);
    let found = ffi::lua_type(l, -1) == ffi::LUA_TTABLE;
    if !found {
        ffi::lua_pop(l, 1);
    }
    found
}

/// The number of the message type on top.
///
/// # Safety
/// As [`push_protocol`].
pub unsafe fn id(l: *mut lua_State, context: &Context) -> u8 {
    values::raw_field(l, -1, c"id");
    let id = values::integer(l, -1).and_then(|id| u8::try_from(id).ok());
    ffi::lua_pop(l, 1);
    match id {
        Some(id) => id,
        None => context.raise(
            l,
            format_args!("the number of a message type is an integer from 0 to 255"),
        ),
    }
}

/// Whether a field of the message type on top is this function of ours.
///
/// # Safety
/// As [`push_protocol`].
pub unsafe fn is_standard(l: *mut lua_State, field: &CStr, function: lua_CFunction) -> bool {
    values::raw_field(l, -1, field);
    let is_standard = ffi::lua_tocfunction(l, -1).is_some_and(|is| std::ptr::fn_addr_eq(is, function));
    ffi::lua_pop(l, 1);
    is_standard
}

lua_functions! {
    /// `register_protocol{ name = …, id = …, … }`
    pub fn register_protocol(l, context) {
        ffi::luaL_checktype(l, 1, ffi::LUA_TTABLE);
        ffi::lua_settop(l, 1);
        ffi::lua_getfield(l, 1, c"name".as_ptr());
        ffi::lua_getfield(l, 1, c"id".as_ptr());
        let id = values::integer(l, 3).filter(|id| (0..=255).contains(id));
        let (Some(id), ffi::LUA_TSTRING) = (id, ffi::lua_type(l, 2)) else {
            context.raise(l, format_args!("a message type needs a name, a string, and an id, an integer from 0 to 255"))
        };
        if find(l, 2) || find(l, 3) {
            let name = std::str::from_utf8(values::bytes(l, 2).unwrap_or_default()).unwrap_or("?");
            context.raise(l, format_args!("there is a message type {name}, or one with number {id}, already"));
        }
        values::slot(l, Slot::Proto);
        ffi::lua_pushvalue(l, 2);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_rawset(l, -3);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_rawseti(l, -2, id);
        0
    }

    /// `dispatch(type[, func])` → the function that handled it so far.
    pub fn dispatch(l, context) {
        ffi::lua_settop(l, 2);
        let sets = ffi::lua_toboolean(l, 2) != 0;
        if sets {
            push_protocol(l, context, 1);
        } else if !find(l, 1) {
            return 0;
        }
        ffi::lua_getfield(l, 3, c"dispatch".as_ptr());
        if sets {
            ffi::lua_pushvalue(l, 2);
            ffi::lua_setfield(l, 3, c"dispatch".as_ptr());
        }
        1
    }

    /// Handles what the console asks: `(session, source, ...)`.
    fn debug_message(l, context) {
        let count = ffi::lua_gettop(l);
        values::slot(l, Slot::Core);
        if values::raw_field(l, -1, c"debug_message") == ffi::LUA_TNIL {
            ffi::lua_pop(l, 1);
            add_part(l, context, &library::DIAGNOSIS);
            values::raw_field(l, -1, c"debug_message");
        }
        ffi::lua_remove(l, -2);
        ffi::lua_insert(l, 1);
        ffi::lua_callk(l, count, 0, 0, Some(done));
        0
    }

    /// Its arguments.
    fn same(l, _context) {
        ffi::lua_gettop(l)
    }
}

unsafe extern "C-unwind" fn done(_l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    0
}
