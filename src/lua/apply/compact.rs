//! Patches and saves go on for as long as the node runs: what nobody needs any more is let go, so that a service does not grow with each of
//! them. A patch can be taken back while it is live, of the saves the last ones; of what was taken back, failed or is an older save that stays
//! of which something lives.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};
use rustc_hash::{FxHashMap, FxHashSet};

use super::exchange::scope;
use super::in_flight;
use super::step::protected;
use crate::lua::applied::Group;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::heap::survey::{self, Survey, Wanted};
use crate::lua::layout::Proto;
use crate::lua::values::{self, Slot};

/// How many saves can be taken back.
pub const BACK: usize = 20;
/// How many more there may be, and how many texts that may not be needed, before it is looked what can be let go.
const SLACK: usize = 12;

/// Lets go of what is not needed, if that may be much.
///
/// # Safety
/// The VM is open and idle, this is its thread, and the collector is stopped.
pub unsafe fn compact(context: &Context) {
    let done = protected(context, &mut |l| {
        let_go(l, context);
        Ok(())
    });
    if let Err(why) = done {
        tracing::debug!("texts of the past are kept: {why}");
    }
}

unsafe fn let_go(l: *mut lua_State, context: &Context) {
    let saves: Vec<u64> = {
        let undo = context.applied.undo.borrow();
        let saved = undo.values().filter(|undo| undo.patch.is_saved());
        saved.map(|undo| undo.patch.id).collect()
    };
    let mut texts = past(context);
    if saves.len() < BACK + SLACK && texts.len() < context.applied.compact_at.get().max(BACK + SLACK) {
        return;
    }
    if saves.len() >= BACK + SLACK {
        settle(l, context, &saves[..saves.len() - BACK]);
        texts = past(context);
    }
    let before = texts.len();
    needed(context, |text| {
        texts.remove(&text);
    });
    let protos: FxHashSet<Proto> = {
        let mut files = context.files.borrow_mut();
        files
            .protos(l, |origin| texts.contains(&origin.file))
            .into_iter()
            .collect()
    };
    for proto in living(l, context, protos) {
        if let Some(text) = context.files.borrow().text_of_proto(proto) {
            texts.remove(&text);
        }
    }
    unwatch(context, &mut texts);
    context.files.borrow_mut().forget(l, &texts);
    context.applied.compact_at.set(before - texts.len() + SLACK);
    for undo in context.applied.undo.borrow_mut().values_mut() {
        undo.outdated.retain(|(old, now)| {
            let is_gone = |origin: &Origin| texts.contains(&origin.file);
            !is_gone(old) && !now.as_ref().is_some_and(is_gone)
        });
    }
    context
        .applied
        .variables
        .borrow_mut()
        .retain(|version, _| !texts.contains(version));
}

/// Texts that may not be needed.
fn past(context: &Context) -> FxHashSet<usize> {
    let undo = context.applied.undo.borrow();
    context.files.borrow().past(|patch| undo.contains_key(&patch))
}

/// These saves cannot be taken back any more.
unsafe fn settle(l: *mut lua_State, context: &Context, saves: &[u64]) {
    let applied = &context.applied;
    values::slot(l, Slot::Undo);
    for id in saves {
        applied.undo.borrow_mut().remove(id);
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, -2, *id as i64);
    }
    ffi::lua_pop(l, 1);
    in_flight::settle(context, saves);
    applied.live.borrow_mut().retain(|patch| !saves.contains(&patch.id));
    applied.settled.borrow_mut().extend(saves);
}

/// The texts that what is kept for undoing mentions.
fn needed(context: &Context, mut needs: impl FnMut(usize)) {
    for undo in context.applied.undo.borrow().values() {
        for revised in &undo.revisions {
            needs(revised.old_version);
            needs(revised.revision);
            let unchanged = revised
                .unchanged
                .iter()
                .flat_map(|(was, logical, now)| [was, logical, now]);
            unchanged
                .chain(&revised.superseding)
                .for_each(|origin| needs(origin.file));
        }
        // Of functions that were looked for and not found nothing is put back.
        let was_found = |group: &&Group| group.closures + group.holders > 0;
        for group in undo.groups.iter().filter(was_found) {
            needs(group.new.file);
            group.old.iter().for_each(|old| needs(old.file));
        }
    }
}

/// What suspended old bodies cannot make any more, because nothing of its text lives, is not watched for; what they can make stays.
fn unwatch(context: &Context, texts: &mut FxHashSet<usize>) {
    let mut watches = context.applied.in_flight.borrow_mut();
    for watch in watches.iter_mut() {
        let files = context.files.borrow();
        let is_dead = |proto: &Proto| files.text_of_proto(*proto).is_none_or(|text| texts.contains(&text));
        watch.by_proto.retain(|proto, _| !is_dead(proto));
        let all = std::mem::take(&mut watch.swaps);
        let mut numbers: FxHashMap<usize, usize> = FxHashMap::default();
        for swap in watch.by_proto.values_mut() {
            let number = numbers.len();
            *swap = *numbers.entry(*swap).or_insert(number);
        }
        let mut kept: Vec<(usize, usize)> = numbers.into_iter().map(|(was, now)| (now, was)).collect();
        kept.sort_unstable();
        watch.swaps = kept.into_iter().map(|(_, was)| all[was].clone()).collect();
    }
    watches.retain(|watch| !watch.by_proto.is_empty());
    for swap in watches.iter().flat_map(|watch| &watch.swaps) {
        for text in [swap.old.file, swap.new.file, swap.version] {
            texts.remove(&text);
        }
    }
}

/// Those prototypes of which the service has a function still.
unsafe fn living(l: *mut lua_State, context: &Context, protos: FxHashSet<Proto>) -> FxHashSet<Proto> {
    if protos.is_empty() {
        return protos;
    }
    let wanted = Wanted {
        protos,
        ..Wanted::default()
    };
    let mut found = Survey::default();
    ffi::lua_newtable(l);
    let list = ffi::lua_gettop(l);
    survey::find(l, list, scope(context), &wanted, &mut found);
    ffi::lua_settop(l, list - 1);
    found.closures.iter().filter_map(|closure| closure.proto).collect()
}
