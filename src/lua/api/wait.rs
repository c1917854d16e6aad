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
/// Token of the running `suspend`.
const TOKEN: c_int = 2;

unsafe extern "C-unwind" fn resumed(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    let context = context::of(l);
    set_sleeping(l, None);
    // SAFETY: as in `message::answer_or_raise`.
    let failed = matches!(&*context.incoming.get(), Some(message) if message.kind == kind::ERROR);
    let woken = context.woken.take();
    if failed && !woken {
        context.raise(l, format_args!("call failed"));
    }
    ffi::lua_pushboolean(l, c_int::from(woken));
    1
}

/// Lets the token of the running `suspend` stand for a session, by which `wakeup` finds it, or for nothing any more.
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

lua_functions! {
    /// `session()` → a new session number.
    pub fn session(l, context) {
        ffi::lua_pushinteger(l, i64::from(context.next_session()));
        1
    }

    /// `timer(centiseconds)` → the session that is answered then; 0 and less at the end of the service's own queue.
    pub fn timer(l, context) {
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
        ffi::lua_pushinteger(l, i64::from(session));
        1
    }

    /// `may_wait()`: raises where `suspend` would.
    pub fn may_wait(l, context) {
        check_can_wait(l, context, WAITING);
        0
    }

    /// `suspend(session, token)` → whether it was woken, by its token, before the session was answered.
    pub fn suspend(l, context) {
        check_can_wait(l, context, WAITING);
        let Some(Ok(session)) = values::integer(l, 1).map(u32::try_from) else {
            context.raise(l, format_args!("suspend needs a session"))
        };
        ffi::luaL_checkany(l, TOKEN);
        ffi::lua_settop(l, TOKEN);
        set_sleeping(l, Some(session));
        register_wait(l, session);
        ffi::lua_yieldk(l, 0, 0, Some(resumed))
    }

    /// `coroutine(f, ...)` → a coroutine that runs `f(...)` when the scheduler resumes it.
    pub fn coroutine(l, context) {
        ffi::luaL_checktype(l, 1, ffi::LUA_TFUNCTION);
        let count = ffi::lua_gettop(l);
        // Before a coroutine is taken out of the pool: nothing may be lost to a jump.
        ffi::luaL_checkstack(l, count + coroutines::ROOM, c"too many arguments".as_ptr());
        let thread = coroutines::new_coroutine(l, context);
        if ffi::lua_checkstack(thread, count) == 0 {
            context.raise(l, format_args!("too many arguments"));
        }
        // The coroutine itself lies on top: what it is to run goes in front of it.
        for index in 1..=count {
            ffi::lua_pushvalue(l, index);
        }
        ffi::lua_xmove(l, thread, count);
        1
    }

    /// `stir()`: says that a fork or a wakeup was queued.
    pub fn stir(_l, context) {
        context.stirred.set(true);
        0
    }
}
