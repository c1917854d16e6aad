//! Taking patches back: what ran before runs again, wherever it was held; state that came later stays.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod restore;

use std::time::Instant;

use mlua::ffi::{self, lua_State};

use super::compact::{BACK, compact};
use super::exchange::{Exchange, Tables, Written, scope};
use super::joins::Maker;
use super::slots::push_literal;
use super::step::{Idle, protected};
use super::{FOUND, JOURNAL, LIST, MADE, Step, get, hazards, hooks, in_flight, lines, put};
use crate::lua::applied::Undo;
use crate::lua::changes::Place;
use crate::lua::context::{Context, Trial};
use crate::lua::files::Origin;
use crate::lua::heap::record;
use crate::lua::heap::seen::Seen;
use crate::lua::switch::Journal;
use crate::lua::values::{self, Slot};
use crate::lua::variables;
use crate::patch::order::Rollback;
use crate::patch::outcome::{FunctionChange, InstanceReport, Status};
use crate::patch::report::count;

/// Takes patches back, all of them or none.
pub fn roll_back(context: &Context, order: &Rollback) -> InstanceReport {
    let began = Instant::now();
    let mut report = InstanceReport::new(context.handle().0, Status::Unchanged);
    let live: Vec<u64> = {
        let undo = context.applied.undo.borrow();
        order.ids.iter().copied().filter(|id| undo.contains_key(id)).collect()
    };
    // Where everything goes, saves of long ago are a part of the source.
    if let [id] = order.ids[..]
        && context.applied.settled.borrow().contains(&id)
    {
        return InstanceReport {
            error: Some(format!(
                "patch {id} is too far back: the last {BACK} saves can be taken back"
            )),
            ..InstanceReport::new(context.handle().0, Status::Rejected)
        };
    }
    if live.is_empty() {
        return report;
    }
    // SAFETY: the VM is open and idle, and this is its thread.
    unsafe {
        let idle = Idle::begin(context);
        let mut back = Back {
            context,
            journal: Journal::default(),
            report: &mut report,
        };
        let outcome = back.all(&live, order.dry);
        if let Err(why) = outcome {
            let refused = why.lines().next().unwrap_or_default().to_owned();
            report = InstanceReport {
                error: Some(refused),
                ..InstanceReport::new(context.handle().0, Status::Rejected)
            };
        } else {
            report.status = Status::Applied;
            compact(context);
        }
        idle.end(context);
    }
    report.micros = began.elapsed().as_micros() as u64;
    report
}

struct Back<'a> {
    context: &'a Context,
    journal: Journal,
    report: &'a mut InstanceReport,
}

impl Back<'_> {
    unsafe fn all(&mut self, ids: &[u64], dry: bool) -> Step {
        let context = self.context;
        for id in ids {
            refuse_built_upon(context, *id, ids)?;
        }
        protected(context, &mut |l| {
            ffi::lua_newtable(l);
            put(l, JOURNAL);
            Ok(())
        })?;
        let undone = ids
            .iter()
            .try_for_each(|id| protected(context, &mut |l| self.one(l, *id, ids)));
        if dry || undone.is_err() {
            protected(context, &mut |l| {
                get(l, JOURNAL);
                self.journal.undo(l, -1);
                Ok(())
            })?;
            return undone;
        }
        if !dry {
            self.unload(ids);
            for id in ids {
                protected(context, &mut |l| {
                    forget(l, context, *id);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Runs what the patches wanted to have done when they go.
    unsafe fn unload(&mut self, ids: &[u64]) {
        let context = self.context;
        for id in ids.iter().filter(|id| hooks::unloads(context, **id) > 0) {
            let (mut threads, mut seen) = (Vec::new(), Seen::default());
            let found = protected(context, &mut |l| {
                record::threads(l, scope(context), &mut seen, &mut threads);
                Ok(())
            });
            if found.is_err() {
                continue;
            }
            *context.trial.borrow_mut() = Some(Trial {
                deadline: Some(Instant::now() + context.host.config.time_limit),
                ..Trial::default()
            });
            self.report.warnings.extend(hooks::unload(context, &threads, *id));
            let trial = context.trial.take().unwrap_or_default();
            context.memory.discharge(trial.withheld);
            self.report.output.push_str(&String::from_utf8_lossy(&trial.output));
            super::attempt::let_go(context, trial);
        }
    }

    unsafe fn one(&mut self, l: *mut lua_State, id: u64, going: &[u64]) -> Step {
        let all = self.context.applied.undo.borrow();
        let Some(undo) = all.get(&id) else { return Ok(()) };
        for (_, later) in all.iter().filter(|(later, _)| **later > id && !going.contains(later)) {
            refuse_put_aside(l, self.context, undo, later)?;
        }
        for place in [FOUND, MADE, LIST] {
            ffi::lua_newtable(l);
            put(l, place);
        }
        for place in [FOUND, MADE, JOURNAL, LIST] {
            get(l, place);
        }
        let tables = Tables {
            found: 1,
            made: 2,
            journal: 3,
        };
        values::slot(l, Slot::Undo);
        ffi::lua_rawgeti(l, -1, id as i64);
        ffi::lua_replace(l, -2);
        let mut exchange = Exchange {
            groups: undo.groups.iter().map(restore::turned).collect(),
            ..Exchange::default()
        };
        restore::restore_closures(l, self.context, &mut exchange, undo)?;
        for revised in &undo.revisions {
            restore::restore_version(l, self.context, &mut exchange, revised)?;
        }
        exchange.look(l, self.context, tables);
        hazards::refuse_traversed(l, &exchange, tables)?;
        // Where everything before it goes, too, the file's own text is what they come to.
        if all.keys().any(|other| *other < id && !going.contains(other)) {
            restore::refuse_younger(&exchange, undo)?;
        }
        Maker::new(self.context, &mut exchange, tables).make_all(l)?;
        let written = Written {
            changes: &[],
            list: 4,
            before: None,
        };
        exchange.write(l, tables, &mut self.journal, &written);
        let added = self.places(l, undo);
        self.literals(l, undo);
        self.tell(&exchange, undo, added);
        Ok(())
    }

    /// Puts single places back that still hold what the patch put there; how many.
    unsafe fn places(&mut self, l: *mut lua_State, undo: &Undo) -> u32 {
        let mut restored = 0;
        for written in &undo.spots {
            ffi::lua_settop(l, 5);
            for offset in 0..4 {
                record::push_noted(l, 5, written.at + offset);
            }
            let (holder, key, before, now) = (6, 7, 8, 9);
            match written.place {
                Place::Cell { upvalue } => drop(ffi::lua_getupvalue(l, holder, upvalue)),
                _ => {
                    ffi::lua_pushvalue(l, key);
                    ffi::lua_rawget(l, holder);
                }
            }
            if ffi::lua_rawequal(l, -1, now) == 0 {
                continue;
            }
            match written.place {
                Place::Cell { upvalue } => self.journal.set_cell(l, 3, holder, upvalue, before),
                _ => self.journal.set_field(l, 3, holder, key, before),
            }
            restored += 1;
        }
        ffi::lua_settop(l, 5);
        restored
    }

    /// Gives literals back that nobody has touched since.
    unsafe fn literals(&mut self, l: *mut lua_State, undo: &Undo) {
        for (activation, cell, literal) in &undo.literals {
            ffi::lua_settop(l, 5);
            variables::push_keeper(l, *activation, *cell);
            ffi::lua_getupvalue(l, 6, cell.upvalue);
            let untouched = push_literal(l, &literal.now)
                && ffi::lua_rawequal(l, -1, -2) != 0
                && ffi::lua_isinteger(l, -1) == ffi::lua_isinteger(l, -2);
            if untouched && push_literal(l, &literal.before) {
                let value = ffi::lua_gettop(l);
                self.journal.set_cell(l, 3, 6, cell.upvalue, value);
                self.report.values += 1;
                self.report.notes.push(format!(
                    "local `{}`: {} is {} again",
                    literal.name, literal.now, literal.before
                ));
            } else {
                self.report.notes.push(format!(
                    "local `{}` keeps its value: it was changed since",
                    literal.name
                ));
            }
        }
        ffi::lua_settop(l, 5);
    }

    fn tell(&mut self, exchange: &Exchange, undo: &Undo, restored: u32) {
        let told = exchange
            .groups
            .iter()
            .filter(|group| group.closures > 0 || group.before.is_none());
        self.report.functions.extend(told.map(|group| FunctionChange {
            name: group.name.clone(),
            holders: group.holders,
            old: group.before.clone(),
            new: group.now.clone(),
        }));
        self.report.values += restored;
        if undo.data > 0 {
            let what = count(undo.data as usize, "value");
            self.report.notes.push(format!(
                "patch {} had set {what} besides functions; data is not taken back",
                undo.patch.id
            ));
        }
    }
}

/// Refuses if a later patch, which stays, has built on this one: it replaced a function that this one had put there.
fn refuse_built_upon(context: &Context, id: u64, going: &[u64]) -> Step {
    let all = context.applied.undo.borrow();
    let Some(undo) = all.get(&id) else { return Ok(()) };
    let own: Vec<Origin> = undo.groups.iter().map(|group| group.new).collect();
    let versions: Vec<usize> = undo.revisions.iter().map(|revised| revised.revision).collect();
    for (_, other) in all.iter().filter(|(later, _)| **later > id && !going.contains(later)) {
        let built = other.groups.iter().find(|group| {
            group.closures + group.holders > 0
                && group
                    .old
                    .is_some_and(|old| own.contains(&old) || versions.contains(&old.file))
        });
        let name = built.map(|group| group.name.clone());
        let version = other
            .revisions
            .iter()
            .any(|revised| versions.contains(&revised.old_version));
        if name.is_some() || version {
            let what = name.map_or("it replaced the same file".to_owned(), |name| {
                format!("it replaced `{name}`")
            });
            return Err(built_upon(undo, other, &what));
        }
    }
    Ok(())
}

/// Refuses if a later patch has put a function of this one aside, which its own rollback would bring back: `M.f = nil`, say.
unsafe fn refuse_put_aside(l: *mut lua_State, context: &Context, undo: &Undo, later: &Undo) -> Step {
    values::slot(l, Slot::Undo);
    ffi::lua_rawgeti(l, -1, later.patch.id as i64);
    let list = ffi::lua_gettop(l);
    for spot in &later.spots {
        record::push_noted(l, list, spot.at + 2);
        let origin = context.files.borrow_mut().origin(l, -1);
        ffi::lua_pop(l, 1);
        let group = undo.groups.iter().find(|group| Some(group.new) == origin);
        if let Some(group) = group {
            return Err(built_upon(undo, later, &format!("it replaced `{}`", group.name)));
        }
    }
    ffi::lua_settop(l, list - 2);
    Ok(())
}

fn built_upon(undo: &Undo, later: &Undo, what: &str) -> String {
    let (patch, later) = (&undo.patch, &later.patch);
    format!(
        "patch {} ({}) has built upon patch {} ({}): {what}; roll that one back first",
        later.id, later.name, patch.id, patch.name
    )
}

/// The patch is gone: nothing stands for anything because of it any more.
unsafe fn forget(l: *mut lua_State, context: &Context, id: u64) {
    let Some(undo) = context.applied.undo.borrow_mut().remove(&id) else {
        return;
    };
    let mut files = context.files.borrow_mut();
    files.restore(&undo.outdated);
    for group in &undo.groups {
        if files.activation(group.new.file).is_none() {
            files.stand_down(group.new.file);
        }
    }
    for revised in &undo.revisions {
        files.withdraw(revised.activation, revised.revision);
        for (was, logical, now) in &revised.unchanged {
            files.stand_back(*was, *logical);
            // Later patches of single functions stand for what is the same in the version that stays.
            files.stand_elsewhere(*now, *logical);
        }
    }
    drop(files);
    let unchanged = undo.revisions.iter().flat_map(|revised| &revised.unchanged);
    let moves: Vec<(Origin, Origin)> = unchanged.map(|(was, logical, _)| (*was, *logical)).collect();
    // What cannot be read was compared before.
    let _ = lines::move_lines(l, context, &moves);
    values::slot(l, Slot::Undo);
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -2, id as i64);
    ffi::lua_pop(l, 1);
    hooks::drop_unload(l, context, id);
    in_flight::forget(context, id);
    if let Some(locked) = undo.locked {
        context.applied.locked.set(locked);
    }
    context.applied.live.borrow_mut().retain(|patch| patch.id != id);
    context.tell_live();
}
