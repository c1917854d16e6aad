//! Applying a patch to one VM, between two messages: compile and bind, note what may change, run under a budget what is to be run, see what
//! changed, exchange functions wherever they are held; or take everything back.
//!
//! In the order of a patch: [`bind`] and [`revise`] prepare it, [`slots`] says what it writes, [`budget`] runs it, [`gather`],
//! [`exchange`], [`joins`] (with [`activations`]) and [`hazards`] exchange functions, [`hooks`] runs what the patch asked for, [`tell`]
//! fills in the report.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod activations;
mod attempt;
mod bind;
mod budget;
mod compact;
mod exchange;
mod gather;
mod hazards;
mod held;
pub mod hooks;
pub mod in_flight;
mod joins;
mod lines;
mod remember;
mod revise;
pub mod rollback;
mod slots;
pub mod step;
mod tell;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use mlua::ffi::lua_State;

use crate::lua::changes::Changes;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::heap::record::Snapshot;
use crate::lua::switch::Journal;
use crate::lua::variables::Cell;
use crate::patch::order::Patch;
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::revision::Literal;

use exchange::Exchange;
use held::Held;
use revise::Revising;
use slots::Slots;
use step::{get, put};

/// What the protected step has to say: done, or the error with its traceback.
type Step = Result<(), String>;

/// What came of a patch.
pub enum Outcome {
    /// The report.
    Told(InstanceReport),
    /// A suspended function stands against it; it may be tried again when that one has gone on. What will be told if there is no time
    /// for that.
    Wait(InstanceReport),
}

/// How a patch is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is applied.
    Apply,
    /// Nothing is executed or changed; what would be is told.
    Check,
}

/// One text to run.
#[derive(Clone)]
struct Program {
    /// Number of its file.
    file: usize,
    /// The loaded file whose variables it means.
    activation: Option<usize>,
    /// What it may mean.
    names: Vec<bind::Name>,
}

/// What the steps of one application share. It lies in a frame that no Lua error jumps over.
struct Work<'a> {
    context: &'a Context,
    patch: &'a Arc<Patch>,
    /// Nothing is to be executed or changed.
    dry: bool,
    began: Instant,
    programs: Vec<Program>,
    revisions: Vec<Revising>,
    /// The service took no patches before.
    locked: bool,
    /// What was known of functions that are outdated now.
    outdated: Vec<(Origin, Option<Origin>)>,
    /// Variables of a file that are back.
    returned: Vec<(usize, Cell)>,
    /// Literals that were updated.
    literals: Vec<(usize, Cell, Literal)>,
    slots: Slots,
    snapshot: Option<Snapshot>,
    held: Held,
    changes: Changes,
    exchange: Exchange,
    /// Functions that got two successors, by address: their names.
    disputed: HashMap<usize, String>,
    journal: Journal,
    /// Coroutines of the service that the patch could run.
    threads: Vec<*mut lua_State>,
    /// Functions that the patch registered have run.
    hooks_ran: bool,
    /// It is the exchange of functions that is being decided.
    refused: bool,
    /// For a check: how many statements would be run.
    statements: usize,
    /// It failed only because of a function that is suspended just now.
    may_wait: bool,
    report: InstanceReport,
}

/// Places in the table of [`crate::lua::values::Slot::Work`].
const FUNCTIONS: i64 = 1;
const LOG: i64 = 2;
const LIST: i64 = 3;
const RUNNER: i64 = 4;
const SLOTS: i64 = 5;
const FOUND: i64 = 6;
const MADE: i64 = 7;
const JOURNAL: i64 = 8;
const HOOKS: i64 = 9;
const RETURNED: i64 = 10;
const PLACES: i64 = 10;

/// Applies a patch, or says why not. The service is as before unless the status is `Applied`.
pub fn apply(context: &Context, patch: &Arc<Patch>) -> Outcome {
    catch_up_before(context, patch.id);
    // It was on its way when this instance looked at what stands, and has been applied then.
    if let Some(report) = context.caught.borrow_mut().remove(&patch.id) {
        return Outcome::Told(report);
    }
    if already(context, patch) {
        return Outcome::Told(InstanceReport::new(context.handle().0, Status::Unchanged));
    }
    // SAFETY: the VM is open, idle, and this is its thread.
    unsafe { carry_out(context, patch, Mode::Apply) }
}

/// Says what a patch would do.
pub fn check(context: &Context, patch: &Arc<Patch>) -> InstanceReport {
    if already(context, patch) {
        return InstanceReport::new(context.handle().0, Status::Unchanged);
    }
    // SAFETY: as above.
    match unsafe { carry_out(context, patch, Mode::Check) } {
        Outcome::Told(report) | Outcome::Wait(report) => report,
    }
}

/// Applies the standing patches that this instance has not got yet, and tells the post room how each went.
pub fn catch_up(context: &Context) {
    catch_up_before(context, u64::MAX);
}

fn catch_up_before(context: &Context, id: u64) {
    let seen = context.caught_up.get();
    if context.instance.identity.listed && seen < id {
        context.caught_up.set(id);
        for patch in context.host.post_room.standing(&context.instance.identity.folder()) {
            if patch.id < seen || patch.id >= id || already(context, &patch) {
                continue;
            }
            if let Some(file) = outdated(context, &patch) {
                context.host.post_room.outdated(&patch, &file);
            } else {
                // SAFETY: as in `apply`.
                let (Outcome::Told(report) | Outcome::Wait(report)) =
                    unsafe { carry_out(context, &patch, Mode::Apply) };
                if patch.sources.get().is_none() && report.status == Status::Applied {
                    context.caught.borrow_mut().insert(patch.id, report.clone());
                }
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
    let same_id = context.applied.live.borrow().iter().any(|other| other.id == patch.id);
    // Whether a save concerns an instance was looked at before: its name does not tell which text of which file runs.
    same_id || (!patch.forced && !patch.is_saved() && is_live(context, patch))
}

/// Whether the patch's bytes are what is live here under its name.
fn is_live(context: &Context, patch: &Patch) -> bool {
    let live = context.applied.live.borrow();
    let newest = live.iter().rev().find(|other| other.name == patch.name);
    newest.is_some_and(|newest| newest.sha256 == patch.sha256)
}

unsafe fn carry_out(context: &Context, patch: &Arc<Patch>, mode: Mode) -> Outcome {
    let mut work = Work {
        context,
        patch,
        dry: mode == Mode::Check,
        began: Instant::now(),
        programs: Vec::new(),
        revisions: Vec::new(),
        locked: context.applied.locked.get(),
        outdated: Vec::new(),
        returned: Vec::new(),
        literals: Vec::new(),
        slots: Slots::default(),
        snapshot: None,
        held: Held::default(),
        changes: Changes::default(),
        exchange: Exchange::default(),
        disputed: HashMap::new(),
        journal: Journal::default(),
        threads: Vec::new(),
        hooks_ran: false,
        refused: false,
        statements: 0,
        may_wait: false,
        report: InstanceReport::new(context.handle().0, Status::Rejected),
    };
    if !patch.is_saved() && is_live(context, patch) && !work.dry {
        work.report
            .warnings
            .push("these bytes were live already; they have run again".into());
    }
    let idle = step::Idle::begin(context);
    match work.step(attempt::prepare) {
        Ok(()) if work.dry => work.foretell(),
        Ok(()) => work.attempt(),
        Err(why) => work.blame(why),
    }
    compact::compact(context);
    if let Err(why) = work.step(attempt::forget_heap) {
        tracing::debug!("a log of the heap is left to the collector: {why}");
    }
    idle.end(context);
    work.report.micros = work.began.elapsed().as_micros() as u64;
    if work.report.status == Status::Applied && !work.dry {
        context.applied.live.borrow_mut().push(patch.clone());
        context.tell_live();
    }
    if work.may_wait {
        Outcome::Wait(work.report)
    } else {
        Outcome::Told(work.report)
    }
}
