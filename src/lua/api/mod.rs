//! What Lua can call: the table `skynet.core`, from which the library `skynet` is made.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::CStr;

use mlua::ffi::{self, lua_CFunction, lua_State};

use crate::lua::apply::hooks;
use crate::lua::values::{self, Slot};

mod buffers;
mod life;
mod message;
mod node;
mod wait;

/// Name and function of everything in `skynet.core`.
const FUNCTIONS: &[(&CStr, lua_CFunction)] = &[
    (c"pack", buffers::pack),
    (c"packstring", buffers::packstring),
    (c"unpack", buffers::unpack),
    (c"tostring", buffers::tostring),
    (c"trash", buffers::trash),
    (c"send", message::send),
    (c"rawsend", message::rawsend),
    (c"redirect", message::redirect),
    (c"call", message::call),
    (c"rawcall", message::rawcall),
    (c"ret", message::ret),
    (c"retpack", message::retpack),
    (c"context", message::context),
    (c"ignoreret", message::ignoreret),
    (c"defer", message::defer),
    (c"answer", message::answer),
    (c"alive", message::alive),
    (c"session", wait::session),
    (c"timer", wait::timer),
    (c"may_wait", wait::may_wait),
    (c"suspend", wait::suspend),
    (c"coroutine", wait::coroutine),
    (c"stir", wait::stir),
    (c"newservice", life::newservice),
    (c"launch", life::launch),
    (c"console", life::console),
    (c"loaded", life::loaded),
    (c"starting", life::starting),
    (c"started", life::started),
    (c"failed", life::failed),
    (c"has_state", life::has_state),
    (c"take_state", life::take_state),
    (c"exit", life::exit),
    (c"kill", life::kill),
    (c"abort", life::abort),
    (c"name", life::name),
    (c"find", life::find),
    (c"address", life::address),
    (c"getenv", node::getenv),
    (c"setenv", node::setenv),
    (c"now", node::now),
    (c"starttime", node::starttime),
    (c"hpc", node::hpc),
    (c"log", node::log),
    (c"stat", node::stat),
    (c"services", node::services),
    (c"clearcache", node::clearcache),
    (c"hook", hooks::hook),
    (c"reloadable", hooks::reloadable),
];

/// Pushes the table `skynet.core`.
///
/// # Safety
/// `l` is live, inside a protected call.
pub unsafe fn push_core(l: *mut lua_State) {
    ffi::lua_createtable(l, 0, FUNCTIONS.len() as i32 + 8);
    for (name, function) in FUNCTIONS {
        ffi::lua_pushcfunction(l, *function);
        ffi::lua_setfield(l, -2, name.as_ptr());
    }
    let tables = [
        (c"proto", Slot::Proto),
        (c"sessions", Slot::Sessions),
        (c"forks", Slot::Forks),
        (c"wakeups", Slot::Wakeups),
        (c"sleeping", Slot::Sleeping),
        (c"hooks", Slot::Hooks),
    ];
    for (name, slot) in tables {
        values::slot(l, slot);
        ffi::lua_setfield(l, -2, name.as_ptr());
    }
}

pub use node::print;

/// The standard `unpack`, by which the scheduler knows that it need not ask Lua.
pub const UNPACK: lua_CFunction = buffers::unpack;
