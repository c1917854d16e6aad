//! Applying a patch to one VM, between two messages: compile and bind, write down the heap, run under a budget, see what changed,
//! carry new functions to every holder; or take everything back.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod bind;
mod budget;
mod tell;

use std::ffi::c_int;
use std::sync::Arc;
use std::time::Instant;

use mlua::ffi::{self, lua_State};

use crate::lua::changes::Changes;
use crate::lua::context::{Context, Trial};
use crate::lua::functions::lua_functions;
use crate::lua::guard;
use crate::lua::heap::Scope;
use crate::lua::heap::record::{self, Snapshot};
use crate::lua::outgoing;
use crate::lua::values::{self, Slot};
use crate::patch::order::Patch;
use crate::patch::outcome::{InstanceReport, Status};

/// What the steps of one application share. It lies in a frame that no Lua error jumps over.
struct Work<'a> {
    context: &'a Context,
    patch: &'a Arc<Patch>,
    /// Number of the patch's file.
    file: usize,
    snapshot: Snapshot,
    changes: Changes,
    /// The coroutine that runs the patch, and how that ended.
    runner: *mut lua_State,
    ran: c_int,
    report: InstanceReport,
}

/// What the protected step has to say: done, or the error with its traceback.
type Step = Result<(), String>;

/// Applies a patch, or says why not. The service is as before unless the status is `Applied`.
pub fn apply(context: &Context, patch: &Arc<Patch>) -> InstanceReport {
    let began = Instant::now();
    catch_up_before(context, patch.id);
    let mut report = match already(context, patch) {
        true => InstanceReport::new(context.handle().0, Status::Unchanged),
        // SAFETY: the VM is open, idle, and this is its thread.
        false => unsafe { carry_out(context, patch) },
    };
    report.micros = began.elapsed().as_micros() as u64;
    report
}

/// Applies the standing patches that this instance has not got yet, and tells the post room how each went.
pub fn catch_up(context: &Context) {
    catch_up_before(context, u64::MAX);
}

fn catch_up_before(context: &Context, id: u64) {
    if context.instance.identity.listed && !context.caught_up.get() {
        context.caught_up.set(true);
        for patch in context.host.post_room.standing(&context.instance.identity.folder()) {
            if patch.id >= id || already(context, &patch) {
                continue;
            }
            if let Some(file) = outdated(context, &patch) {
                context.host.post_room.outdated(&patch, &file);
            } else {
                let began = Instant::now();
                // SAFETY: as in `apply`.
                let mut report = unsafe { carry_out(context, &patch) };
                report.micros = began.elapsed().as_micros() as u64;
                context.host.post_room.caught_up(&patch, report);
            }
        }
    }
}

/// The file of which this instance runs another text than the one that the patch was made for.
fn outdated(context: &Context, patch: &Patch) -> Option<String> {
    let files = context.files.borrow();
    let sources = patch.sources.get()?;
    sources
        .iter()
        .find(|source| files.runs_other_text(source))
        .map(|source| source.file.clone())
}

/// Whether there is nothing to do: this very patch was applied here, or its bytes are live and nobody insists.
fn already(context: &Context, patch: &Patch) -> bool {
    let same_id = context.live.borrow().iter().any(|other| other.id == patch.id);
    same_id || (!patch.forced && is_live(context, patch))
}

/// Whether the patch's bytes are what is live here under its name.
fn is_live(context: &Context, patch: &Patch) -> bool {
    let live = context.live.borrow();
    let newest = live.iter().rev().find(|other| other.name == patch.name);
    newest.is_some_and(|newest| newest.sha256 == patch.sha256)
}

unsafe fn carry_out(context: &Context, patch: &Arc<Patch>) -> InstanceReport {
    let mut work = Work {
        context,
        patch,
        file: 0,
        snapshot: Snapshot::default(),
        changes: Changes::default(),
        runner: std::ptr::null_mut(),
        ran: ffi::LUA_OK,
        report: InstanceReport::new(context.handle().0, Status::Rejected),
    };
    if is_live(context, patch) {
        work.report
            .warnings
            .push("these bytes were live already; they have run again".into());
    }
    let l = context.main.get();
    let collects = ffi::lua_gc(l, ffi::LUA_GCISRUNNING) != 0;
    ffi::lua_gc(l, ffi::LUA_GCSTOP);
    match work.step(prepare) {
        Ok(()) => work.attempt(),
        Err(why) => work.blame(why),
    }
    if collects {
        ffi::lua_gc(l, ffi::LUA_GCRESTART);
    }
    values::slot(l, Slot::Work);
    for place in 1..=WORK_PLACES {
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, -2, place);
    }
    ffi::lua_pop(l, 1);
    if work.report.status == Status::Applied {
        context.live.borrow_mut().push(patch.clone());
    }
    work.report
}

/// Places in the table of [`Slot::Work`]: the patch as a function, the log, the list of changes, the coroutine that runs the patch.
const FUNCTION: i64 = 1;
const LOG: i64 = 2;
const LIST: i64 = 3;
const RUNNER: i64 = 4;
const WORK_PLACES: i64 = 4;

impl Work<'_> {
    /// Runs one step under protection; the error has its traceback behind it.
    unsafe fn step(&mut self, step: unsafe fn(*mut lua_State, &mut Work<'_>) -> Step) -> Step {
        let l = self.context.main.get();
        let mut call = Call {
            work: std::ptr::from_mut(self).cast(),
            step,
            outcome: Ok(()),
        };
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

    /// From here on the service is touched: whatever fails is undone.
    unsafe fn attempt(&mut self) {
        self.report.status = Status::Failed;
        let (heap, limit) = (self.context.memory.used(), self.context.host.config.snapshot_limit);
        if heap > limit {
            let [heap, limit] = [heap, limit].map(|size| bytesize::ByteSize(size as u64));
            self.report.warnings.push(format!(
                "its heap ({heap}) is above hotfix.snapshot_limit ({limit}); all of it was written down for undoing, which took a long pause"
            ));
        }
        if let Err(why) = self.step(record) {
            return self.blame(format!("the heap could not be written down: {why}"));
        }
        // A patch that answers a deferred request and then fails has not answered it.
        let deferred = self.context.deferred.borrow().clone();
        let ran = budget::run(self);
        let trial = self.context.trial.take().unwrap_or_default();
        self.report.output = String::from_utf8_lossy(&trial.output).into_owned();
        match ran
            .and_then(|()| self.step(look))
            .and_then(|()| self.step(tell::functions))
            .and_then(|()| self.step(foresee))
        {
            Ok(()) => self.commit(trial),
            Err(why) => {
                self.blame(why);
                *self.context.deferred.borrow_mut() = deferred;
                if let Err(why) = self.step(take_back) {
                    self.report.warnings.push(format!("undoing was not complete: {why}"));
                }
            }
        }
    }

    /// The patch has done what it wanted: what it withheld may leave.
    unsafe fn commit(&mut self, trial: Trial) {
        let sent = !trial.messages.is_empty() || !trial.timers.is_empty();
        let effect = sent || self.report.values > 0 || !self.changes.all.is_empty() || !self.report.output.is_empty();
        self.report.status = if effect { Status::Applied } else { Status::NoEffect };
        for (instance, message) in trial.messages {
            // Whoever it was for may have ended meanwhile, as with any message.
            let _ = self.context.host.node.post(&instance, message);
        }
        for (delay, session) in trial.timers {
            outgoing::set_timer(self.context, delay, session);
        }
    }

    /// Takes apart a message with its traceback.
    fn blame(&mut self, why: String) {
        let why = full_label(&why, &self.patch.label);
        // The function that a patch's text stands in is our invention.
        let why = why.replace(&format!("in function <{}:1>", self.patch.label), "in main chunk");
        let (message, traceback) = match why.split_once("\nstack traceback:\n") {
            Some((message, traceback)) => (message.to_owned(), Some(traceback.to_owned())),
            None => (why, None),
        };
        self.report.error = Some(if message.starts_with(&self.patch.label) {
            message
        } else {
            format!("{}: {message}", self.patch.label)
        });
        self.report.traceback = traceback;
    }
}

/// What `run_step` is given.
struct Call<'a> {
    work: *mut Work<'a>,
    step: unsafe fn(*mut lua_State, &mut Work<'_>) -> Step,
    outcome: Step,
}

lua_functions! {
    /// Runs a step of [`Work`].
    fn run_step(l, _context) {
        let call = ffi::lua_touserdata(l, 1).cast::<Call<'_>>();
        ffi::lua_settop(l, 0);
        // SAFETY: `Work::step` waits for this call, with the structure in its frame.
        let outcome = ((*call).step)(l, &mut *(*call).work);
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

    /// The `print` that a patch is given: into the report while it runs, afterwards the service's own.
    fn patch_print(l, context) {
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
}

/// Compiles and binds: the service is not touched.
unsafe fn prepare(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    work.file = bind::compile(l, work.context, work.patch)?;
    put(l, FUNCTION);
    ffi::lua_newtable(l);
    put(l, LIST);
    Ok(())
}

/// Writes the heap down.
unsafe fn record(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    record::push_log(l);
    ffi::lua_pushvalue(l, -1);
    put(l, LOG);
    let scope = Scope {
        own: &[Slot::Work, Slot::Joins],
        in_memory: work.context.host.in_memory.get().copied().flatten(),
    };
    record::take(l, scope, &mut work.snapshot);
    Ok(())
}

/// Finds what has changed.
unsafe fn look(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    work.report.values += guard::forget_joins(l);
    get(l, LOG);
    get(l, LIST);
    work.changes.find(l, &work.snapshot);
    Ok(())
}

/// Warns of what will fail later.
unsafe fn foresee(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let missing = bind::unexplained(l, work.context, work.patch);
    work.report.warnings.extend(missing);
    Ok(())
}

/// Undoes everything that differs from the record.
unsafe fn take_back(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    guard::join_back(l);
    get(l, LOG);
    get(l, LIST);
    work.changes.find(l, &work.snapshot);
    work.changes.undo(l, &work.snapshot);
    Ok(())
}

unsafe fn get(l: *mut lua_State, place: i64) {
    values::slot(l, Slot::Work);
    ffi::lua_rawgeti(l, -1, place);
    ffi::lua_remove(l, -2);
}

/// Takes the value on top.
unsafe fn put(l: *mut lua_State, place: i64) {
    values::slot(l, Slot::Work);
    ffi::lua_insert(l, -2);
    ffi::lua_rawseti(l, -2, place);
    ffi::lua_pop(l, 1);
}

/// Lua shortens long file names in messages (`...end/of/the/name.lua`): puts the full one back.
fn full_label(message: &str, label: &str) -> String {
    /// `LUA_IDSIZE`, without the final zero.
    const LONGEST: usize = 59;
    if label.len() <= LONGEST {
        return message.to_owned();
    }
    let tail = label.len() - (LONGEST - "...".len());
    match label.get(tail..) {
        Some(tail) => message.replace(&format!("...{tail}"), label),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::full_label;

    #[test]
    fn shortened_names_are_made_whole() {
        let label = format!("hotfix/{}/x.lua", "s".repeat(60));
        let short = format!("...{}", &label[label.len() - 56..]);
        assert_eq!(
            full_label(&format!("{short}:3: boom"), &label),
            format!("{label}:3: boom")
        );
        assert_eq!(
            full_label("hotfix/a/x.lua:3: boom", "hotfix/a/x.lua"),
            "hotfix/a/x.lua:3: boom"
        );
    }
}
