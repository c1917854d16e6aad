//! What a patch asks for with the module `hotfix`: data to migrate, a check of its own, something to do when it goes.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::CStr;

use mlua::ffi::{self, lua_State};

use super::budget::Run;
use super::{HOOKS, Step, Work, get};
use crate::lua::context::Context;
use crate::lua::functions::lua_functions;
use crate::lua::values::{self, Slot};
use crate::patch::order::Patch;

/// The kinds of functions that a patch may register, in the order in which they run; the last ones run when it goes.
const KINDS: [&CStr; 3] = [c"migrate", c"verify", c"unload"];
const MIGRATE: usize = 0;
const VERIFY: usize = 1;
const UNLOAD: usize = 2;

lua_functions! {
    /// The `print` that a patch is given: into the report while it runs, afterwards the service's own.
    pub fn patch_print(l, context) {
        if !context.on_trial() {
            ffi::lua_getglobal(l, c"print".as_ptr());
            ffi::lua_insert(l, 1);
            ffi::lua_call(l, ffi::lua_gettop(l) - 1, 0);
            return 0;
        }
        values::join_arguments(l, b"\t");
        let line = values::bytes(l, -1).unwrap_or_default();
        if !context.withhold(line.len() + 1) {
            context.raise(l, format_args!("not enough memory"));
        }
        if let Some(trial) = context.trial.borrow_mut().as_mut() {
            trial.output.extend_from_slice(line);
            trial.output.push(b'\n');
        }
        0
    }

    /// `hook(kind, function)`: registers a function of the patch that is being applied; does nothing at any other time.
    pub fn hook(l, context) {
        ffi::luaL_checktype(l, 2, ffi::LUA_TFUNCTION);
        if context.on_trial() {
            get(l, HOOKS);
            ffi::lua_pushvalue(l, 1);
            if ffi::lua_rawget(l, -2) != ffi::LUA_TTABLE {
                ffi::lua_pop(l, 1);
                ffi::lua_newtable(l);
                ffi::lua_pushvalue(l, 1);
                ffi::lua_pushvalue(l, -2);
                ffi::lua_rawset(l, -4);
            }
            ffi::lua_pushvalue(l, 2);
            ffi::lua_rawseti(l, -2, ffi::lua_rawlen(l, -2) as i64 + 1);
        }
        0
    }

    /// `reloadable(flag)`: whether the service takes patches.
    pub fn reloadable(l, context) {
        context.applied.locked.set(ffi::lua_toboolean(l, 1) == 0);
        0
    }
}

/// Pushes the list of registered functions of one kind; its length. (Nil if there are none.)
unsafe fn push_list(l: *mut lua_State, kind: usize) -> i64 {
    if get(l, HOOKS) != ffi::LUA_TTABLE {
        return 0;
    }
    ffi::lua_pushstring(l, KINDS[kind].as_ptr());
    let kind = ffi::lua_rawget(l, -2);
    ffi::lua_remove(l, -2);
    if kind == ffi::LUA_TTABLE {
        ffi::lua_rawlen(l, -1) as i64
    } else {
        0
    }
}

unsafe fn count_of(l: *mut lua_State, kind: usize) -> i64 {
    let count = push_list(l, kind);
    ffi::lua_pop(l, 1);
    count
}

impl Work<'_> {
    /// Runs what the patch has registered: first the migrations, then the checks.
    pub unsafe fn run_hooks(&mut self) -> Step {
        for (kind, if_false) in [
            (MIGRATE, None),
            (VERIFY, Some("hotfix.verify: its function returned false")),
        ] {
            let mut count = 0;
            self.step_with(&mut |l, _| {
                count = count_of(l, kind);
                Ok(())
            })?;
            for number in 1..=count {
                let run = Run {
                    context: self.context,
                    threads: &self.threads,
                    args: &[],
                    if_false,
                };
                run.call(&mut |l| {
                    push_list(l, kind);
                    ffi::lua_rawgeti(l, -1, number);
                    ffi::lua_remove(l, -2);
                })?;
                self.hooks_ran = true;
            }
        }
        Ok(())
    }

    /// Runs what the earlier version of this patch wanted to have done when it goes. An error there is told and stands in nobody's way.
    pub unsafe fn unload_previous(&mut self) {
        if let Some(previous) = previous(self.context, self.patch) {
            let warnings = unload(self.context, &self.threads, previous);
            self.report.warnings.extend(warnings);
        }
    }
}

/// Runs what a patch wanted to have done when it goes; what went wrong, in words.
///
/// # Safety
/// The VM is idle; the context has a trial.
pub unsafe fn unload(context: &Context, threads: &[*mut lua_State], patch: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    for number in 1..=unloads(context, patch) {
        let run = Run {
            context,
            threads,
            args: &[],
            if_false: None,
        };
        let outcome = run.call(&mut |l| {
            values::slot(l, Slot::Unload);
            ffi::lua_rawgeti(l, -1, patch as i64);
            ffi::lua_rawgeti(l, -1, number);
            ffi::lua_replace(l, -3);
            ffi::lua_pop(l, 1);
        });
        if let Err(why) = outcome {
            let first = why.lines().next().unwrap_or_default();
            warnings.push(format!("the on_unload function of patch {patch} failed: {first}"));
        }
    }
    warnings
}

/// How many functions a patch wants to be called when it goes.
pub fn unloads(context: &Context, patch: u64) -> i64 {
    context.applied.unloads.borrow().get(&patch).copied().unwrap_or(0)
}

/// Whether the earlier version of a patch has something to be done when it goes.
pub fn has_unload(context: &Context, patch: &Patch) -> bool {
    previous(context, patch).is_some_and(|previous| unloads(context, previous) > 0)
}

/// The live version of a patch that this one takes the place of.
fn previous(context: &Context, patch: &Patch) -> Option<u64> {
    let live = context.applied.live.borrow();
    live.iter()
        .rev()
        .find(|other| other.name == patch.name)
        .map(|other| other.id)
}

/// Keeps what the patch wants to have done when it goes.
pub(super) unsafe fn keep_unload(l: *mut lua_State, work: &mut Work<'_>) {
    let top = ffi::lua_gettop(l);
    let count = push_list(l, UNLOAD);
    if count > 0 {
        values::slot(l, Slot::Unload);
        ffi::lua_insert(l, -2);
        ffi::lua_rawseti(l, -2, work.patch.id as i64);
        work.context.applied.unloads.borrow_mut().insert(work.patch.id, count);
    }
    ffi::lua_settop(l, top);
}

/// Forgets a patch's functions.
pub(super) unsafe fn drop_unload(l: *mut lua_State, context: &Context, patch: u64) {
    values::slot(l, Slot::Unload);
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -2, patch as i64);
    ffi::lua_pop(l, 1);
    context.applied.unloads.borrow_mut().remove(&patch);
}
