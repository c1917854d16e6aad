//! The environment, the clock, the log, and what is known about instances.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::io::Write;
use std::sync::atomic::Ordering;

use mlua::ffi::{self, lua_State};
use tracing::info;

use crate::lua::context::Context;
use crate::lua::functions::lua_functions;
use crate::lua::values;

lua_functions! {
    /// `print(...)`: one whole line to the node's output.
    pub fn print(l, context) {
        values::join_arguments(l, b"\t");
        values::push(l, b"\n");
        ffi::lua_concat(l, 2);
        (context.host.print)(context.handle(), values::bytes(l, -1).unwrap_or_default());
        0
    }

    /// `getenv(key)` → string, or nothing.
    pub fn getenv(l, context) {
        let found = {
            let key = values::text(l, 1).unwrap_or_default();
            context.host.getenv(&key)
        };
        let Some(value) = found else { return 0 };
        let length = value.len();
        // The string is copied before anything can jump: it lies in a buffer that Lua owns.
        let place = ffi::lua_newuserdatauv(l, length.max(1), 0).cast::<u8>();
        place.copy_from_nonoverlapping(value.as_ptr(), length);
        drop(value);
        ffi::lua_pushlstring(l, place.cast(), length);
        1
    }

    /// `setenv(key, value)`: raises if the key has a value.
    pub fn setenv(l, context) {
        context.refuse_on_trial(l, "set the environment");
        let free = {
            let (key, value) = (values::text(l, 1).unwrap_or_default(), values::text(l, 2).unwrap_or_default());
            context.host.setenv(&key, &value)
        };
        if !free {
            let key = std::str::from_utf8(values::bytes(l, 1).unwrap_or_default()).unwrap_or("?");
            context.raise(l, format_args!("Can't setenv exist key : {key}"));
        }
        0
    }

    /// `time()` → seconds since the epoch, with hundredths.
    pub fn time(l, context) {
        let clock = context.host.node.clock();
        ffi::lua_pushnumber(l, clock.now_cs() as f64 / 100.0 + clock.start_secs() as f64);
        1
    }

    /// `harbor()` → 0, false: there is one node.
    pub fn harbor(l, _context) {
        ffi::lua_pushinteger(l, 0);
        ffi::lua_pushboolean(l, 0);
        2
    }

    /// `mqlen()` → how many messages wait.
    pub fn mqlen(l, context) {
        ffi::lua_pushinteger(l, context.instance.mailbox.waiting() as i64);
        1
    }

    /// `now()` → centiseconds since the node's start.
    pub fn now(l, context) {
        ffi::lua_pushinteger(l, context.host.node.clock().now_cs() as i64);
        1
    }

    /// `starttime()` → the second of the epoch in which the node started.
    pub fn starttime(l, context) {
        ffi::lua_pushinteger(l, context.host.node.clock().start_secs() as i64);
        1
    }

    /// `hpc()` → nanoseconds since the node's start.
    pub fn hpc(l, context) {
        ffi::lua_pushinteger(l, context.host.node.clock().hpc_ns() as i64);
        1
    }

    /// `log(...)`: one message to the log.
    pub fn log(l, context) {
        if ffi::lua_gettop(l) == 0 {
            ffi::lua_pushnil(l);
        }
        values::join_arguments(l, b" ");
        let text = String::from_utf8_lossy(values::bytes(l, -1).unwrap_or_default());
        info!(handle = context.handle().0, "{text}");
        0
    }

    /// `stat(what)` → a number: `mqlen`, `message`, `cpu`, `time`, `mem`.
    pub fn stat(l, context) {
        push_stat(l, context);
        1
    }

    /// `services()` → the listed services, a line each.
    pub fn services(l, context) {
        push_services(l, context);
        1
    }

    /// `traceback(message)`: as `debug.traceback`, for `xpcall`.
    pub fn traceback(l, _context) {
        ffi::lua_settop(l, 1);
        if ffi::lua_type(l, 1) == ffi::LUA_TSTRING {
            ffi::luaL_traceback(l, l, ffi::lua_tolstring(l, 1, std::ptr::null_mut()), 1);
        }
        1
    }

    /// `clearcache()`: the next launch reads every file again.
    pub fn clearcache(_l, context) {
        context.host.chunks.distrust_stamps();
        0
    }
}

unsafe fn push_stat(l: *mut lua_State, context: &Context) {
    let counters = &context.instance.counters;
    let seconds = |ns: u64| ns as f64 / 1e9;
    match values::bytes(l, 1).unwrap_or_default() {
        b"mqlen" => ffi::lua_pushinteger(l, context.instance.mailbox.waiting() as i64),
        b"message" => ffi::lua_pushinteger(l, counters.messages.load(Ordering::Relaxed) as i64),
        b"cpu" | b"time" => ffi::lua_pushnumber(l, seconds(counters.busy_ns.load(Ordering::Relaxed))),
        b"mem" => ffi::lua_pushinteger(l, context.memory.used() as i64),
        _ => context.raise(l, format_args!("stat knows mqlen, message, cpu, time and mem")),
    }
}

/// Pushes one line per listed service: handle in hexadecimal, tab, `name arguments`. The text is put together in the scratch buffer,
/// where a jump out of Lua leaves nothing behind.
unsafe fn push_services(l: *mut lua_State, context: &Context) {
    let scratch = &mut *context.scratch.get();
    let start = scratch.len();
    for instance in context
        .host
        .node
        .registry()
        .all()
        .iter()
        .filter(|instance| instance.identity.listed)
    {
        // Writing into a vector cannot fail.
        let _ = writeln!(
            scratch,
            "{:x}\t{}",
            instance.identity.handle.0,
            instance.identity.command_line()
        );
    }
    let (address, length) = (scratch.as_ptr(), scratch.len());
    ffi::lua_pushlstring(l, address.add(start).cast(), length - start);
    scratch.truncate(start);
}
