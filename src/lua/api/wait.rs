//! Coroutines that wait: sessions, timers, forks.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::actor::message::kind;
use crate::lua::context::{self, Context};
use crate::lua::coroutines;
use crate::lua::functions::lua_functions;
use crate::lua::outgoing::set_timer;
use crate::lua::queues;
use crate::lua::values::{self, Slot};

/// Raises unless the running function may wait: it must be in a coroutine of the scheduler's, and no patch.
///
/// # Safety
/// As [`Context::raise`].
pub unsafe fn check_can_wait(l: *mut lua_State, context: &Context, what: &str) {
    if context.on_trial() {
        context.raise(
            l,
            format_args!(
                "a patch may not wait, and {what} does; put it into skynet.fork, which starts once the patch is applied"
            ),
        );
    }
    if context.running.get() != l {
        context.raise(
            l,
            format_args!("{what} waits, which needs a coroutine of skynet's own (skynet.fork), not one made by hand"),
        );
    }
    if ffi::lua_isyieldable(l) == 0 {
        context.raise(
            l,
            format_args!("{what} waits, which cannot be done here: attempt to yield across a C-call boundary"),
        );
    }
}

/// Lets the coroutine `l` be resumed by the answer to `session`.
///
/// # Safety
/// `l` is live and about to yield.
pub unsafe fn register_wait(l: *mut lua_State, session: u32) {
    ffi::luaL_checkstack(l, 4, std::ptr::null());
    values::slot(l, Slot::Sessions);
    ffi::lua_pushthread(l);
    ffi::lua_rawseti(l, -2, i64::from(session));
    ffi::lua_pop(l, 1);
    context::of(l).waits.set(true);
}

/// What waits, in error messages.
const WAITING: &str = "skynet.sleep (or wait, or yield)";
/// Token of what waits.
const TOKEN: c_int = 2;

/// Suspends the coroutine until its session is answered, or somebody wakes it by its token, which is argument 2; returns what `then` does.
unsafe fn suspend_until(l: *mut lua_State, session: u32, then: ffi::lua_KFunction) -> c_int {
    ffi::lua_settop(l, TOKEN);
    set_sleeping(l, Some(session));
    register_wait(l, session);
    ffi::lua_yieldk(l, 0, 0, Some(then))
}

/// Whether the coroutine that goes on was woken by its token.
unsafe fn was_woken(l: *mut lua_State) -> bool {
    let context = context::of(l);
    set_sleeping(l, None);
    // SAFETY: as in `message::answer_or_raise`.
    let failed = matches!(&*context.incoming.get(), Some(message) if message.kind == kind::ERROR);
    let woken = context.woken.take();
    if failed && !woken {
        context.raise(l, format_args!("call failed"));
    }
    woken
}

/// What a sleep returns.
unsafe extern "C-unwind" fn slept(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    if !was_woken(l) {
        return 0;
    }
    ffi::lua_pushstring(l, c"BREAK".as_ptr());
    1
}

/// What `wait` and `suspend` return.
unsafe extern "C-unwind" fn waited(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    was_woken(l);
    0
}

/// Puts the running coroutine into the place of a token that was not given; raises if somebody waits by that token already.
unsafe fn check_token(l: *mut lua_State, context: &Context) {
    ffi::luaL_checkstack(l, 4, std::ptr::null());
    ffi::lua_settop(l, TOKEN);
    if ffi::lua_toboolean(l, TOKEN) == 0 {
        ffi::lua_pushthread(l);
        ffi::lua_replace(l, TOKEN);
    }
    values::slot(l, Slot::Sleeping);
    ffi::lua_pushvalue(l, TOKEN);
    if ffi::lua_rawget(l, -2) != ffi::LUA_TNIL {
        context.raise(l, format_args!("token duplicative"));
    }
    ffi::lua_settop(l, TOKEN);
}

/// Lets the token of what waits stand for a session, by which `wakeup` finds it, or for nothing any more.
unsafe fn set_sleeping(l: *mut lua_State, session: Option<u32>) {
    ffi::luaL_checkstack(l, 4, std::ptr::null());
    values::slot(l, Slot::Sleeping);
    ffi::lua_pushvalue(l, TOKEN);
    match session {
        Some(session) => ffi::lua_pushinteger(l, i64::from(session)),
        None => ffi::lua_pushnil(l),
    }
    ffi::lua_rawset(l, -3);
    ffi::lua_pop(l, 1);
}

/// Sets a timer for the centiseconds at argument 1; the session that is answered then. 0 and less is at the end of the service's own queue.
unsafe fn timer(l: *mut lua_State, context: &Context) -> u32 {
    let Some(delay) = values::integer(l, 1) else {
        context.raise(l, format_args!("a time is an integer, in hundredths of a second"))
    };
    let delay = u64::try_from(delay).unwrap_or_default();
    let session = context.next_session();
    let withheld = match context.trial.borrow_mut().as_mut() {
        Some(trial) => {
            trial.timers.push((delay, session));
            true
        }
        None => false,
    };
    if !withheld {
        set_timer(context, delay, session);
    } else if !context.withhold(size_of::<(u64, u32)>()) {
        context.raise(l, format_args!("not enough memory"));
    }
    session
}

unsafe fn sleep_for_time(l: *mut lua_State, context: &Context) -> c_int {
    check_can_wait(l, context, WAITING);
    let session = timer(l, context);
    suspend_until(l, session, slept)
}

/// Pushes a coroutine that runs the function at `first`, with the arguments behind it, when the scheduler resumes it.
unsafe fn push_coroutine(l: *mut lua_State, context: &Context, first: c_int) {
    ffi::luaL_checktype(l, first, ffi::LUA_TFUNCTION);
    let top = ffi::lua_gettop(l);
    let count = top - first + 1;
    // Before a coroutine is taken out of the pool: nothing may be lost to a jump.
    ffi::luaL_checkstack(l, count + coroutines::ROOM, c"too many arguments".as_ptr());
    let thread = coroutines::new_coroutine(l, context);
    if ffi::lua_checkstack(thread, count) == 0 {
        context.raise(l, format_args!("too many arguments"));
    }
    for index in first..=top {
        ffi::lua_pushvalue(l, index);
    }
    ffi::lua_xmove(l, thread, count);
}

/// Pushes a coroutine that runs the function at 2, with what is behind it, after the centiseconds at 1.
///
/// # Safety
/// As [`Context::raise`].
pub unsafe fn run_later(l: *mut lua_State, context: &Context) {
    let session = timer(l, context);
    push_coroutine(l, context, 2);
    values::slot(l, Slot::Sessions);
    ffi::lua_pushvalue(l, -2);
    ffi::lua_rawseti(l, -2, i64::from(session));
    ffi::lua_pop(l, 1);
}

lua_functions! {
    /// `session()` → a new session number.
    pub fn session(l, context) {
        ffi::lua_pushinteger(l, i64::from(context.next_session()));
        1
    }

    /// `sleep(centiseconds[, token])` → `"BREAK"` if it was woken before.
    pub fn sleep(l, context) {
        check_token(l, context);
        sleep_for_time(l, context)
    }

    /// `yield()`: sleeps until what waits in the mailbox has been handled.
    pub fn yield_(l, context) {
        ffi::lua_settop(l, 0);
        ffi::lua_pushinteger(l, 0);
        check_token(l, context);
        sleep_for_time(l, context)
    }

    /// `wait([token])`: until somebody calls `wakeup` with that token, or the running coroutine.
    pub fn wait(l, context) {
        ffi::lua_settop(l, 1);
        ffi::lua_pushnil(l);
        ffi::lua_insert(l, 1);
        check_token(l, context);
        check_can_wait(l, context, WAITING);
        suspend_until(l, context.next_session(), waited)
    }

    /// `wakeup(token)` → true, or nothing if nobody waits by it.
    pub fn wakeup(l, context) {
        ffi::lua_settop(l, 1);
        values::slot(l, Slot::Sleeping);
        ffi::lua_pushvalue(l, 1);
        if ffi::lua_rawget(l, 2) == ffi::LUA_TNIL {
            return 0;
        }
        queues::push(l, context, Slot::Wakeups, 1);
        ffi::lua_pushboolean(l, 1);
        1
    }

    /// `suspend(session, token)`: until the session is answered, or somebody wakes it by the token.
    pub fn suspend(l, context) {
        check_can_wait(l, context, WAITING);
        let Some(Ok(session)) = values::integer(l, 1).map(u32::try_from) else {
            context.raise(l, format_args!("suspend needs a session"))
        };
        ffi::luaL_checkany(l, TOKEN);
        suspend_until(l, session, waited)
    }

    /// `fork(f, ...)` → a coroutine that runs `f(...)` after the current message.
    pub fn fork(l, context) {
        push_coroutine(l, context, 1);
        queues::push(l, context, Slot::Forks, -1);
        1
    }

    /// `timeout(centiseconds, f)` → a coroutine that runs `f()` then.
    pub fn timeout(l, context) {
        ffi::lua_settop(l, 2);
        ffi::luaL_checktype(l, 2, ffi::LUA_TFUNCTION);
        run_later(l, context);
        1
    }

    /// `running()` → the coroutine that calls it.
    pub fn running(l, _context) {
        ffi::lua_pushthread(l);
        1
    }

    /// `stir()`: says that a fork or a wakeup was queued.
    pub fn stir(_l, context) {
        context.stirred.set(true);
        0
    }
}
