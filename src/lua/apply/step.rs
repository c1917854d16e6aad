//! The frame of an application: protected steps, the tables that they work with, and the collector that stands still meanwhile.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::{PLACES, Step, Work};
use crate::lua::chunks::full_label;
use crate::lua::context::Context;
use crate::lua::functions::lua_functions;
use crate::lua::values::{self, Slot};

/// The time between two messages that an application takes: the collector stands still.
pub struct Idle {
    collects: bool,
}

impl Idle {
    /// Stops the collector.
    ///
    /// # Safety
    /// The VM is open and idle, and this is its thread.
    pub unsafe fn begin(context: &Context) -> Idle {
        let l = context.main.get();
        let collects = ffi::lua_gc(l, ffi::LUA_GCISRUNNING) != 0;
        ffi::lua_gc(l, ffi::LUA_GCSTOP);
        Idle { collects }
    }

    /// Lets go of what the application worked with.
    ///
    /// # Safety
    /// As [`Idle::begin`].
    pub unsafe fn end(self, context: &Context) {
        let l = context.main.get();
        if self.collects {
            ffi::lua_gc(l, ffi::LUA_GCRESTART);
        }
        values::slot(l, Slot::Work);
        for place in 1..=PLACES {
            ffi::lua_pushnil(l);
            ffi::lua_rawseti(l, -2, place);
        }
        ffi::lua_pop(l, 1);
    }
}

impl Work<'_> {
    /// Runs one step under protection; the error has its traceback behind it.
    pub unsafe fn step(&mut self, step: unsafe fn(*mut lua_State, &mut Work<'_>) -> Step) -> Step {
        let work: *mut Work<'_> = self;
        let mut body = |l: *mut lua_State| step(l, &mut *work);
        protected(self.context, &mut body)
    }

    /// As [`Work::step`], for a step that takes more than the work.
    pub unsafe fn step_with(&mut self, step: &mut dyn FnMut(*mut lua_State, &mut Work<'_>) -> Step) -> Step {
        let work: *mut Work<'_> = self;
        protected(self.context, &mut |l| step(l, &mut *work))
    }

    /// Takes apart a message with its traceback.
    pub fn blame(&mut self, why: String) {
        let labels = || self.patch.texts.iter().map(|text| text.label.as_str());
        // The function that a patch's text stands in is our invention.
        let why = labels().fold(why, |why, label| {
            full_label(&why, label).replace(&format!("in function <{label}:1>"), "in main chunk")
        });
        let (message, traceback) = match why.split_once("\nstack traceback:\n") {
            Some((message, traceback)) => (message.to_owned(), Some(traceback.to_owned())),
            None => (why, None),
        };
        let is_placed = labels().any(|label| message.starts_with(label));
        let first = labels().next().filter(|_| !is_placed);
        self.report.error = Some(match first {
            Some(label) => format!("{label}: {message}"),
            None => message,
        });
        self.report.traceback = traceback;
    }
}

/// A step as [`run_step`] is given it.
type Body<'a> = &'a mut dyn FnMut(*mut lua_State) -> Step;

struct Call<'a> {
    body: Body<'a>,
    outcome: Step,
}

/// Runs something under Lua's protection; the error has its traceback behind it.
///
/// # Errors
/// What was raised or returned.
///
/// # Safety
/// The VM is open and idle, and this is its thread.
pub unsafe fn protected(context: &Context, body: Body<'_>) -> Step {
    let l = context.main.get();
    let mut call = Call { body, outcome: Ok(()) };
    let top = ffi::lua_gettop(l);
    ffi::lua_pushcfunction(l, with_traceback);
    ffi::lua_pushcfunction(l, run_step);
    ffi::lua_pushlightuserdata(l, (&raw mut call).cast());
    let status = ffi::lua_pcall(l, 1, 0, top + 1);
    if status != ffi::LUA_OK {
        call.outcome = Err(values::text(l, -1).unwrap_or_else(|| "error object is not a string".into()));
    }
    ffi::lua_settop(l, top);
    call.outcome
}

lua_functions! {
    /// Runs a step.
    fn run_step(l, _context) {
        let call = ffi::lua_touserdata(l, 1).cast::<Call<'_>>();
        ffi::lua_settop(l, 0);
        // SAFETY: `protected` waits for this call, with the structure in its frame.
        let outcome = ((*call).body)(l);
        (*call).outcome = outcome;
        0
    }

    /// The message handler: adds a traceback to what is raised.
    fn with_traceback(l, _context) {
        if ffi::lua_type(l, 1) != ffi::LUA_TSTRING {
            ffi::luaL_tolstring(l, 1, std::ptr::null_mut());
            ffi::lua_replace(l, 1);
        }
        ffi::luaL_traceback(l, l, ffi::lua_tolstring(l, 1, std::ptr::null_mut()), 1);
        1
    }
}

/// Pushes what an application works with.
pub(super) unsafe fn get(l: *mut lua_State, place: i64) -> c_int {
    values::slot(l, Slot::Work);
    let kind = ffi::lua_rawgeti(l, -1, place);
    ffi::lua_remove(l, -2);
    kind
}

/// Takes the value on top.
pub(super) unsafe fn put(l: *mut lua_State, place: i64) {
    values::slot(l, Slot::Work);
    ffi::lua_insert(l, -2);
    ffi::lua_rawseti(l, -2, place);
    ffi::lua_pop(l, 1);
}
