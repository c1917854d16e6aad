//! Which coroutine runs: one message at a time, one resume per message. The order is skynet's: a handler runs until it suspends, then
//! whoever was woken meanwhile, first in first out, then the forks, then the next message.
//!
//! Everything here runs inside one protected call per message ([`handle`]), so that lack of memory ends a message, not the node.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};
use tracing::warn;

use crate::actor::message::{Message, kind};
use crate::lua::builtin::add_part;
use crate::lua::codec;
use crate::lua::context::{self, Context, Occasion, Request};
use crate::lua::coroutines;
use crate::lua::functions::lua_functions;
use crate::lua::library::UNKNOWN;
use crate::lua::outgoing::post_error;
use crate::lua::queues;
use crate::lua::values::{self, Slot};

/// How many bytes of the packing buffer are kept from one message to the next.
const SCRATCH_MAX: usize = 64 * 1024;

/// Handles one message: the whole turn of this instance until everything that it set going has suspended.
///
/// # Safety
/// The context's VM is open and not running.
pub unsafe fn handle(context: &Context, message: Message) {
    let occasion = Occasion {
        source: message.source.map_or(0, |s| s.0),
        session: message.session,
        size: message.data.len(),
    };
    context.occasion.set(occasion);
    *context.incoming.get() = Some(message);
    protected(context, dispatch);
    *context.incoming.get() = None;
    let scratch = &mut *context.scratch.get();
    scratch.clear();
    if scratch.capacity() > SCRATCH_MAX {
        scratch.shrink_to(SCRATCH_MAX);
    }
}

/// Calls a function of ours under Lua's protection; what escapes is logged.
///
/// # Safety
/// As [`handle`].
pub unsafe fn protected(context: &Context, function: ffi::lua_CFunction) {
    let l = context.main.get();
    ffi::lua_pushcfunction(l, function);
    if ffi::lua_pcall(l, 0, 0, 0) != ffi::LUA_OK {
        warn!(handle = context.handle().0, "error: {}", values::describe(l, -1));
        ffi::lua_pop(l, 1);
        context.running.set(std::ptr::null_mut());
    }
}

lua_functions! {
    /// Hands the incoming message to the coroutine that waits for it, or to a new one.
    fn dispatch(l, context) {
        // SAFETY: the message stays in its place until `handle` takes it away.
        if let Some(message) = &*std::ptr::from_ref(&*context.incoming.get()) {
            match message.kind {
                kind::RESPONSE | kind::ERROR => answer(l, context, message),
                _ => request(l, context, message),
            }
            drain(l, context);
        }
        0
    }

    /// Runs forks and wakeups that a patch has queued.
    pub fn drain_queues(l, context) {
        context.occasion.set(Occasion::default());
        context.stirred.set(true);
        drain(l, context);
        0
    }
}

/// Resumes whoever waits for this answer.
unsafe fn answer(l: *mut lua_State, context: &Context, message: &Message) {
    values::slot(l, Slot::Sessions);
    ffi::lua_rawgeti(l, -1, i64::from(message.session));
    let thread = ffi::lua_tothread(l, -1);
    if thread.is_null() {
        ffi::lua_pop(l, 2);
        // An error without session tells that a caller is gone; a timer's owner may have been woken; another VM was in this one's place
        // when it was asked: all that is nobody's business.
        let is_foreign = |(after, up_to): &(u32, u32)| message.session > *after && message.session <= *up_to;
        let is_ours = message.source.is_some() && !context.foreign.borrow().iter().any(is_foreign);
        if message.kind == kind::RESPONSE && is_ours {
            call_hook(l, context, c"unknown_response", message);
        }
        return;
    }
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -3, i64::from(message.session));
    // The coroutine stays on the stack of `l` while it runs.
    coroutines::resume(l, context, thread);
    ffi::lua_pop(l, 2);
}

/// Runs the handler of the message's protocol in a coroutine of its own.
unsafe fn request(l: *mut lua_State, context: &Context, message: &Message) {
    values::slot(l, Slot::Proto);
    ffi::lua_rawgeti(l, -1, i64::from(message.kind));
    ffi::lua_remove(l, -2);
    let known = ffi::lua_type(l, -1) == ffi::LUA_TTABLE;
    if !known || values::raw_field(l, -1, c"dispatch") != ffi::LUA_TFUNCTION {
        ffi::lua_pop(l, if known { 2 } else { 1 });
        if message.wants_answer() {
            post_error(context, message.source, message.session);
        }
        return call_hook(l, context, c"unknown_request", message);
    }
    let thread = coroutines::new_coroutine(l, context);
    ffi::lua_insert(l, -3);
    ffi::lua_pushcfunction(l, handler);
    ffi::lua_insert(l, -2);
    // Now: coroutine, protocol, handler, dispatch.
    ffi::lua_pushinteger(l, i64::from(message.session));
    ffi::lua_pushinteger(l, i64::from(context.occasion.get().source));
    values::raw_field(l, -5, c"unpack");
    ffi::lua_xmove(l, thread, 5);
    let request = Request {
        source: message.source,
        session: message.session,
        kind: message.kind,
    };
    coroutines::resume_with(l, context, thread, Some(request));
    ffi::lua_pop(l, 2);
}

/// The body of a handler's coroutine: `(dispatch, session, source, unpack)`. Values are unpacked here, so that a bad message is an
/// error of this coroutine like any other.
unsafe extern "C-unwind" fn handler(l: *mut lua_State) -> c_int {
    let context = context::of(l);
    // SAFETY: this runs within the first resume, while the message is in its place.
    let Some(message) = &*std::ptr::from_ref(&*context.incoming.get()) else {
        return 0;
    };
    let standard = ffi::lua_tocfunction(l, 4).is_some_and(|f| std::ptr::fn_addr_eq(f, crate::lua::api::UNPACK));
    let count = if standard {
        ffi::lua_settop(l, 3);
        codec::unpack_or_raise(l, context, &message.data)
    } else if ffi::lua_type(l, 4) == ffi::LUA_TFUNCTION {
        ffi::lua_pushlightuserdata(l, message.data.as_ptr().cast_mut().cast::<c_void>());
        ffi::lua_pushinteger(l, message.data.len() as i64);
        ffi::lua_call(l, 2, ffi::LUA_MULTRET);
        ffi::lua_gettop(l) - 3
    } else {
        context.raise(l, format_args!("protocol {} has no unpack function", message.kind))
    };
    ffi::lua_callk(l, count + 2, 0, 0, Some(handled));
    0
}

unsafe extern "C-unwind" fn handled(_l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    0
}

/// Runs a hook of the library's in a coroutine: `(session, source, bytes, size, kind)`.
unsafe fn call_hook(l: *mut lua_State, context: &Context, name: &std::ffi::CStr, message: &Message) {
    values::slot(l, Slot::Hooks);
    if values::raw_field(l, -1, name) == ffi::LUA_TNIL {
        ffi::lua_pop(l, 1);
        add_part(l, context, &UNKNOWN);
        values::raw_field(l, -1, name);
    }
    if ffi::lua_type(l, -1) == ffi::LUA_TFUNCTION {
        let thread = coroutines::new_coroutine(l, context);
        ffi::lua_insert(l, -2);
        ffi::lua_pushinteger(l, i64::from(message.session));
        ffi::lua_pushinteger(l, i64::from(context.occasion.get().source));
        ffi::lua_pushlightuserdata(l, message.data.as_ptr().cast_mut().cast::<c_void>());
        ffi::lua_pushinteger(l, message.data.len() as i64);
        ffi::lua_pushinteger(l, i64::from(message.kind));
        ffi::lua_xmove(l, thread, 6);
        coroutines::resume(l, context, thread);
    }
    ffi::lua_pop(l, 2);
}

/// Runs a new coroutine outside of any message, and what it stirs.
///
/// # Safety
/// As [`resume`].
pub unsafe fn run(l: *mut lua_State, context: &Context, thread: *mut lua_State) {
    context.occasion.set(Occasion::default());
    coroutines::resume(l, context, thread);
    drain(l, context);
}

/// Runs who was woken, then the forks, until both queues are empty.
unsafe fn drain(l: *mut lua_State, context: &Context) {
    while !context.ending.get() && context.stirred.replace(false) {
        while !context.ending.get() && (wake_next(l, context) || fork_next(l, context)) {}
    }
}

unsafe fn wake_next(l: *mut lua_State, context: &Context) -> bool {
    if !queues::next(l, Slot::Wakeups) {
        return false;
    }
    values::slot(l, Slot::Sleeping);
    ffi::lua_insert(l, -2);
    ffi::lua_rawget(l, -2);
    let session = values::integer(l, -1).unwrap_or_default();
    ffi::lua_pop(l, 2);
    values::slot(l, Slot::Sessions);
    ffi::lua_rawgeti(l, -1, session);
    let thread = ffi::lua_tothread(l, -1);
    if !thread.is_null() {
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, -3, session);
        context.woken.set(true);
        coroutines::resume(l, context, thread);
        // A coroutine that somebody closed by hand has not taken it.
        context.woken.set(false);
    }
    ffi::lua_pop(l, 2);
    true
}

unsafe fn fork_next(l: *mut lua_State, context: &Context) -> bool {
    if !queues::next(l, Slot::Forks) {
        return false;
    }
    let thread = ffi::lua_tothread(l, -1);
    if !thread.is_null() {
        coroutines::resume(l, context, thread);
    }
    ffi::lua_pop(l, 1);
    true
}
