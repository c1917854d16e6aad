//! After a patch has been applied: keeping what is needed to take it back.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::{HashMap, HashSet};

use mlua::ffi::{self, lua_State};

use super::{FOUND, LIST, MADE, Step, Work, get, hooks, in_flight};
use crate::lua::applied::{Replaced, Revised, Spot, Undo};
use crate::lua::changes::{Change, HOLDER, KEY, NOW, Place};
use crate::lua::heap::record;
use crate::lua::values::{self, Slot};

/// Stack indices of what is kept from, and of the list that it is kept in.
const FOUND_AT: i32 = 1;
const MADE_AT: i32 = 2;
const LIST_AT: i32 = 3;
const KEPT_AT: i32 = 4;

/// Keeps what is needed to take the patch back, and watches who is in the middle of old bodies.
pub(super) unsafe fn remember(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    for place in [FOUND, MADE, LIST] {
        get(l, place);
    }
    ffi::lua_newtable(l);
    let mut keeper = Keeper::default();
    keeper.closures(l, work);
    for change in work.changes.all.clone() {
        keeper.change(l, work, change);
    }
    let functions = keeper.spots.len() as u32 + work.literals.len() as u32;
    let undo = Undo {
        patch: work.patch.clone(),
        groups: work.exchange.groups.clone(),
        replaced: keeper.replaced,
        kept: keeper.kept,
        spots: keeper.spots,
        literals: work.literals.clone(),
        data: work.report.values.saturating_sub(functions),
        locked: (work.locked != work.context.applied.locked.get()).then_some(work.locked),
        outdated: work.outdated.clone(),
        revisions: work.revisions.iter().map(|revising| revised(work, revising)).collect(),
    };
    values::slot(l, Slot::Undo);
    ffi::lua_pushvalue(l, KEPT_AT);
    ffi::lua_rawseti(l, -2, work.patch.id as i64);
    ffi::lua_settop(l, 0);
    work.context.applied.undo.borrow_mut().insert(work.patch.id, undo);
    hooks::keep_unload(l, work);
    in_flight::watch(l, work)
}

/// Fills the patch's list.
#[derive(Default)]
struct Keeper {
    length: i64,
    replaced: Vec<Replaced>,
    kept: HashMap<i64, i64>,
    spots: Vec<Spot>,
    /// Old closures that are in the list, by address.
    done: HashSet<usize>,
}

impl Keeper {
    /// Takes the value on top; its place.
    unsafe fn keep(&mut self, l: *mut lua_State) -> i64 {
        self.length += 1;
        ffi::lua_rawseti(l, KEPT_AT, self.length);
        self.length
    }

    /// Every closure that was replaced and was held, with the new one.
    unsafe fn closures(&mut self, l: *mut lua_State, work: &Work<'_>) {
        let exchange = &work.exchange;
        for (closure, new) in exchange.made.iter().enumerate().filter(|(_, new)| **new != 0) {
            let (Some(group), found) = (exchange.group_of(closure), exchange.survey.closures[closure]) else {
                continue;
            };
            ffi::lua_rawgeti(l, FOUND_AT, found.place);
            self.pair(l, group, *new, exchange.direct.contains_key(&found.address));
            self.done.insert(found.address);
        }
    }

    /// Takes the old closure on top.
    unsafe fn pair(&mut self, l: *mut lua_State, group: usize, made: i64, direct: bool) {
        let old = self.keep(l);
        ffi::lua_rawgeti(l, MADE_AT, made);
        let new = self.keep(l);
        self.kept.insert(made, new);
        self.replaced.push(Replaced {
            group,
            old,
            new,
            direct,
        });
    }

    /// What the patch itself has written: functions, and what was not there.
    unsafe fn change(&mut self, l: *mut lua_State, work: &Work<'_>, change: Change) {
        let seen = Seen::at(l, LIST_AT, change.values);
        let was_function = seen.before == ffi::LUA_TFUNCTION;
        let direct = work.exchange.direct.get(&seen.address).filter(|_| was_function);
        if let Some(direct) = direct.filter(|_| self.done.insert(seen.address)) {
            // Nothing but what the patch itself wrote held it.
            record::push_noted(l, LIST_AT, change.values);
            self.pair(l, direct.group, direct.new, true);
        }
        let put_aside = was_function && direct.is_none();
        if (seen.is_added() || put_aside) && matches!(change.place, Place::Field | Place::Cell { .. }) {
            let at = self.length + 1;
            for offset in [HOLDER, KEY, 0, NOW] {
                ffi::lua_rawgeti(l, LIST_AT, change.values + offset);
                self.keep(l);
            }
            self.spots.push(Spot {
                place: change.place,
                at,
            });
        }
    }
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
