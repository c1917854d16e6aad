//! Functions exchanged everywhere: which closures are replaced by which, who holds them, and the writing of it.
//!
//! Three steps: what is to be exchanged is gathered (here), everything that holds it is found in one walk, and then, when nothing stands
//! against it, each holder is written. Nothing of the program runs in between.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::lua::applied::{Group, Swap};
use crate::lua::changes::{Change, HOLDER, KEY, Place};
use crate::lua::context::Context;
use crate::lua::files::{Files, Origin};
use crate::lua::heap::Scope;
use crate::lua::heap::record::Snapshot;
use crate::lua::heap::survey::{self, Site, SiteSlot, Survey, Wanted};
use crate::lua::layout::Proto;
use crate::lua::switch::{Journal, Lists};
use crate::lua::values::Slot;

/// Tables that are ours while patches are applied: the walk passes them over.
const OWN: &[Slot] = &[Slot::Mains, Slot::Work, Slot::Joins, Slot::Undo, Slot::InFlight];

/// What a walk over a service's heap has to know.
pub fn scope(context: &Context) -> Scope<'static> {
    Scope {
        own: OWN,
        in_memory: context.host.in_memory.get().copied().flatten(),
    }
}

/// One closure that takes another's place.
#[derive(Clone, Copy, Debug)]
pub struct Direct {
    /// Number of its group.
    pub group: usize,
    /// Place of the new function in the list of what was made; 0 while it is only foreseen.
    pub new: i64,
}

/// What is exchanged, and where it was found.
#[derive(Default)]
pub struct Exchange {
    /// What people are told.
    pub groups: Vec<Group>,
    /// Closures that take the place of others, by the address of the old one.
    pub direct: FxHashMap<usize, Direct>,
    /// Prototypes that take the place of others.
    pub swaps: Vec<Swap>,
    /// Numbers in `swaps`, by old prototype.
    pub by_proto: FxHashMap<Proto, usize>,
    /// Prototypes whose closures are looked at, since they may have variables that others need.
    pub witnesses: FxHashSet<Proto>,
    /// Functions that were in the places of others before: old bodies may be in the middle of them.
    pub old_bodies: FxHashMap<Proto, Origin>,
    /// How many closures of a prototype are replaced on their own.
    pub replaced_alone: FxHashMap<Proto, u32>,
    /// Numbers of groups whose closures stay, since it cannot be told which function made which of them.
    pub left: FxHashSet<usize>,
    /// Functions that are gone from the new text: their names.
    pub removed: Vec<String>,
    /// Numbers in `removed`, by prototype.
    pub removed_protos: FxHashMap<Proto, usize>,
    /// Prototypes of functions that could be several of the new text, and their names.
    pub doubtful: FxHashMap<Proto, String>,
    /// Functions that are the same in the old text and the new.
    pub alike: Vec<(Origin, Origin)>,
    /// Prototypes of functions that newer ones have replaced already; hardly ever one is alive still.
    pub earlier: FxHashSet<Proto>,
    /// Who holds what.
    pub survey: Survey,
    /// The new closure (a place in the list of what was made) for each closure of the survey; 0: it stays.
    pub made: Vec<i64>,
    /// Length of the list of what was made.
    pub length: i64,
}

/// Stack indices of the lists that an exchange works with.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// What the survey found.
    pub found: c_int,
    /// New closures.
    pub made: c_int,
    /// The journal's list.
    pub journal: c_int,
}

impl Exchange {
    /// Whether there is nothing to exchange.
    pub fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.swaps.is_empty()
    }

    /// Finds everything that is to be exchanged and whoever holds it.
    ///
    /// # Safety
    /// `l` is the main thread inside a protected call; the collector is stopped.
    pub unsafe fn look(&mut self, l: *mut lua_State, context: &Context, tables: Tables) {
        let wanted = Wanted {
            functions: self.direct.keys().copied().collect(),
            protos: self
                .by_proto
                .keys()
                .copied()
                .chain(self.witnesses.iter().copied())
                .chain(self.old_bodies.keys().copied())
                .chain(self.earlier.iter().copied())
                .collect(),
        };
        survey::find(l, tables.found, scope(context), &wanted, &mut self.survey);
    }

    /// The group that a closure of the survey belongs to; `None` if it stays.
    pub fn group_of(&self, closure: usize) -> Option<usize> {
        let found = self.survey.closures.get(closure)?;
        match self.direct.get(&found.address) {
            Some(direct) => Some(direct.group),
            None => self.swap_of(closure).map(|swap| swap.group),
        }
    }

    /// Whether it cannot be told which of several closures has made those that a swap is about.
    pub fn is_ambiguous(&self, swap: &Swap) -> bool {
        let alone: u32 = swap
            .makers
            .iter()
            .filter_map(|proto| self.replaced_alone.get(proto))
            .sum();
        let others = self.survey.closures.iter().any(|closure| {
            let of_makers = closure.proto.is_some_and(|proto| swap.makers.contains(&proto));
            of_makers && !self.direct.contains_key(&closure.address)
        });
        alone > 1 || alone > 0 && others
    }

    /// How the closures of this one's prototype are exchanged, unless it is exchanged on its own.
    pub fn swap_of(&self, closure: usize) -> Option<&Swap> {
        let found = self.survey.closures.get(closure)?;
        if self.direct.contains_key(&found.address) {
            return None;
        }
        self.by_proto.get(&found.proto?).map(|swap| &self.swaps[*swap])
    }

    /// Puts the new closures where the old ones are held, except for what the patch itself has written and made.
    ///
    /// # Safety
    /// As [`Exchange::look`]; the new closures are made.
    pub unsafe fn write(&mut self, l: *mut lua_State, tables: Tables, journal: &mut Journal, written: &Written<'_>) {
        let lists = Lists {
            survey: tables.found,
            journal: tables.journal,
        };
        for site in self.survey.sites.clone() {
            let (Some(group), new) = (self.group_of(site.closure), self.made[site.closure]) else {
                continue;
            };
            if new == 0 || written.is_own(l, tables.found, site) {
                continue;
            }
            ffi::lua_rawgeti(l, tables.made, new);
            if journal.switch(l, lists, &self.survey, site, -1) {
                self.groups[group].holders += 1;
            }
            ffi::lua_pop(l, 1);
        }
        for (closure, new) in self.made.clone().into_iter().enumerate() {
            if let (Some(group), true) = (self.group_of(closure), new != 0) {
                self.groups[group].closures += 1;
            }
        }
    }

    /// Counts, in place of [`Exchange::write`], what it would write.
    pub fn count(&mut self) {
        for site in self.survey.sites.clone() {
            if let Some(group) = self.group_of(site.closure) {
                self.groups[group].holders += 1;
            }
        }
        for closure in 0..self.survey.closures.len() {
            if let Some(group) = self.group_of(closure) {
                self.groups[group].closures += 1;
            }
        }
    }

    /// Adds a group, or gives the number of the one that is there for the same old and new code.
    pub fn group(&mut self, files: &Files, name: &str, old: Option<Origin>, new: Origin) -> Option<usize> {
        let known = self
            .groups
            .iter()
            .position(|group| group.old == old && group.new == new && group.name == name);
        if known.is_some() {
            return known;
        }
        self.groups.push(Group {
            name: name.to_owned(),
            old,
            new,
            before: old.and_then(|old| files.text_at(old)),
            now: files.text_at(new)?,
            source: old.and_then(|old| files.source(files.stands_for(old).file)),
            holders: 0,
            closures: 0,
        });
        Some(self.groups.len() - 1)
    }
}

/// What the patch itself has written and made: references in it that the patch took keep the old function.
pub struct Written<'a> {
    /// What it changed.
    pub changes: &'a [Change],
    /// Stack index of the list of changes.
    pub list: c_int,
    /// What was there before it ran, if that was written down; a patch of definitions takes no references.
    pub before: Option<&'a Snapshot>,
}

impl Written<'_> {
    /// Whether a place is the patch's own.
    unsafe fn is_own(&self, l: *mut lua_State, found: c_int, site: Site) -> bool {
        let Some(before) = self.before else { return false };
        let top = ffi::lua_gettop(l);
        ffi::lua_rawgeti(l, found, site.holder);
        let holder = match site.slot {
            SiteSlot::Cell { upvalue } => ffi::lua_upvalueid(l, -1, upvalue) as usize,
            _ => ffi::lua_topointer(l, -1) as usize,
        };
        let own = !before.contains(holder)
            || self
                .changes
                .iter()
                .any(|change| self.is_at(l, top + 1, found, *change, site));
        ffi::lua_settop(l, top);
        own
    }

    /// Whether a change is at this place of the object at stack index `holder`.
    unsafe fn is_at(&self, l: *mut lua_State, holder: c_int, found: c_int, change: Change, site: Site) -> bool {
        let top = ffi::lua_gettop(l);
        let same = match (change.place, site.slot) {
            (Place::Field, SiteSlot::Field { key }) => {
                ffi::lua_rawgeti(l, self.list, change.values + HOLDER);
                ffi::lua_rawgeti(l, found, key);
                ffi::lua_rawgeti(l, self.list, change.values + KEY);
                ffi::lua_rawequal(l, -1, -2) != 0 && ffi::lua_rawequal(l, -3, holder) != 0
            }
            (Place::Cell { upvalue }, SiteSlot::Cell { upvalue: other }) => {
                ffi::lua_rawgeti(l, self.list, change.values + HOLDER);
                ffi::lua_upvalueid(l, -1, upvalue) == ffi::lua_upvalueid(l, holder, other)
            }
            (Place::UserValue(number), SiteSlot::UserValue(other)) => {
                ffi::lua_rawgeti(l, self.list, change.values + HOLDER);
                number == other && ffi::lua_rawequal(l, -1, holder) != 0
            }
            _ => false,
        };
        ffi::lua_settop(l, top);
        same
    }
}
