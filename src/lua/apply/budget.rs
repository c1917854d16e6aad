//! Running a patch's own code so that it ends: a limit of time that no `pcall` and no coroutine escapes, and a limit of memory.
//!
//! The code runs in a coroutine of its own. When its time is up the hook lets that coroutine yield, which nothing in Lua can catch; where
//! Lua allows no yield (inside a comparison function of `table.sort`, say) it raises, again at each further instruction.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int};
use std::time::Instant;

use mlua::ffi::{self, lua_State};

use super::{FUNCTION, RUNNER, Step, Work, get, put};
use crate::lua::context::{self, Trial};
use crate::lua::values;

/// Instructions between two looks at the clock: some microseconds.
const LOOK_EVERY: c_int = 1000;

/// Runs the patch. What it sends and prints is withheld in the context's trial.
///
/// # Errors
/// What it raised, or which limit it broke, with a traceback.
///
/// # Safety
/// The steps [`super::prepare`] and [`super::record`] have succeeded; the VM is idle.
pub unsafe fn run(work: &mut Work<'_>) -> Step {
    work.step(make_runner)?;
    let context = work.context;
    let limits = &context.host.config;
    *context.trial.borrow_mut() = Some(Trial {
        deadline: Some(Instant::now() + limits.time_limit),
        ..Trial::default()
    });
    context.memory.take_refused();
    let unlimited = context
        .memory
        .set_limit(context.memory.used().saturating_add(limits.memory_limit));
    let hooks = watch_all(work);
    let mut results = 0;
    let arguments = work.patch.args.len() as c_int;
    work.ran = ffi::lua_resume(work.runner, context.main.get(), arguments, &mut results);
    let limited = context.memory.set_limit(unlimited);
    let outcome = work.step(judge);
    // Still watched and limited: what is to be closed may be endless, too.
    context.memory.set_limit(limited);
    ffi::lua_closethread(work.runner, context.main.get());
    context.memory.set_limit(unlimited);
    let withheld = context.trial.borrow().as_ref().map_or(0, |trial| trial.withheld);
    context.memory.discharge(withheld);
    for Hooked {
        thread,
        hook,
        mask,
        count,
    } in hooks
    {
        ffi::lua_sethook(thread, hook, mask, count);
    }
    outcome
}

/// Makes the coroutine that runs the patch, with function and arguments.
unsafe fn make_runner(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let runner = ffi::lua_newthread(l);
    put(l, RUNNER);
    let count = work.patch.args.len() as c_int;
    ffi::luaL_checkstack(l, count + 4, std::ptr::null());
    get(l, FUNCTION);
    for argument in &work.patch.args {
        values::push(l, argument.as_bytes());
    }
    if ffi::lua_checkstack(runner, count + 4) == 0 {
        return Err("too many arguments".into());
    }
    ffi::lua_xmove(l, runner, count + 1);
    work.runner = runner;
    Ok(())
}

/// A coroutine's hook as it was.
struct Hooked {
    thread: *mut lua_State,
    hook: Option<ffi::lua_Hook>,
    mask: c_int,
    count: c_int,
}

/// Hooks every coroutine that the patch could run: its own and those of the service. What hooks they had.
unsafe fn watch_all(work: &Work<'_>) -> Vec<Hooked> {
    let threads = work.snapshot.threads.iter().copied().chain([work.runner]);
    let hook = |thread| {
        let before = Hooked {
            thread,
            hook: ffi::lua_gethook(thread),
            mask: ffi::lua_gethookmask(thread),
            count: ffi::lua_gethookcount(thread),
        };
        ffi::lua_sethook(thread, Some(watch), ffi::LUA_MASKCOUNT, LOOK_EVERY);
        before
    };
    threads.map(hook).collect()
}

/// Says how the run ended. Broken limits are said even where the patch caught the error: its work is not whole.
unsafe fn judge(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let limits = &work.context.host.config;
    let late = work.context.trial.borrow().as_ref().is_some_and(|trial| trial.late);
    if work.context.memory.take_refused() {
        let limit = bytesize::ByteSize(limits.memory_limit as u64);
        let what = format!("it took more memory than hotfix.memory_limit ({limit})");
        return Err(at_place(l, work, &what));
    }
    if late {
        let limit = format!("it ran longer than hotfix.time_limit ({:?})", limits.time_limit);
        return Err(at_place(l, work, &limit));
    }
    match work.ran {
        ffi::LUA_OK => Ok(()),
        ffi::LUA_YIELD => {
            let what =
                "a patch may not yield; put what has to wait into skynet.fork, which starts once the patch is applied";
            Err(at_place(l, work, what))
        }
        _ => {
            let raised = message_of(l, work.runner);
            Err(with_traceback(l, work, &raised))
        }
    }
}

/// Takes the error that the runner ended with, as text.
unsafe fn message_of(l: *mut lua_State, runner: *mut lua_State) -> String {
    ffi::lua_xmove(runner, l, 1);
    ffi::luaL_tolstring(l, -1, std::ptr::null_mut());
    let message = values::text(l, -1).unwrap_or_default();
    ffi::lua_pop(l, 2);
    message
}

unsafe fn with_traceback(l: *mut lua_State, work: &Work<'_>, message: &str) -> String {
    ffi::luaL_traceback(l, work.runner, std::ptr::null(), 0);
    let trace = values::text(l, -1).unwrap_or_default();
    ffi::lua_pop(l, 1);
    format!("{message}\n{trace}")
}

/// A message about the place where the runner stands.
unsafe fn at_place(l: *mut lua_State, work: &Work<'_>, message: &str) -> String {
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    let mut level = 0;
    while ffi::lua_getstack(work.runner, level, &mut ar) != 0 {
        ffi::lua_getinfo(work.runner, c"Sl".as_ptr(), &mut ar);
        if ar.currentline > 0 {
            let file = CStr::from_ptr(ar.short_src.as_ptr()).to_string_lossy();
            return with_traceback(l, work, &format!("{file}:{}: {message}", ar.currentline));
        }
        level += 1;
    }
    message.to_owned()
}

/// The hook of every coroutine that runs during a patch.
unsafe extern "C-unwind" fn watch(l: *mut lua_State, _ar: *mut ffi::lua_Debug) {
    let context = context::of(l);
    let late = match context.trial.borrow_mut().as_mut() {
        None => {
            // A coroutine that the patch made, running later.
            ffi::lua_sethook(l, None, 0, 0);
            return;
        }
        Some(trial) => {
            // A patch that has broken its limit of memory will be undone, so it need not go on.
            let over =
                context.memory.was_refused() || trial.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            trial.late |= over;
            trial.late
        }
    };
    if !late {
        return;
    }
    ffi::lua_sethook(l, Some(watch), ffi::LUA_MASKCOUNT, 1);
    if ffi::lua_isyieldable(l) != 0 {
        ffi::lua_yieldk(l, 0, 0, None);
        return;
    }
    context.raise(l, format_args!("the patch's time is up"));
}
