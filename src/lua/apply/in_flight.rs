//! Coroutines in the middle of an old body finish it. What they still make of the old code is exchanged when they are through.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};
use rustc_hash::FxHashMap;

use super::exchange::{Exchange, Swap, Tables, Written};
use super::joins::Maker;
use super::step::{Idle, protected};
use super::{FOUND, JOURNAL, LIST, MADE, Step, Work, get, put};
use crate::lua::changes::Changes;
use crate::lua::context::Context;
use crate::lua::heap::stacks;
use crate::lua::layout::Proto;
use crate::lua::switch::Journal;
use crate::lua::values::{self, Slot};

/// Coroutines that were in old bodies when a patch was applied.
pub struct Watch {
    /// The patch.
    patch: u64,
    /// How closures of the old code are exchanged.
    swaps: Vec<Swap>,
    by_proto: FxHashMap<Proto, usize>,
    /// Places in the list of [`Slot::InFlight`]: of a coroutine and the function, and the frame.
    frames: Vec<(i64, i32)>,
}

/// After a patch: remembers who is in the middle of what, if that can still make closures of the old code.
///
/// # Safety
/// `l` is the main thread inside a protected call; the exchange is done.
pub unsafe fn watch(l: *mut lua_State, work: &mut Work<'_>) -> Step {
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
        if exchange.group_of(frame.closure).is_none() {
            continue;
        }
        let place = work.context.in_flight_length.get() + 1;
        ffi::lua_rawgeti(l, found, frame.thread);
        ffi::lua_rawseti(l, list, place);
        ffi::lua_rawgeti(l, found, exchange.survey.closures[frame.closure].place);
        ffi::lua_rawseti(l, list, place + 1);
        work.context.in_flight_length.set(place + 1);
        frames.push((place, frame.level));
    }
    // The places of what was made are gone with the application: nested closures find what is around them no more.
    let swaps: Vec<Swap> = exchange.swaps.iter().filter(|swap| swap.outer == 0).cloned().collect();
    if !frames.is_empty() && !swaps.is_empty() {
        let numbers = exchange.by_proto.iter().filter_map(|(proto, number)| {
            let kept = exchange.swaps[..*number].iter().filter(|swap| swap.outer == 0).count();
            (exchange.swaps[*number].outer == 0).then_some((*proto, kept))
        });
        let watch = Watch { patch: work.patch.id, by_proto: numbers.collect(), swaps, frames };
        work.context.in_flight.borrow_mut().push(watch);
    }
    Ok(())
}

/// Between two messages: exchanges what old bodies have made since, if one of them is through.
pub fn sweep(context: &Context) {
    if context.in_flight.borrow().is_empty() {
        return;
    }
    let mut watches = std::mem::take(&mut *context.in_flight.borrow_mut());
    watches.retain_mut(|watch| {
        let before = watch.frames.len();
        // SAFETY: the VM is open and idle, and this is its thread.
        unsafe {
            watch.frames.retain(|(place, level)| is_in_it(context, *place, *level));
            if watch.frames.len() < before {
                exchange_again(context, watch);
            }
        }
        !watch.frames.is_empty()
    });
    context.in_flight.borrow_mut().append(&mut watches);
    if context.in_flight.borrow().is_empty() {
        context.in_flight_length.set(0);
    }
}

/// A patch was rolled back: what its old bodies make is what runs.
pub fn forget(context: &Context, patch: u64) {
    context.in_flight.borrow_mut().retain(|watch| watch.patch != patch);
}

/// Whether a coroutine is still in the middle of an old function. (Collected coroutines are not: the list is weak.)
unsafe fn is_in_it(context: &Context, place: i64, level: i32) -> bool {
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
        let _ = level;
    }
    ffi::lua_settop(l, top);
    inside
}

unsafe fn exchange_again(context: &Context, watch: &Watch) {
    let idle = Idle::begin(context);
    let mut exchange = Exchange { swaps: watch.swaps.clone(), by_proto: watch.by_proto.clone(), ..Exchange::default() };
    exchange.groups = watch.swaps.iter().map(|_| super::exchange::Group::unnamed()).collect();
    for (number, swap) in exchange.swaps.iter_mut().enumerate() {
        swap.group = number;
    }
    let mut journal = Journal::default();
    let outcome = protected(context, &mut |l| {
        for place in [FOUND, MADE, JOURNAL, LIST] {
            ffi::lua_newtable(l);
            put(l, place);
            get(l, place);
        }
        let tables = Tables { found: 1, made: 2, journal: 3 };
        exchange.look(l, context, tables);
        Maker::new(context, &mut exchange, tables).make_all(l)?;
        let changes = Changes::default();
        let written = Written { changes: &changes.all, list: 4, before: None };
        exchange.write(l, tables, &mut journal, &written);
        Ok(())
    });
    let made: u32 = exchange.groups.iter().map(|group| group.closures).sum();
    idle.end(context);
    match outcome {
        Ok(()) if made > 0 => tracing::info!(
            handle = context.handle().0,
            "[hotfix] patch {}: {made} function(s) that an old body had made since are exchanged, too",
            watch.patch
        ),
        Ok(()) => {}
        Err(why) => tracing::warn!(
            handle = context.handle().0,
            "[hotfix] patch {}: what an old body has made since stays as it is: {why}",
            watch.patch
        ),
    }
}
