//! The scheduler's coroutines: made, pooled, resumed, and what becomes of them when they suspend, return or fail.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_void;

use mlua::ffi::{self, lua_State};
use tracing::info;

use crate::lua::context::{Context, Occasion, Request};
use crate::lua::functions::lua_functions;
use crate::lua::outgoing::post_error;
use crate::lua::values::{self, Slot};

/// Stack slots that making a coroutine needs.
pub const ROOM: i32 = 8;

/// Idle coroutines that are kept for the next message.
const POOL: usize = 64;

/// Pushes an idle coroutine, made anew if there is none.
///
/// # Safety
/// `l` is a live coroutine of the context's VM, inside a protected call.
pub unsafe fn new_coroutine(l: *mut lua_State, context: &Context) -> *mut lua_State {
    ffi::luaL_checkstack(l, ROOM, std::ptr::null());
    values::slot(l, Slot::Coroutines);
    let idle = context.idle.borrow_mut().pop();
    let thread = match idle {
        Some(thread) => {
            ffi::lua_rawgetp(l, -1, thread.cast::<c_void>());
            thread
        }
        None => {
            let thread = ffi::lua_newthread(l);
            ffi::lua_pushvalue(l, -1);
            ffi::lua_rawsetp(l, -3, thread.cast::<c_void>());
            thread
        }
    };
    ffi::lua_remove(l, -2);
    thread
}

/// Resumes a coroutine, with the request that it has to answer if it has suspended, and settles what came of it.
///
/// # Safety
/// As [`resume_with`].
pub unsafe fn resume(l: *mut lua_State, context: &Context, thread: *mut lua_State) {
    let request = context.requests.borrow_mut().remove(&thread);
    resume_with(l, context, thread, request);
}

/// Resumes a coroutine that has this request to answer, and settles what came of it. A new one holds its function and arguments, nothing else.
///
/// # Safety
/// `thread` is a live coroutine, anchored; `l` is the main thread inside a protected call.
pub unsafe fn resume_with(l: *mut lua_State, context: &Context, thread: *mut lua_State, request: Option<Request>) {
    let arguments = if ffi::lua_status(thread) == ffi::LUA_YIELD {
        0
    } else {
        ffi::lua_gettop(thread) - 1
    };
    context.request.set(request);
    context.running.set(thread);
    let mut results = 0;
    let status = ffi::lua_resume(thread, l, arguments.max(0), &mut results);
    context.running.set(std::ptr::null_mut());
    let request = context.request.take();
    match status {
        ffi::LUA_YIELD => {
            ffi::lua_pop(thread, results);
            if context.waits.replace(false) {
                if let Some(request) = request {
                    context.requests.borrow_mut().insert(thread, request);
                }
                return;
            }
            let why = if context.overdue.borrow().is_some() {
                c"its time is up (hotfix.restart_limit)"
            } else {
                c"attempt to yield from a coroutine of the service (skynet.sleep or skynet.wait waits)"
            };
            ffi::lua_pushstring(l, why.as_ptr());
            fail(l, context, thread, request);
        }
        ffi::LUA_OK => {
            ffi::lua_settop(thread, 0);
            forgotten(l, context, request);
            retire(l, context, thread, true);
        }
        _ => {
            // A coroutine that failed with a full stack has no room for a copy.
            if ffi::lua_checkstack(thread, 1) != 0 {
                ffi::lua_pushvalue(thread, -1);
            }
            ffi::lua_xmove(thread, l, 1);
            fail(l, context, thread, request);
        }
    }
}

/// Keeps a coroutine that has ended for the next use, or lets it go.
unsafe fn retire(l: *mut lua_State, context: &Context, thread: *mut lua_State, clean: bool) {
    if clean && context.idle.borrow().len() < POOL {
        if context.deadline.get().is_none() && ffi::lua_gethook(thread).is_some() {
            ffi::lua_sethook(thread, None, 0, 0);
        }
        context.idle.borrow_mut().push(thread);
        return;
    }
    values::slot(l, Slot::Coroutines);
    ffi::lua_pushnil(l);
    ffi::lua_rawsetp(l, -2, thread.cast::<c_void>());
    ffi::lua_pop(l, 1);
}

/// A handler has returned without an answer: says so, and remembers the caller for the day this instance ends.
unsafe fn forgotten(l: *mut lua_State, context: &Context, request: Option<Request>) {
    let Some(Request {
        source: Some(source),
        session: session @ 1..,
        kind,
    }) = request
    else {
        return;
    };
    let top = ffi::lua_gettop(l);
    values::slot(l, Slot::Proto);
    ffi::lua_rawgeti(l, -1, i64::from(kind));
    let mut place = String::new();
    if ffi::lua_type(l, -1) == ffi::LUA_TTABLE && values::raw_field(l, -1, c"dispatch") == ffi::LUA_TFUNCTION {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_getinfo(l, c">S".as_ptr(), &mut ar);
        let file = std::slice::from_raw_parts(ar.source.cast::<u8>(), ar.srclen);
        place = format!(" : {}:{}", String::from_utf8_lossy(file), ar.linedefined);
    }
    ffi::lua_settop(l, top);
    let own = context.handle().0;
    info!(
        handle = own,
        "Maybe forgot response session {session} from {source}{place}"
    );
    context.deferred.borrow_mut().insert((source, session));
}

/// Answers for a coroutine that failed, reports its error, which lies on top of `l` (popped; a copy lies on top of the coroutine if it
/// was raised there), and closes it.
unsafe fn fail(l: *mut lua_State, context: &Context, thread: *mut lua_State, request: Option<Request>) {
    let top = ffi::lua_gettop(l);
    if let Some(request) = request {
        post_error(context, request.source, request.session);
    }
    if !context.ending.get() {
        // The error may be an object whose `__tostring` fails in its turn.
        ffi::lua_pushcfunction(l, describe_error);
        ffi::lua_pushvalue(l, top);
        if ffi::lua_pcall(l, 1, 1, 0) != ffi::LUA_OK {
            ffi::lua_pop(l, 1);
            values::push(l, b"(an error object that cannot be shown: its __tostring fails)");
        }
        ffi::luaL_traceback(l, thread, ffi::lua_tolstring(l, -1, std::ptr::null_mut()), 0);
        let Occasion { source, session, size } = context.occasion.get();
        let report = values::text(l, -1).unwrap_or_default();
        let own = context.handle().0;
        info!(
            handle = own,
            "lua call [{source:x} to :{own:x} : {session} msgsz = {size}] error : {report}"
        );
    }
    ffi::lua_settop(l, top);
    // Closing runs what is to be closed; another error from there has nobody left to be told but the log.
    if ffi::lua_closethread(thread, l) != ffi::LUA_OK && !context.ending.get() {
        ffi::lua_xmove(thread, l, 1);
        if ffi::lua_rawequal(l, -1, top) == 0 {
            info!(
                handle = context.handle().0,
                "error: while closing: {}",
                values::describe(l, -1)
            );
        }
    }
    ffi::lua_settop(thread, 0);
    ffi::lua_settop(l, top - 1);
    retire(l, context, thread, false);
}

/// Up to how much heap is collected when a service has started, in bytes: some 10 µs for each 10 KiB.
const SETTLE_MAX: usize = 1024 * 1024;

/// A service has started: what only its start needed goes, since many do nothing for a long time then.
pub fn settle(context: &Context) {
    if context.memory.used() > SETTLE_MAX {
        return;
    }
    let idle = std::mem::take(&mut *context.idle.borrow_mut());
    // SAFETY: the VM is open and idle between two messages; clearing a field that is there allocates nothing, and finalizers do not raise.
    unsafe {
        let l = context.main.get();
        values::slot(l, Slot::Coroutines);
        for thread in idle {
            ffi::lua_pushnil(l);
            ffi::lua_rawsetp(l, -2, thread.cast::<c_void>());
        }
        ffi::lua_pop(l, 1);
        ffi::lua_gc(l, ffi::LUA_GCCOLLECT);
    }
}

lua_functions! {
    /// An error object as text; its `__tostring` may raise.
    fn describe_error(l, _context) {
        ffi::luaL_tolstring(l, 1, std::ptr::null_mut());
        1
    }
}
