//! One attempt to apply a patch, step by step; whatever fails is taken back.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::time::Instant;

use mlua::ffi::{self, lua_State};

use super::budget::Run;
use super::exchange::{Tables, Written, scope};
use super::joins::Maker;
use super::{
    FOUND, FUNCTIONS, HOOKS, JOURNAL, LIST, LOG, MADE, RETURNED, SLOTS, Step, Work, bind, gather, get, hazards, hooks,
    lines, put, remember, revise, tell,
};
use crate::lua::context::{Context, Trial};
use crate::lua::files::{Kind, Origin};
use crate::lua::guard;
use crate::lua::heap::record::{self, Snapshot};
use crate::lua::heap::survey::Survey;
use crate::lua::layout;
use crate::lua::outgoing;
use crate::lua::values::{self, Slot};
use crate::patch::order::PatchText;
use crate::patch::outcome::Status;
use crate::patch::syntax::Read;

/// Compiles and binds: the service is not touched.
pub unsafe fn prepare(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    for place in [FUNCTIONS, LIST, SLOTS, FOUND, MADE, JOURNAL, HOOKS, RETURNED] {
        ffi::lua_newtable(l);
        put(l, place);
    }
    let context = work.context;
    if context.applied.locked.get() {
        return Err("the service has said that it is not reloadable (hotfix.reloadable)".into());
    }
    let patch = work.patch.clone();
    for text in &patch.texts {
        match text.whole_file() {
            Some(whole) => revise::prepare(l, work, text, whole)?,
            None => statements(l, work, text)?,
        }
    }
    // Of source files that were saved together, an instance gets those that it has loaded.
    if work.programs.is_empty() && work.revisions.is_empty() {
        return Err("none of these files is loaded here".into());
    }
    Ok(())
}

/// Compiles and binds a patch of ordinary statements.
unsafe fn statements(l: *mut lua_State, work: &mut Work<'_>, text: &PatchText) -> Step {
    let context = work.context;
    let activation = context.script.get();
    let mut names = Vec::new();
    if let Some(activation) = activation {
        let current = context.files.borrow().current(activation);
        let chunk = context.files.borrow().get(current).map(|file| file.chunk.clone());
        if let Some(chunk) = chunk {
            let variables = bind::variables_of(l, context, current)?;
            names = bind::names(l, &chunk, &variables, text.source.bytes())?;
        }
    }
    let unbound = bind::Unbound {
        source: &text.source,
        label: &text.label,
        activation,
        names: &names,
        kind: Kind::Patch { patch: work.patch.id },
    };
    let file = bind::compile(l, context, unbound)?;
    revise::add_program(l, work, file, activation, names);
    Ok(())
}

/// Loads what of the library `skynet` comes with the first look at it, as a loop over it does: that is no change of the patch's.
unsafe fn complete_library(l: *mut lua_State, _work: &mut Work<'_>) -> Step {
    values::slot(l, Slot::Library);
    if ffi::luaL_getmetafield(l, -1, c"__pairs".as_ptr()) != ffi::LUA_TNIL {
        ffi::lua_pushvalue(l, -2);
        ffi::lua_call(l, 1, 0);
    }
    Ok(())
}

impl Work<'_> {
    /// Whether a text is this patch's.
    pub fn is_own(&self, file: usize) -> bool {
        let revised = self.revisions.iter().any(|revising| revising.revision == file);
        revised || self.programs.iter().any(|program| program.file == file)
    }

    /// From here on the service is touched: whatever fails is undone.
    pub unsafe fn attempt(&mut self) {
        self.report.status = Status::Failed;
        // What is only defined is refused before anything of the author's has run.
        let only_definitions = self.slots.complete && !hooks::has_unload(self.context, self.patch);
        if !only_definitions && let Err(why) = self.note_heap() {
            return self.blame(format!("the heap could not be written down: {why}"));
        }
        // A patch that answers a deferred request and then fails has not answered it.
        let deferred = self.context.deferred.borrow().clone();
        *self.context.trial.borrow_mut() = Some(Trial {
            deadline: Some(Instant::now() + self.context.host.config.time_limit),
            ..Trial::default()
        });
        let outcome = self.go_through();
        let trial = self.context.trial.take().unwrap_or_default();
        self.context.memory.discharge(trial.withheld);
        self.report.output = String::from_utf8_lossy(&trial.output).into_owned();
        let occupied = trial.occupied.iter().map(|key| {
            format!("`{key}` is not added: it is there, or there is no plain table that it could be added to")
        });
        self.report.notes.extend(occupied);
        match outcome {
            Ok(()) => self.commit(trial),
            Err(why) => {
                if only_definitions && self.refused {
                    self.report.status = Status::Rejected;
                }
                self.blame(why);
                *self.context.deferred.borrow_mut() = deferred;
                self.context.applied.locked.set(self.locked);
                match self.step(take_back) {
                    Ok(()) if only_definitions || self.snapshot.is_some() => self.silence(),
                    Ok(()) => {}
                    Err(why) => self.report.warnings.push(format!("undoing was not complete: {why}")),
                }
                self.report.functions.clear();
                self.report.notes.clear();
                self.report.values = 0;
            }
        }
    }

    /// Nothing of a patch that was undone is ever to run: not even what Lua calls by itself, a finalizer.
    unsafe fn silence(&mut self) {
        let silenced = self.step(|l, work| {
            let mut files = work.context.files.borrow_mut();
            let texts = files.texts_of(work.patch.id);
            for proto in files.protos(l, |origin| texts.contains(&origin.file)) {
                layout::silence(proto);
            }
            Ok(())
        });
        if let Err(why) = silenced {
            self.report.warnings.push(format!("its functions may still run: {why}"));
        }
    }

    /// Writes the heap down, if it is not too large for that.
    unsafe fn note_heap(&mut self) -> Step {
        self.step(complete_library)?;
        if self.is_too_large() {
            return self.step(holders);
        }
        self.step(record)
    }

    /// Whether the heap is larger than what is written down: then it is said what that means.
    fn is_too_large(&mut self) -> bool {
        let (heap, limit) = (self.context.memory.used(), self.context.host.config.snapshot_limit);
        let is_too_large = heap > limit;
        if is_too_large {
            let [heap, limit] = [heap, limit].map(|size| bytesize::ByteSize(size as u64));
            self.report.warnings.push(format!(
                "its heap ({heap}) is above hotfix.snapshot_limit ({limit}), so what the patch's own statements write (other than \
                 functions) cannot be undone"
            ));
        }
        is_too_large
    }

    unsafe fn go_through(&mut self) -> Step {
        self.unload_previous();
        self.step(keep_returned)?;
        self.run_programs()?;
        self.step(give_returned)?;
        self.step(look)?;
        self.step(gather::from_changes)?;
        self.step(exchange)?;
        self.step(revise::literals::give)?;
        self.run_hooks()?;
        if self.hooks_ran {
            self.step(recount)?;
        }
        self.step(tell::functions)?;
        self.step(foresee)
    }

    /// Runs the patch's statements, or what of a new version is run once.
    unsafe fn run_programs(&mut self) -> Step {
        for number in 1..=self.programs.len() as i64 {
            let args = if self.revisions.is_empty() {
                &self.patch.args[..]
            } else {
                &[]
            };
            let run = Run {
                context: self.context,
                threads: &self.threads,
                args,
                if_false: None,
            };
            run.call(&mut |l| {
                get(l, FUNCTIONS);
                ffi::lua_rawgeti(l, -1, number);
                ffi::lua_remove(l, -2);
            })?;
        }
        Ok(())
    }

    /// The patch has done what it wanted: what it withheld may leave.
    unsafe fn commit(&mut self, trial: Trial) {
        revise::remarks(self);
        let sent = !trial.messages.is_empty() || !trial.timers.is_empty();
        let changed = !self.changes.all.is_empty() || !self.journal.is_empty();
        let effect = sent || changed || self.report.values > 0 || !self.report.output.is_empty();
        self.report.status = if effect { Status::Applied } else { Status::NoEffect };
        if !effect && !self.revisions.is_empty() {
            let why = if self.report.warnings.is_empty() && self.report.restarts.is_empty() {
                "nothing in it differs from what runs"
            } else {
                "what differs cannot be applied to an instance that runs"
            };
            self.report.error = Some(why.to_owned());
        }
        let_go(self.context, trial);
        if let Err(why) = self.step(tell_lines) {
            self.report
                .warnings
                .push(format!("its functions have their old lines: {why}"));
        }
        if effect {
            self.settle();
            if let Err(why) = self.step(remember::remember) {
                self.report.warnings.push(format!("it cannot be rolled back: {why}"));
            }
        }
    }

    /// Makes known what the functions of this patch stand for, and which version of which file runs now.
    fn settle(&mut self) {
        let mut files = self.context.files.borrow_mut();
        for (was, now) in &self.exchange.alike {
            files.note_alike(*was, *now);
        }
        for revising in &self.revisions {
            for (was, _, now) in &revising.unchanged {
                files.stand_in(*was, *now);
            }
            files.advance(revising.activation, revising.revision);
        }
        for group in &self.exchange.groups {
            if let Some(old) = group.old {
                self.outdated.extend(files.outdate(old, group.new));
            }
            if let Some(old) = group.old
                && self.revisions.is_empty()
            {
                files.stand_in(group.new, old);
            }
        }
    }

    /// Says what would come of it, without executing anything.
    pub unsafe fn foretell(&mut self) {
        if !self.slots.complete {
            self.is_too_large();
        }
        let outcome = self
            .step(gather::foresee::definitions)
            .and_then(|()| self.step(exchange))
            .and_then(|()| self.step(revise::literals::give));
        let outcome = outcome
            .and_then(|()| self.step(tell::functions))
            .and_then(|()| self.step(foresee));
        match outcome {
            Err(why) => self.blame(why),
            Ok(()) => {
                revise::remarks(self);
                tell::statements(self);
                let nothing = self.report.functions.is_empty() && self.report.values == 0 && self.statements == 0;
                self.report.status = if nothing { Status::NoEffect } else { Status::Applied };
                if nothing {
                    self.report.error = Some("nothing in it differs from what runs".into());
                }
            }
        }
        // A check waits for nothing.
        self.may_wait = false;
    }
}

/// Sends what was withheld.
pub fn let_go(context: &Context, trial: Trial) {
    for (instance, message) in trial.messages {
        // Whoever it was for may have ended meanwhile, as with any message.
        let _ = context.host.node.post(&instance, message);
    }
    for (delay, session) in trial.timers {
        outgoing::set_timer(context, delay, session);
    }
}

/// Functions that only moved get the lines of the new text.
unsafe fn tell_lines(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let unchanged = work.revisions.iter().flat_map(|revising| &revising.unchanged);
    let moves: Vec<(Origin, Origin)> = unchanged.map(|(was, _, now)| (*was, *now)).collect();
    lines::move_lines(l, work.context, &moves)
}

/// Writes the heap down.
unsafe fn record(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    record::push_log(l);
    ffi::lua_pushvalue(l, -1);
    put(l, LOG);
    let snapshot = work.snapshot.insert(Snapshot::default());
    record::take(l, scope(work.context), snapshot);
    work.threads = snapshot.threads.clone();
    Ok(())
}

/// Gives back what the heap was written down in.
pub unsafe fn forget_heap(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    if let Some(snapshot) = &work.snapshot {
        get(l, LOG);
        record::release(l, -1, snapshot);
    }
    Ok(())
}

/// Finds the coroutines that the patch could run, and who holds functions.
unsafe fn holders(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, SLOTS);
    let list = ffi::lua_gettop(l);
    work.slots.add_holders(l, list, scope(work.context), &mut work.held);
    work.threads.append(&mut work.held.threads);
    Ok(())
}

unsafe fn keep_returned(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    revise::keep_returned(l, work, false);
    Ok(())
}

unsafe fn give_returned(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    revise::keep_returned(l, work, true);
    Ok(())
}

/// Finds what has changed.
unsafe fn look(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    work.report.values += guard::forget_joins(l);
    find_changes(l, work);
    Ok(())
}

/// Leaves the list of changes as the only value behind what they are compared with.
unsafe fn find_changes(l: *mut lua_State, work: &mut Work<'_>) {
    match &work.snapshot {
        Some(snapshot) => {
            get(l, LOG);
            get(l, LIST);
            work.changes.find(l, snapshot);
        }
        None => {
            get(l, SLOTS);
            get(l, LIST);
            work.changes.find_in(l, &work.slots.all);
        }
    }
}

/// Counts what the patch's hooks have changed besides.
unsafe fn recount(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    if work.snapshot.is_some() {
        let before = work.changes.all.len();
        find_changes(l, work);
        work.report.values += work.changes.all.len().saturating_sub(before) as u32;
    }
    Ok(())
}

/// Exchanges functions everywhere.
unsafe fn exchange(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let mut revisions = std::mem::take(&mut work.revisions);
    let gathered: Step = revisions
        .iter_mut()
        .try_for_each(|revising| gather::versions::from_revision(l, work.context, &mut work.exchange, revising));
    work.revisions = revisions;
    gathered?;
    work.refused = true;
    tell::disputes(work);
    if work.exchange.is_empty() && work.revisions.is_empty() {
        work.refused = false;
        return Ok(());
    }
    gather::versions::removed(l, work)?;
    gather::versions::hidden_literals(l, work)?;
    for place in [FOUND, MADE, JOURNAL, LIST] {
        get(l, place);
    }
    let tables = Tables {
        found: 1,
        made: 2,
        journal: 3,
    };
    work.exchange.look(l, work.context, tables);
    if gather::versions::add_earlier(l, work)? {
        work.exchange.survey = Survey::default();
        ffi::lua_newtable(l);
        put(l, FOUND);
        get(l, FOUND);
        ffi::lua_replace(l, tables.found);
        work.exchange.look(l, work.context, tables);
    }
    hazards::refuse(l, work, tables)?;
    hazards::tell_in_flight(work);
    Maker::new(work.context, &mut work.exchange, tables).make_all(l)?;
    if work.dry {
        work.exchange.count();
        return Ok(());
    }
    let written = Written {
        changes: &work.changes.all,
        list: 4,
        before: work.snapshot.as_ref(),
    };
    work.refused = false;
    work.exchange.write(l, tables, &mut work.journal, &written);
    Ok(())
}

/// Warns of what will fail later.
unsafe fn foresee(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    for program in &work.programs {
        let (chunk, file) = {
            let files = work.context.files.borrow();
            let current = program.activation.map(|activation| files.current(activation));
            let chunk = |number| files.get(number).map(|file| file.chunk.clone());
            (chunk(program.file), current.and_then(chunk))
        };
        if let Some(chunk) = chunk {
            work.report
                .warnings
                .extend(bind::unexplained(l, &chunk, file.as_deref(), &program.names));
        }
    }
    for revising in &work.revisions {
        let known = &revising.old.outline.reads;
        let sets = &revising.new.outline.writes;
        let has_own = revising.new.outline.locals.iter().any(|local| local.name == "_ENV");
        let is_new =
            |read: &Read| !has_own && !known.iter().any(|old| old.name == read.name) && !sets.contains(&read.name);
        let missing = bind::unknown_globals(l, &revising.new, &is_new);
        work.report.warnings.extend(missing);
    }
    Ok(())
}

/// Undoes everything.
unsafe fn take_back(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    guard::join_back(l);
    get(l, JOURNAL);
    work.journal.undo(l, -1);
    ffi::lua_settop(l, 0);
    find_changes(l, work);
    work.changes.undo(l);
    Ok(())
}
