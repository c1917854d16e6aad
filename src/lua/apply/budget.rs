//! Running a patch's own code so that it ends: a limit of time that no `pcall` and no coroutine escapes, and a limit of memory.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;
use std::time::Instant;

use mlua::ffi::{self, lua_State};

use super::{FUNCTION, Step, Work, get};
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
/// The step [`super::prepare`] has succeeded; the VM is idle.
pub unsafe fn run(work: &mut Work<'_>) -> Step {
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
    let l = context.main.get();
    ffi::lua_sethook(l, Some(watch), ffi::LUA_MASKCOUNT, LOOK_EVERY);
    let outcome = work.step(call);
    ffi::lua_sethook(l, None, 0, 0);
    context.memory.set_limit(unlimited);
    let late = context.trial.borrow().as_ref().is_some_and(|trial| trial.late);
    // Both are said even where the patch caught the error: its work is not whole.
    if late {
        return Err(over(
            format!("it ran longer than hotfix.time_limit ({:?})", limits.time_limit),
            outcome,
        ));
    }
    if context.memory.take_refused() {
        let limit = bytesize::ByteSize(limits.memory_limit as u64);
        return Err(over(
            format!("it took more memory than hotfix.memory_limit ({limit})"),
            outcome,
        ));
    }
    outcome
}

/// The broken limit, with the place where it was noticed.
fn over(what: String, outcome: Step) -> String {
    let trace = outcome.err().and_then(|why| {
        Some(format!(
            "\nstack traceback:\n{}",
            why.split_once("\nstack traceback:\n")?.1
        ))
    });
    what + &trace.unwrap_or_default()
}

unsafe fn call(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, FUNCTION);
    let count = work.patch.args.len() as c_int;
    ffi::luaL_checkstack(l, count + 4, std::ptr::null());
    for argument in &work.patch.args {
        values::push(l, argument.as_bytes());
    }
    ffi::lua_call(l, count, 0);
    Ok(())
}

/// The hook of every coroutine that runs during a patch. Once the time is up it raises at each further instruction, so that
/// catching the error only leads to the next.
unsafe extern "C-unwind" fn watch(l: *mut lua_State, _ar: *mut ffi::lua_Debug) {
    let context = context::of(l);
    let late = match context.trial.borrow_mut().as_mut() {
        None => {
            // A coroutine that the patch made, running later.
            ffi::lua_sethook(l, None, 0, 0);
            return;
        }
        Some(trial) => {
            trial.late |= trial.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            trial.late
        }
    };
    if late {
        ffi::lua_sethook(l, Some(watch), ffi::LUA_MASKCOUNT, 1);
        context.raise(l, format_args!("the patch's time is up"));
    }
}
