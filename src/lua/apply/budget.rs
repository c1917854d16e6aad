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

use super::step::protected;
use super::{RUNNER, Step, put};
use crate::lua::context::{self, Context};
use crate::lua::functions::lua_functions;
use crate::lua::memory::Limit;
use crate::lua::values;

/// Instructions between two looks at the clock: some microseconds.
const LOOK_EVERY: c_int = 1000;

/// One function of the author's that is run.
pub struct Run<'a> {
    /// Where.
    pub context: &'a Context,
    /// Coroutines of the service that it could resume.
    pub threads: &'a [*mut lua_State],
    /// What it is called with.
    pub args: &'a [String],
    /// That it returns false is an error with this text.
    pub if_false: Option<&'a str>,
}

impl Run<'_> {
    /// Runs the function that `push` pushes. What it sends and prints is withheld in the context's trial, whose deadline holds.
    ///
    /// # Errors
    /// What it raised, or which limit it broke, with a traceback.
    ///
    /// # Safety
    /// The VM is idle; the context has a trial.
    pub unsafe fn call(&self, push: &mut dyn FnMut(*mut lua_State)) -> Step {
        let context = self.context;
        let mut runner = std::ptr::null_mut();
        protected(context, &mut |l| self.make_runner(l, push, &mut runner))?;
        let limits = &context.host.config;
        context.memory.take_refused();
        let unlimited = context.memory.set_limit(Limit {
            bytes: context.memory.used().saturating_add(limits.memory_limit),
            grace: limits.memory_limit,
        });
        let hooks = self.watch_all(runner);
        context.tell_progress(true);
        let (began, mut results) = (Instant::now(), 0);
        let arguments = self.args.len() as c_int;
        let ran = ffi::lua_resume(runner, context.main.get(), arguments, &mut results);
        let raised = match ran {
            ffi::LUA_OK | ffi::LUA_YIELD => String::new(),
            // Watched and limited as well: how it is shown may be the author's code.
            _ => message_of(context, runner),
        };
        // One long call of Lua's own C code passes every look at the clock.
        if let Some(trial) = context.trial.borrow_mut().as_mut() {
            trial.late |= trial.deadline.is_some() && began.elapsed() > limits.time_limit;
        }
        let limited = context.memory.set_limit(unlimited);
        let outcome = protected(context, &mut |l| self.judge(l, runner, (ran, results), &raised));
        // Still watched and limited: what is to be closed may be endless, too.
        context.memory.set_limit(limited);
        ffi::lua_closethread(runner, context.main.get());
        context.memory.set_limit(unlimited);
        context.tell_progress(false);
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

    /// Makes the coroutine that runs the function, with arguments.
    unsafe fn make_runner(
        &self,
        l: *mut lua_State,
        push: &mut dyn FnMut(*mut lua_State),
        runner: &mut *mut lua_State,
    ) -> Step {
        *runner = ffi::lua_newthread(l);
        put(l, RUNNER);
        let count = self.args.len() as c_int;
        ffi::luaL_checkstack(l, count + 8, std::ptr::null());
        push(l);
        for argument in self.args {
            values::push(l, argument.as_bytes());
        }
        if ffi::lua_checkstack(*runner, count + 4) == 0 {
            return Err("too many arguments".into());
        }
        ffi::lua_xmove(l, *runner, count + 1);
        Ok(())
    }

    /// Hooks every coroutine that the function could run (its own and those of the service) and the one that judges it. What hooks they
    /// had.
    unsafe fn watch_all(&self, runner: *mut lua_State) -> Vec<Hooked> {
        let threads = self.threads.iter().copied().chain([runner, self.context.main.get()]);
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
    unsafe fn judge(
        &self,
        l: *mut lua_State,
        runner: *mut lua_State,
        (ran, results): (c_int, c_int),
        raised: &str,
    ) -> Step {
        let limits = &self.context.host.config;
        let late = self.context.trial.borrow().as_ref().is_some_and(|trial| trial.late);
        if self.context.memory.take_refused() {
            let limit = bytesize::ByteSize(limits.memory_limit as u64);
            let what = format!("it took more memory than hotfix.memory_limit ({limit})");
            return Err(at_place(l, runner, &what));
        }
        if late {
            let limit = format!("it ran longer than hotfix.time_limit ({:?})", limits.time_limit);
            return Err(at_place(l, runner, &limit));
        }
        match (ran, self.if_false) {
            (ffi::LUA_OK, Some(why)) if results > 0 && is_false(runner, -results) => Err(why.to_owned()),
            (ffi::LUA_OK, _) => Ok(()),
            (ffi::LUA_YIELD, _) => {
                let what = "a patch may not yield; put what has to wait into skynet.fork, which starts once the patch is applied";
                Err(at_place(l, runner, what))
            }
            _ => Err(with_traceback(l, runner, raised)),
        }
    }
}

unsafe fn is_false(runner: *mut lua_State, index: c_int) -> bool {
    ffi::lua_type(runner, index) == ffi::LUA_TBOOLEAN && ffi::lua_toboolean(runner, index) == 0
}

/// A coroutine's hook as it was.
struct Hooked {
    thread: *mut lua_State,
    hook: Option<ffi::lua_Hook>,
    mask: c_int,
    count: c_int,
}

/// Takes the error that the runner ended with, as text.
unsafe fn message_of(context: &Context, runner: *mut lua_State) -> String {
    let mut message = None;
    let shown = protected(context, &mut |l| {
        ffi::lua_pushcfunction(l, show);
        ffi::lua_xmove(runner, l, 1);
        if ffi::lua_pcall(l, 1, 1, 0) == ffi::LUA_OK {
            message = values::text(l, -1);
        }
        Ok(())
    });
    match (shown, message) {
        (Ok(()), Some(message)) => message,
        _ => "an error object that cannot be shown".to_owned(),
    }
}

lua_functions! {
    /// Any value as text.
    fn show(l, _context) {
        ffi::luaL_tolstring(l, 1, std::ptr::null_mut());
        1
    }
}

unsafe fn with_traceback(l: *mut lua_State, runner: *mut lua_State, message: &str) -> String {
    ffi::luaL_traceback(l, runner, std::ptr::null(), 0);
    let trace = values::text(l, -1).unwrap_or_default();
    ffi::lua_pop(l, 1);
    format!("{message}\n{trace}")
}

/// A message about the place where the runner stands.
unsafe fn at_place(l: *mut lua_State, runner: *mut lua_State, message: &str) -> String {
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    let mut level = 0;
    while ffi::lua_getstack(runner, level, &mut ar) != 0 {
        ffi::lua_getinfo(runner, c"Sl".as_ptr(), &mut ar);
        if ar.currentline > 0 {
            let file = CStr::from_ptr(ar.short_src.as_ptr()).to_string_lossy();
            return with_traceback(l, runner, &format!("{file}:{}: {message}", ar.currentline));
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
