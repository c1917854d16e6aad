//! Taking patches back: what ran before runs again, wherever it was held; state that came later stays.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use mlua::ffi::{self, lua_State};

use super::exchange::{Direct, Exchange, Tables, Written, scope};
use super::joins::Maker;
use super::slots::push_literal;
use super::step::{Idle, protected};
use super::{FOUND, JOURNAL, LIST, MADE, Step, Work, gather, get, hazards, hooks, in_flight, put};
use crate::lua::applied::{Code, Group, Replaced, Revised, Spot, Swap, Undo};
use crate::lua::changes::{HOLDER, KEY, NOW, Place};
use crate::lua::context::{Context, Trial};
use crate::lua::files::Origin;
use crate::lua::heap::record;
use crate::lua::switch::Journal;
use crate::lua::values::{self, Slot};
use crate::lua::variables;
use crate::patch::compare::compare;
use crate::patch::order::Rollback;
use crate::patch::outcome::{FunctionChange, InstanceReport, Status};
use crate::patch::report::count;

/// After a patch has been applied: keeps what is needed to take it back.
pub(super) unsafe fn remember(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    for place in [FOUND, MADE, LIST] {
        get(l, place);
    }
    let (found, made, list) = (1, 2, 3);
    ffi::lua_newtable(l);
    let mut keeper = Keeper {
        list: ffi::lua_gettop(l),
        length: 0,
    };
    let exchange = &work.exchange;
    let mut replaced = Vec::new();
    let (mut kept, mut done) = (HashMap::new(), HashSet::new());
    for (closure, new) in exchange.made.iter().enumerate().filter(|(_, new)| **new != 0) {
        let Some(group) = exchange.group_of(closure) else {
            continue;
        };
        ffi::lua_rawgeti(l, found, exchange.survey.closures[closure].place);
        let old = keeper.keep(l);
        ffi::lua_rawgeti(l, made, *new);
        let place = keeper.keep(l);
        kept.insert(*new, place);
        let address = exchange.survey.closures[closure].address;
        let direct = exchange.direct.contains_key(&address);
        replaced.push(Replaced {
            group,
            old,
            new: place,
            direct,
        });
        done.insert(address);
    }
    let mut spots = Vec::new();
    for change in &work.changes.all {
        let seen = Seen::at(l, list, change.values);
        let direct = exchange
            .direct
            .get(&seen.address)
            .filter(|_| seen.before == ffi::LUA_TFUNCTION);
        if let Some(direct) = direct.filter(|_| done.insert(seen.address)) {
            // Nothing but what the patch itself wrote held it.
            record::push_noted(l, list, change.values);
            let old = keeper.keep(l);
            ffi::lua_rawgeti(l, made, direct.new);
            let new = keeper.keep(l);
            kept.insert(direct.new, new);
            replaced.push(Replaced {
                group: direct.group,
                old,
                new,
                direct: true,
            });
        }
        let put_aside = seen.before == ffi::LUA_TFUNCTION && direct.is_none();
        if (seen.is_added() || put_aside) && matches!(change.place, Place::Field | Place::Cell { .. }) {
            let at = keeper.length + 1;
            for offset in [HOLDER, KEY, 0, NOW] {
                ffi::lua_rawgeti(l, list, change.values + offset);
                keeper.keep(l);
            }
            spots.push(Spot {
                place: change.place,
                at,
            });
        }
    }
    let functions = spots.len() as u32 + work.literals.len() as u32;
    let undo = Undo {
        patch: work.patch.clone(),
        groups: exchange.groups.clone(),
        replaced,
        kept,
        spots,
        literals: work.literals.clone(),
        data: work.report.values.saturating_sub(functions),
        outdated: work.outdated.clone(),
        revisions: work.revisions.iter().map(|revising| revised(work, revising)).collect(),
    };
    values::slot(l, Slot::Undo);
    ffi::lua_pushvalue(l, keeper.list);
    ffi::lua_rawseti(l, -2, work.patch.id as i64);
    ffi::lua_settop(l, 0);
    work.context.applied.undo.borrow_mut().insert(work.patch.id, undo);
    hooks::keep_unload(l, work);
    in_flight::watch(l, work)
}

/// What a change is about.
struct Seen {
    /// Type and address of the value before.
    before: i32,
    address: usize,
    /// Type of the value now.
    now: i32,
    /// The place is a global.
    is_global: bool,
}

impl Seen {
    unsafe fn at(l: *mut lua_State, list: i32, values: i64) -> Seen {
        let look = |offset| {
            record::push_noted(l, list, values + offset);
            let seen = (ffi::lua_type(l, -1), ffi::lua_topointer(l, -1) as usize);
            ffi::lua_pop(l, 1);
            seen
        };
        let ((before, address), (now, _), (holder, table)) = (look(0), look(NOW), look(HOLDER));
        ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_GLOBALS);
        let is_global = holder == ffi::LUA_TTABLE && table == ffi::lua_topointer(l, -1) as usize;
        ffi::lua_pop(l, 1);
        Seen {
            before,
            address,
            now,
            is_global,
        }
    }

    /// A function or global that was not there.
    fn is_added(&self) -> bool {
        self.before == ffi::LUA_TNIL && (self.now == ffi::LUA_TFUNCTION || self.is_global)
    }
}

fn revised(work: &Work<'_>, revising: &super::revise::Revising) -> Revised {
    let files = work.context.files.borrow();
    let superseding = work.exchange.groups.iter().filter(|group| {
        group.new.file == revising.revision && group.old.is_some_and(|old| files.activation(old.file).is_none())
    });
    Revised {
        activation: revising.activation,
        old_version: revising.old_version,
        revision: revising.revision,
        unchanged: revising.unchanged.clone(),
        superseding: superseding.map(|group| group.new).collect(),
    }
}

struct Keeper {
    list: i32,
    length: i64,
}

impl Keeper {
    /// Takes the value on top; its place.
    unsafe fn keep(&mut self, l: *mut lua_State) -> i64 {
        self.length += 1;
        ffi::lua_rawseti(l, self.list, self.length);
        self.length
    }
}

/// Takes patches back, all of them or none.
pub fn roll_back(context: &Context, order: &Rollback) -> InstanceReport {
    let began = Instant::now();
    let mut report = InstanceReport::new(context.handle().0, Status::Unchanged);
    let live: Vec<u64> = {
        let undo = context.applied.undo.borrow();
        order.ids.iter().copied().filter(|id| undo.contains_key(id)).collect()
    };
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
            .try_for_each(|id| protected(context, &mut |l| self.one(l, *id)));
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
            let mut threads = Vec::new();
            let found = protected(context, &mut |l| {
                record::threads(l, scope(context), &mut threads);
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

    unsafe fn one(&mut self, l: *mut lua_State, id: u64) -> Step {
        let all = self.context.applied.undo.borrow();
        let Some(undo) = all.get(&id) else { return Ok(()) };
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
            groups: undo.groups.iter().map(turned).collect(),
            ..Exchange::default()
        };
        restore_closures(l, self.context, &mut exchange, undo)?;
        for revised in &undo.revisions {
            restore_version(l, self.context, &mut exchange, revised)?;
        }
        exchange.look(l, self.context, tables);
        hazards::refuse_traversed(l, &exchange, tables)?;
        refuse_younger(&exchange, undo)?;
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

/// A group the other way round.
fn turned(group: &Group) -> Group {
    Group {
        before: group.before.as_ref().map(|_| group.now.clone()),
        now: group.before.clone().unwrap_or_else(|| group.now.clone()),
        old: Some(group.new),
        new: group.old.unwrap_or(group.new),
        holders: 0,
        closures: 0,
        ..group.clone()
    }
}

/// Every closure that was replaced takes its place again; behind the exchange's tables is the patch's list.
unsafe fn restore_closures(l: *mut lua_State, context: &Context, exchange: &mut Exchange, undo: &Undo) -> Step {
    for replaced in &undo.replaced {
        ffi::lua_rawgeti(l, 5, replaced.new);
        let address = ffi::lua_topointer(l, -1) as usize;
        ffi::lua_rawgeti(l, 5, replaced.old);
        exchange.length += 1;
        ffi::lua_rawseti(l, 2, exchange.length);
        let outer = exchange.length;
        exchange.direct.insert(
            address,
            Direct {
                group: replaced.group,
                new: outer,
            },
        );
        ffi::lua_settop(l, 5);
        let Group { old, new, .. } = &exchange.groups[replaced.group];
        if let (true, Some(was)) = (replaced.direct, *old) {
            let now = *new;
            gather::nested(l, context, exchange, was, now, outer)?;
        }
    }
    Ok(())
}

/// Closures of a newer version's functions that were made since are made anew of the older version's.
unsafe fn restore_version(l: *mut lua_State, context: &Context, exchange: &mut Exchange, revised: &Revised) -> Step {
    let chunk = |number| context.files.borrow().get(number).map(|file| file.chunk.clone());
    let (Some(new), Some(old)) = (chunk(revised.revision), chunk(revised.old_version)) else {
        return Ok(());
    };
    let (now, was) = (new.side(l)?, old.side(l)?);
    let comparison = compare(now, now.base, was, was.base, &|_, _| false);
    for pair in comparison.pairs.iter().skip(1).filter(|pair| pair.changed) {
        let from = Origin {
            file: revised.revision,
            function: now.function(pair.old),
        };
        let to = Origin {
            file: revised.old_version,
            function: was.function(pair.new),
        };
        let mut files = context.files.borrow_mut();
        let same = files.alike(from);
        let protos = files.protos(l, |origin| same.contains(&origin));
        let known = exchange.groups.iter().position(|group| group.old == Some(from));
        let name = now.path(pair.old);
        let Some(group) = known.or_else(|| exchange.group(&files, name, Some(from), to)) else {
            continue;
        };
        drop(files);
        exchange.swaps.push(Swap {
            group,
            old: Code {
                file: revised.revision,
                chunk: new.clone(),
                function: pair.old,
            },
            version: revised.revision,
            new: Code {
                file: revised.old_version,
                chunk: old.clone(),
                function: pair.new,
            },
            joins: pair.joins.clone().into(),
            activation: Some(revised.activation),
            outer: 0,
            makers: Vec::new(),
        });
        let swap = exchange.swaps.len() - 1;
        exchange
            .by_proto
            .extend(protos.into_iter().map(|(proto, _)| (proto, swap)));
        gather::versions::witness(l, context, exchange, swap);
    }
    Ok(())
}

/// Closures that were made since of a function that had been another patch's cannot be made of that patch's text.
fn refuse_younger(exchange: &Exchange, undo: &Undo) -> Step {
    let superseding: Vec<Origin> = undo
        .revisions
        .iter()
        .flat_map(|revised| revised.superseding.iter().copied())
        .collect();
    for closure in 0..exchange.survey.closures.len() {
        let Some(swap) = exchange.swap_of(closure) else {
            continue;
        };
        let group = &exchange.groups[swap.group];
        if group.old.is_some_and(|origin| superseding.contains(&origin)) {
            return Err(format!(
                "closures of `{}` were made since, and before this patch it was another patch's; they cannot be made of that one's text",
                group.name
            ));
        }
    }
    Ok(())
}

/// Refuses if a later patch, which stays, has built on this one: it replaced a function that this one had put there.
fn refuse_built_upon(context: &Context, id: u64, going: &[u64]) -> Step {
    let all = context.applied.undo.borrow();
    let Some(undo) = all.get(&id) else { return Ok(()) };
    let own: Vec<Origin> = undo.groups.iter().map(|group| group.new).collect();
    let versions: Vec<usize> = undo.revisions.iter().map(|revised| revised.revision).collect();
    for (later, other) in all.iter().filter(|(later, _)| **later > id && !going.contains(later)) {
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
            return Err(format!(
                "patch {later} ({}) has built upon patch {id} ({}): {what}; roll that one back first",
                other.patch.name, undo.patch.name
            ));
        }
    }
    Ok(())
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
        for (was, logical, _) in &revised.unchanged {
            files.stand_back(*was, *logical);
        }
    }
    drop(files);
    values::slot(l, Slot::Undo);
    ffi::lua_pushnil(l);
    ffi::lua_rawseti(l, -2, id as i64);
    ffi::lua_pop(l, 1);
    hooks::drop_unload(l, context, id);
    in_flight::forget(context, id);
    context.applied.live.borrow_mut().retain(|patch| patch.id != id);
}
