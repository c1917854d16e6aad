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
use tracing::{info, warn};

use crate::actor::message::{Message, kind};
use crate::lua::api::post;
use crate::lua::codec;
use crate::lua::context::{self, Context, Occasion, Request};
use crate::lua::functions::lua_functions;
use crate::lua::values::{self, Slot};

/// Stack slots that making a coroutine needs.
pub const ROOM: i32 = 8;

/// Idle coroutines that are kept for the next message.
const POOL: usize = 64;

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
    (*context.scratch.get()).clear();
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

    /// An error object as text; its `__tostring` may raise.
    fn describe_error(l, _context) {
        ffi::luaL_tolstring(l, 1, std::ptr::null_mut());
        1
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
        // An error without session tells that a caller is gone; a timer's owner may have been woken; both are nobody's business.
        if message.kind == kind::RESPONSE && message.source.is_some() {
            call_hook(l, context, c"unknown_response", message);
        }
        return;
    }
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -3, i64::from(message.session));
    // The coroutine stays on the stack of `l` while it runs.
    resume(l, context, thread);
    ffi::lua_pop(l, 2);
}

/// Runs the handler of the message's protocol in a coroutine of its own.
unsafe fn request(l: *mut lua_State, context: &Context, message: &Message) {
    values::slot(l, Slot::Proto);
    ffi::lua_rawgeti(l, -1, i64::from(message.kind));
    ffi::lua_remove(l, -2);
    if ffi::lua_type(l, -1) != ffi::LUA_TTABLE {
        ffi::lua_pop(l, 1);
        refuse(context, message);
        return call_hook(l, context, c"unknown_request", message);
    }
    if values::raw_field(l, -1, c"dispatch") != ffi::LUA_TFUNCTION {
        ffi::lua_pop(l, 2);
        refuse(context, message);
        return call_hook(l, context, c"unknown_request", message);
    }
    let thread = new_coroutine(l, context);
    ffi::lua_insert(l, -3);
    ffi::lua_pushcfunction(l, handler);
    ffi::lua_insert(l, -2);
    // Now: coroutine, protocol, handler, dispatch.
    ffi::lua_pushinteger(l, i64::from(message.session));
    ffi::lua_pushinteger(l, i64::from(context.occasion.get().source));
    values::raw_field(l, -5, c"unpack");
    ffi::lua_xmove(l, thread, 5);
    context.requests.borrow_mut().insert(
        thread,
        Request {
            source: message.source,
            session: message.session,
            kind: message.kind,
        },
    );
    resume(l, context, thread);
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
        codec::unpack(l, &message.data)
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

/// Tells the sender that nobody will answer.
fn refuse(context: &Context, message: &Message) {
    if let (true, Some(source)) = (message.wants_answer(), message.source) {
        let error = Message {
            source: Some(context.handle()),
            session: message.session,
            kind: kind::ERROR,
            data: Box::default(),
        };
        post(context, source, error);
    }
}

/// Runs a hook of the library's in a coroutine: `(session, source, bytes, size, kind)`.
unsafe fn call_hook(l: *mut lua_State, context: &Context, name: &std::ffi::CStr, message: &Message) {
    values::slot(l, Slot::Hooks);
    if values::raw_field(l, -1, name) == ffi::LUA_TFUNCTION {
        let thread = new_coroutine(l, context);
        ffi::lua_insert(l, -2);
        ffi::lua_pushinteger(l, i64::from(message.session));
        ffi::lua_pushinteger(l, i64::from(context.occasion.get().source));
        ffi::lua_pushlightuserdata(l, message.data.as_ptr().cast_mut().cast::<c_void>());
        ffi::lua_pushinteger(l, message.data.len() as i64);
        ffi::lua_pushinteger(l, i64::from(message.kind));
        ffi::lua_xmove(l, thread, 6);
        resume(l, context, thread);
    }
    ffi::lua_pop(l, 2);
}

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

/// Runs a new coroutine outside of any message, and what it stirs.
///
/// # Safety
/// As [`resume`].
pub unsafe fn run(l: *mut lua_State, context: &Context, thread: *mut lua_State) {
    context.occasion.set(Occasion::default());
    resume(l, context, thread);
    drain(l, context);
}

/// Resumes a coroutine and settles what came of it. A new one holds its function and arguments, nothing else.
///
/// # Safety
/// `thread` is a live coroutine, anchored; `l` is the main thread inside a protected call.
pub unsafe fn resume(l: *mut lua_State, context: &Context, thread: *mut lua_State) {
    let arguments = if ffi::lua_status(thread) == ffi::LUA_YIELD {
        0
    } else {
        ffi::lua_gettop(thread) - 1
    };
    let request = context.requests.borrow_mut().remove(&thread);
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
            ffi::lua_pushstring(
                l,
                c"attempt to yield from a coroutine of the service (skynet.sleep or skynet.wait waits)".as_ptr(),
            );
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
        if ffi::lua_gethook(thread).is_some() {
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
    if let Some(Request {
        source: Some(source),
        session: session @ 1..,
        ..
    }) = request
    {
        let error = Message {
            source: Some(context.handle()),
            session,
            kind: kind::ERROR,
            data: Box::default(),
        };
        post(context, source, error);
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

/// Runs who was woken, then the forks, until both queues are empty.
unsafe fn drain(l: *mut lua_State, context: &Context) {
    while !context.ending.get() && context.stirred.replace(false) {
        while !context.ending.get() && (wake_next(l, context) || fork_next(l, context)) {}
    }
}

/// Takes the next entry out of a queue table (fields `h` and `t`) and pushes it; false, with nothing pushed, if it is empty.
unsafe fn next_of(l: *mut lua_State, queue: Slot) -> bool {
    values::slot(l, queue);
    values::raw_field(l, -1, c"h");
    values::raw_field(l, -2, c"t");
    let (head, tail) = (values::integer(l, -2).unwrap_or(1), values::integer(l, -1).unwrap_or(0));
    ffi::lua_pop(l, 2);
    if head > tail {
        ffi::lua_pop(l, 1);
        return false;
    }
    ffi::lua_rawgeti(l, -1, head);
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -3, head);
    // An empty queue starts again at the front, where a table is cheapest.
    let (head, tail) = if head == tail { (1, 0) } else { (head + 1, tail) };
    for (name, value) in [(c"h", head), (c"t", tail)] {
        ffi::lua_pushinteger(l, value);
        ffi::lua_setfield(l, -3, name.as_ptr());
    }
    ffi::lua_remove(l, -2);
    true
}

unsafe fn wake_next(l: *mut lua_State, context: &Context) -> bool {
    if !next_of(l, Slot::Wakeups) {
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
        resume(l, context, thread);
        // A coroutine that somebody closed by hand has not taken it.
        context.woken.set(false);
    }
    ffi::lua_pop(l, 2);
    true
}

unsafe fn fork_next(l: *mut lua_State, context: &Context) -> bool {
    if !next_of(l, Slot::Forks) {
        return false;
    }
    let thread = ffi::lua_tothread(l, -1);
    if !thread.is_null() {
        resume(l, context, thread);
    }
    ffi::lua_pop(l, 1);
    true
}
