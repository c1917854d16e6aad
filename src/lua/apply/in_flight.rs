//! Coroutines in the middle of an old body finish it. What they still make of the old code is exchanged when they are through.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};
use rustc_hash::FxHashSet;

use super::exchange::{Exchange, Tables, Written};
use super::joins::Maker;
use super::step::{Idle, protected};
use super::{FOUND, JOURNAL, LIST, MADE, Step, Work, get, put};
use crate::lua::applied::{Code, Swap, Watch};
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::heap::stacks;
use crate::lua::layout::Proto;
use crate::lua::switch::Journal;
use crate::lua::values::{self, Slot};
use crate::patch::report::count;

/// After a patch: remembers who is in the middle of what, if that can still make closures of the old code.
///
/// # Safety
/// `l` is the main thread inside a protected call; the exchange is done.
pub(super) unsafe fn watch(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let exchange = &work.exchange;
    if exchange.swaps.is_empty() || exchange.survey.frames.is_empty() {
        return Ok(());
    }
    get(l, FOUND);
    let found = ffi::lua_gettop(l);
    values::slot(l, Slot::InFlight);
    let list = ffi::lua_gettop(l);
    let mut frames = Vec::new();
    for frame in &exchange.survey.frames {
        let proto = exchange.survey.closures[frame.closure].proto;
        let is_earlier = proto.is_some_and(|proto| exchange.old_bodies.contains_key(&proto));
        if exchange.group_of(frame.closure).is_none() && !is_earlier {
            continue;
        }
        let place = work.context.applied.in_flight_length.get() + 1;
        ffi::lua_rawgeti(l, found, frame.thread);
        ffi::lua_rawseti(l, list, place);
        ffi::lua_rawgeti(l, found, exchange.survey.closures[frame.closure].place);
        ffi::lua_rawseti(l, list, place + 1);
        work.context.applied.in_flight_length.set(place + 1);
        frames.push(place);
    }
    let undo = work.context.applied.undo.borrow();
    let kept = undo.get(&work.patch.id).map(|undo| &undo.kept);
    let swaps = exchange.swaps.iter().map(|swap| Swap {
        outer: kept.and_then(|kept| kept.get(&swap.outer)).copied().unwrap_or(0),
        ..swap.clone()
    });
    // What an earlier patch would have put in the place of theirs is outdated, too.
    for earlier in work.context.applied.in_flight.borrow_mut().iter_mut() {
        let both = earlier
            .by_proto
            .keys()
            .filter(|proto| exchange.by_proto.contains_key(proto));
        let both: FxHashSet<Proto> = both.copied().collect();
        if !both.is_empty() {
            earlier.shadows.push((work.patch.id, both));
        }
    }
    if !frames.is_empty() {
        let swaps = swaps.collect();
        let watch = Watch {
            patch: work.patch.id,
            by_proto: exchange.by_proto.clone(),
            swaps,
            shadows: Vec::new(),
            frames,
        };
        work.context.applied.in_flight.borrow_mut().push(watch);
    }
    Ok(())
}

/// Between two messages: exchanges what old bodies have made since, if one of them is through.
pub fn sweep(context: &Context) {
    if context.applied.in_flight.borrow().is_empty() {
        return;
    }
    let mut watches = std::mem::take(&mut *context.applied.in_flight.borrow_mut());
    watches.retain_mut(|watch| {
        let before = watch.frames.len();
        // SAFETY: the VM is open and idle, and this is its thread.
        unsafe {
            watch.frames.retain(|place| is_in_it(context, *place));
            if watch.frames.len() < before {
                exchange_again(context, watch);
            }
        }
        !watch.frames.is_empty()
    });
    context.applied.in_flight.borrow_mut().append(&mut watches);
    if context.applied.in_flight.borrow().is_empty() {
        context.applied.in_flight_length.set(0);
    }
}

/// A patch was rolled back: what its old bodies make is what runs, or what an earlier patch puts in its place.
pub fn forget(context: &Context, patch: u64) {
    let mut watches = context.applied.in_flight.borrow_mut();
    watches.retain(|watch| watch.patch != patch);
    for watch in watches.iter_mut() {
        watch.shadows.retain(|(later, _)| *later != patch);
    }
}

/// These patches cannot be rolled back any more: what earlier ones would put in the places of theirs is outdated for good.
pub fn settle(context: &Context, patches: &[u64]) {
    for watch in context.applied.in_flight.borrow_mut().iter_mut() {
        let is_settled = |(later, _): &mut (u64, FxHashSet<Proto>)| patches.contains(later);
        for (_, protos) in watch.shadows.extract_if(.., is_settled) {
            watch.by_proto.retain(|proto, _| !protos.contains(proto));
        }
    }
}

/// Whether a coroutine is still in the middle of an old function. (Collected coroutines are not: the list is weak.)
unsafe fn is_in_it(context: &Context, place: i64) -> bool {
    let l = context.main.get();
    let top = ffi::lua_gettop(l);
    values::slot(l, Slot::InFlight);
    ffi::lua_rawgeti(l, -1, place);
    let thread = ffi::lua_tothread(l, -1);
    let mut inside = false;
    if !thread.is_null() && ffi::lua_status(thread) == ffi::LUA_YIELD {
        // Deeper or less deep than it was: any frame of the function counts.
        let mut depth = 0;
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        while !inside && ffi::lua_getstack(thread, depth, &mut ar) != 0 {
            ffi::lua_rawgeti(l, top + 1, place + 1);
            inside = stacks::line_in(l, thread, depth).is_some();
            depth += 1;
        }
    }
    ffi::lua_settop(l, top);
    inside
}

unsafe fn exchange_again(context: &Context, watch: &Watch) {
    let mut exchange = exchange_of(context, watch);
    let mut journal = Journal::default();
    let idle = Idle::begin(context);
    let outcome = protected(context, &mut |l| {
        carry_on(l, context, watch, &mut exchange, &mut journal)
    });
    idle.end(context);
    let held = exchange.groups.iter().filter(|group| group.holders > 0);
    let made: u32 = held.map(|group| group.closures).sum();
    let (handle, patch) = (context.handle().0, watch.patch);
    match outcome {
        Ok(()) if made > 0 => {
            let what = count(made as usize, "function");
            tracing::info!(
                handle,
                "[hotfix] patch {patch}: {what} that an old body had made since exchanged, too"
            );
        }
        Ok(()) => {}
        Err(why) => {
            tracing::warn!(
                handle,
                "[hotfix] patch {patch}: what an old body has made since stays as it is: {why}"
            );
        }
    }
}

/// What is to be exchanged when an old body is through.
fn exchange_of(context: &Context, watch: &Watch) -> Exchange {
    let is_outdated = |proto: &Proto| watch.shadows.iter().any(|(_, protos)| protos.contains(proto));
    let current = watch.by_proto.iter().filter(|(proto, _)| !is_outdated(proto));
    let mut exchange = Exchange {
        by_proto: current.map(|(proto, swap)| (*proto, *swap)).collect(),
        ..Exchange::default()
    };
    let files = context.files.borrow();
    let origin = |code: &Code| Origin {
        file: code.file,
        function: code.function.checked_sub(code.chunk.frame.text_base() + 1),
    };
    for swap in &watch.swaps {
        let (was, now) = (origin(&swap.old), origin(&swap.new));
        let name = files.function(now).map_or("function", |function| &function.path);
        // Every swap has its text: it was made of it.
        let group = exchange.group(&files, name, Some(was), now).unwrap_or_default();
        exchange.swaps.push(Swap { group, ..swap.clone() });
    }
    exchange
}

unsafe fn carry_on(
    l: *mut lua_State,
    context: &Context,
    watch: &Watch,
    exchange: &mut Exchange,
    journal: &mut Journal,
) -> Step {
    for place in [FOUND, MADE, JOURNAL, LIST] {
        ffi::lua_newtable(l);
        put(l, place);
        get(l, place);
    }
    let tables = Tables {
        found: 1,
        made: 2,
        journal: 3,
    };
    // What is around the old bodies' functions keeps its number.
    values::slot(l, Slot::Undo);
    if ffi::lua_rawgeti(l, -1, watch.patch as i64) == ffi::LUA_TTABLE {
        for swap in watch.swaps.iter().filter(|swap| swap.outer != 0) {
            ffi::lua_rawgeti(l, -1, swap.outer);
            ffi::lua_rawseti(l, tables.made, swap.outer);
            exchange.length = exchange.length.max(swap.outer);
        }
    }
    ffi::lua_settop(l, 4);
    exchange.look(l, context, tables);
    Maker::new(context, exchange, tables).make_all(l)?;
    let written = Written {
        changes: &[],
        list: 4,
        before: None,
    };
    exchange.write(l, tables, journal, &written);
    Ok(())
}
