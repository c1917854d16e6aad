//! What the tables `skynet` and `skynet.core` hold. A service uses a small part of it, so their functions come with the first look at
//! them: a metatable finds those in Rust by name, and loads the part of the library that another one is in.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::CStr;

use mlua::ffi::{self, lua_CFunction, lua_State};

use crate::lua::api::{buffers, life, message, node, protocol, wait};
use crate::lua::apply::hooks;
use crate::lua::builtin::add_part;
use crate::lua::functions::lua_functions;
use crate::lua::library::PARTS;
use crate::lua::values::{self, Slot};

/// Functions that a service uses.
const SKYNET: &[(&str, lua_CFunction)] = &[
    ("abort", life::abort),
    ("call", message::call),
    ("context", message::context),
    ("dispatch", protocol::dispatch),
    ("error", node::log),
    ("exit", life::exit),
    ("fork", wait::fork),
    ("genid", wait::session),
    ("getenv", node::getenv),
    ("harbor", node::harbor),
    ("hpc", node::hpc),
    ("ignoreret", message::ignoreret),
    ("localname", life::find),
    ("mqlen", node::mqlen),
    ("newservice", life::newservice),
    ("now", node::now),
    ("pack", buffers::pack),
    ("packstring", buffers::packstring),
    ("rawcall", message::rawcall),
    ("rawsend", message::rawsend),
    ("redirect", message::redirect),
    ("register_protocol", protocol::register_protocol),
    ("ret", message::ret),
    ("retpack", message::retpack),
    ("self", life::address),
    ("send", message::send),
    ("setenv", node::setenv),
    ("sleep", wait::sleep),
    ("start", life::start),
    ("starttime", node::starttime),
    ("stat", node::stat),
    ("time", node::time),
    ("timeout", wait::timeout),
    ("tostring", buffers::tostring),
    ("trash", buffers::trash),
    ("unpack", buffers::unpack),
    ("wait", wait::wait),
    ("wakeup", wait::wakeup),
    ("yield", wait::yield_),
];

/// The numbers of message types.
const KINDS: &[(&str, i64)] = &[
    ("PTYPE_TEXT", 0),
    ("PTYPE_RESPONSE", 1),
    ("PTYPE_MULTICAST", 2),
    ("PTYPE_CLIENT", 3),
    ("PTYPE_SYSTEM", 4),
    ("PTYPE_HARBOR", 5),
    ("PTYPE_SOCKET", 6),
    ("PTYPE_ERROR", 7),
    ("PTYPE_QUEUE", 8),
    ("PTYPE_DEBUG", 9),
    ("PTYPE_LUA", 10),
    ("PTYPE_SNAX", 11),
    ("PTYPE_TRACE", 12),
];

/// Functions that the library itself uses.
const CORE: &[(&str, lua_CFunction)] = &[
    ("alive", message::alive),
    ("answer", message::answer),
    ("clearcache", node::clearcache),
    ("console", life::console),
    ("defer", message::defer),
    ("failed", life::failed),
    ("has_state", life::has_state),
    ("hook", hooks::hook),
    ("kill", life::kill),
    ("launch", life::launch),
    ("loaded", life::loaded),
    ("name", life::name),
    ("reloadable", hooks::reloadable),
    ("running", wait::running),
    ("services", node::services),
    ("started", life::started),
    ("stir", wait::stir),
    ("suspend", wait::suspend),
    ("take_state", life::take_state),
    ("traceback", node::traceback),
];

/// Fills the tables `skynet` and `skynet.core`.
///
/// # Safety
/// `l` is live, inside a protected call, with its slots furnished.
pub unsafe fn furnish(l: *mut lua_State) {
    values::slot(l, Slot::Core);
    let tables = [
        (c"proto", Slot::Proto),
        (c"sessions", Slot::Sessions),
        (c"forks", Slot::Forks),
        (c"wakeups", Slot::Wakeups),
        (c"sleeping", Slot::Sleeping),
        (c"hooks", Slot::Hooks),
        (c"skynet", Slot::Library),
    ];
    for (name, slot) in tables {
        values::slot(l, slot);
        ffi::lua_setfield(l, -2, name.as_ptr());
    }
    set_metatable(l, &[(c"__index", index_core)]);
    values::slot(l, Slot::Library);
    set_metatable(l, &[(c"__index", index_skynet), (c"__pairs", pairs)]);
    ffi::lua_pop(l, 2);
}

unsafe fn set_metatable(l: *mut lua_State, events: &[(&CStr, lua_CFunction)]) {
    ffi::lua_createtable(l, 0, events.len() as i32);
    for (event, function) in events {
        ffi::lua_pushcfunction(l, *function);
        ffi::lua_setfield(l, -2, event.as_ptr());
    }
    ffi::lua_setmetatable(l, -2);
}

fn find<T: Copy>(list: &[(&str, T)], name: &[u8]) -> Option<T> {
    list.iter()
        .find(|(known, _)| known.as_bytes() == name)
        .map(|(_, value)| *value)
}

/// Sets field `name` of the library to the value on top, which stays there.
unsafe fn keep(l: *mut lua_State, name: &[u8]) {
    values::slot(l, Slot::Library);
    values::push(l, name);
    ffi::lua_pushvalue(l, -3);
    ffi::lua_rawset(l, -3);
    ffi::lua_pop(l, 1);
}

lua_functions! {
    fn index_core(l, _context) {
        let function = if ffi::lua_type(l, 2) == ffi::LUA_TSTRING {
            find(CORE, values::bytes(l, 2).unwrap_or_default())
        } else {
            None
        };
        let Some(function) = function else { return 0 };
        ffi::lua_pushcfunction(l, function);
        1
    }

    fn index_skynet(l, context) {
        if ffi::lua_type(l, 2) != ffi::LUA_TSTRING {
            return 0;
        }
        let name = values::bytes(l, 2).unwrap_or_default();
        if let Some(function) = find(SKYNET, name) {
            ffi::lua_pushcfunction(l, function);
        } else if let Some(kind) = find(KINDS, name) {
            ffi::lua_pushinteger(l, kind);
        } else {
            let Some(part) = PARTS.iter().find(|part| part.names.iter().any(|known| known.as_bytes() == name)) else {
                return 0;
            };
            add_part(l, context, part);
            ffi::lua_settop(l, 2);
            ffi::lua_rawget(l, 1);
            return 1;
        }
        keep(l, name);
        1
    }

    /// What a loop over the library sees is all of it.
    fn pairs(l, _context) {
        complete(l);
        ffi::lua_pushcfunction(l, next);
        ffi::lua_pushvalue(l, 1);
        2
    }

    fn next(l, _context) {
        ffi::lua_settop(l, 2);
        if ffi::lua_next(l, 1) == 0 { 0 } else { 2 }
    }
}

/// Looks at everything, so that all of it is there.
unsafe fn complete(l: *mut lua_State) {
    ffi::luaL_checkstack(l, 8, std::ptr::null());
    let in_rust = SKYNET.iter().map(|(name, _)| *name);
    let names = in_rust.chain(KINDS.iter().map(|(name, _)| *name));
    for name in names.chain(PARTS.iter().flat_map(|part| part.names.iter().copied())) {
        values::slot(l, Slot::Library);
        values::push(l, name.as_bytes());
        ffi::lua_gettable(l, -2);
        ffi::lua_pop(l, 2);
    }
}
