//! Services: launching, ending, naming.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::lua::api::wait::{check_can_wait, register_wait, run_later};
use crate::lua::codec;
use crate::lua::context::{self, Context};
use crate::lua::functions::lua_functions;
use crate::lua::launch::Launch;
use crate::lua::parent::Parent;
use crate::lua::values::{self, Slot};

/// `LAUNCH` with what a caller gave: the first word is the script, the rest its arguments. White space separates, as in skynet.
unsafe fn words(l: *mut lua_State, context: &Context) -> Option<(String, String)> {
    let count = ffi::lua_gettop(l);
    for index in 1..=count {
        if values::bytes(l, index).is_none() {
            context.raise(
                l,
                format_args!("a service's name and arguments are strings and numbers (argument {index} is not)"),
            );
        }
    }
    let all: Vec<String> = (1..=count).filter_map(|index| values::text(l, index)).collect();
    let all = all.join(" ");
    let mut words = all.split_whitespace();
    let service = words.next()?.to_owned();
    Some((service, words.collect::<Vec<_>>().join(" ")))
}

/// Launches what the arguments name; false if they name nothing.
unsafe fn launch_words(l: *mut lua_State, context: &Context, parent: Option<Parent>) -> Option<Handle> {
    let (service, args) = words(l, context)?;
    let handle = context.host.launch(Launch {
        service,
        args,
        parent,
        own: None,
    });
    if context.on_probation.get() {
        context.launched.borrow_mut().push(handle);
    }
    Some(handle)
}

unsafe extern "C-unwind" fn launched(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    let context = context::of(l);
    // SAFETY: as in `message::answer_or_raise`.
    match &*std::ptr::from_ref(&*context.incoming.get()) {
        Some(Message {
            kind: kind::RESPONSE,
            data,
            ..
        }) => codec::unpack_or_raise(l, context, data),
        Some(Message { data, .. }) if !data.is_empty() => context.raise(
            l,
            format_args!("call failed: {}", std::str::from_utf8(data).unwrap_or("?")),
        ),
        _ => context.raise(l, format_args!("call failed")),
    }
}

lua_functions! {
    /// `newservice(name, ...)` → its handle when its start function has returned; nil if it has ended by itself in there.
    pub fn newservice(l, context) {
        check_can_wait(l, context, "skynet.newservice");
        let session = context.next_session();
        let parent = Parent::Instance { handle: context.handle(), session };
        if launch_words(l, context, Some(parent)).is_none() {
            context.raise(l, format_args!("newservice needs a service's name"));
        }
        register_wait(l, session);
        ffi::lua_yieldk(l, 0, 0, Some(launched))
    }

    /// `console(address)`: opens a console there, and waits until it listens.
    pub fn console(l, context) {
        check_can_wait(l, context, "opening a console");
        let session = context.next_session();
        let parent = Parent::Instance { handle: context.handle(), session };
        match values::text(l, 1).unwrap_or_default().parse() {
            Ok(address) => (context.host.open_console)(address, context.handle(), parent),
            Err(_) => context.raise(l, format_args!("a console's address is an IP address and a port, like 127.0.0.1:8001")),
        }
        register_wait(l, session);
        ffi::lua_yieldk(l, 0, 0, Some(launched))
    }

    /// `launch(name, ...)` → its handle at once.
    pub fn launch(l, context) {
        context.refuse_on_trial(l, "launch a service");
        let Some(handle) = launch_words(l, context, None) else { return 0 };
        ffi::lua_pushinteger(l, i64::from(handle.0));
        1
    }

    /// `loaded()` → whether there is a start function: the script has run to its end.
    pub fn loaded(l, context) {
        context.loaded.set(true);
        ffi::lua_pushboolean(l, c_int::from(context.has_start.get()));
        1
    }

    /// `start(func)`: `func` runs after the script.
    pub fn start(l, context) {
        ffi::lua_settop(l, 1);
        context.has_start.set(true);
        ffi::lua_pushinteger(l, 0);
        ffi::lua_insert(l, 1);
        values::slot(l, Slot::Library);
        ffi::lua_getfield(l, -1, c"init_service".as_ptr());
        ffi::lua_insert(l, 2);
        ffi::lua_pop(l, 1);
        run_later(l, context);
        0
    }

    /// `started()`: the start function has returned.
    pub fn started(_l, context) {
        context.ready.set(true);
        0
    }

    /// `failed(why)`: the start function has raised. The instance ends.
    pub fn failed(l, context) {
        let why = values::text(l, 1).unwrap_or_default();
        if let Some(parent) = context.parent.take() {
            parent.fail(&context.host.node, context.handle(), why);
        }
        context.end();
        0
    }

    /// `has_state()`: this VM took the place of another, whose state waits.
    pub fn has_state(l, context) {
        let has_state = context.state.borrow().is_some();
        ffi::lua_pushboolean(l, has_state.into());
        1
    }

    /// `take_state()` → that state, once.
    pub fn take_state(l, context) {
        let bytes = |state: &[u8]| (state.as_ptr(), state.len());
        let (data, length) = context.state.borrow().as_deref().map_or((std::ptr::null(), 0), bytes);
        ffi::lua_settop(l, 0);
        ffi::lua_pushlstring(l, data.cast(), length);
        // From here on the bytes lie in the string on the stack.
        context.state.take();
        codec::unpack_or_raise(l, context, values::bytes(l, 1).unwrap_or_default())
    }

    /// `exit()`: ends this instance; never returns to a coroutine of the scheduler's.
    pub fn exit(l, context) {
        context.refuse_on_trial(l, "end its service");
        context.end();
        if context.running.get() == l && ffi::lua_isyieldable(l) != 0 {
            context.waits.set(true);
            return ffi::lua_yieldk(l, 0, 0, None);
        }
        context.raise(l, format_args!("the service has ended (skynet.exit)"))
    }

    /// `kill(handle)` → whether it lived.
    pub fn kill(l, context) {
        context.refuse_on_trial(l, "kill a service");
        let handle = Handle(u32::try_from(values::integer(l, 1).unwrap_or_default()).unwrap_or_default());
        let node = &context.host.node;
        // The node's own parts are not for services to end.
        let killed = node.registry().get(handle).is_some_and(|found| found.identity.listed) && node.kill(handle);
        if killed {
            info!(handle = context.handle().0, "KILL :{:x}", handle.0);
        }
        ffi::lua_pushboolean(l, c_int::from(killed));
        1
    }

    /// `abort([code])`: ends the node, with this exit code.
    pub fn abort(l, context) {
        context.refuse_on_trial(l, "stop the node");
        let code = values::integer(l, 1).unwrap_or_default();
        context.host.node.request_stop(u8::try_from(code).unwrap_or(1));
        0
    }

    /// `name(name, handle)` → whether it was free.
    pub fn name(l, context) {
        context.refuse_on_trial(l, "give a name");
        let Some(Ok(handle)) = values::integer(l, 2).map(u32::try_from) else {
            context.raise(l, format_args!("a name is given to a handle"))
        };
        let named = match std::str::from_utf8(values::bytes(l, 1).unwrap_or_default()) {
            Ok(name) => context.host.node.name(name, Handle(handle)),
            Err(_) => context.raise(l, format_args!("a name is UTF-8 text")),
        };
        ffi::lua_pushboolean(l, c_int::from(named));
        1
    }

    /// `find(name)` → its handle, or nothing.
    pub fn find(l, context) {
        let name = std::str::from_utf8(values::bytes(l, 1).unwrap_or_default()).unwrap_or_default();
        let Some(handle) = context.host.node.registry().find(name) else { return 0 };
        ffi::lua_pushinteger(l, i64::from(handle.0));
        1
    }

    /// `address()` → this instance's handle.
    pub fn address(l, context) {
        ffi::lua_pushinteger(l, i64::from(context.handle().0));
        1
    }
}
