//! Coroutines in the middle of an old body finish it. What they still make of the old code is exchanged when they are through.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::BTreeSet;

use mlua::ffi::{self, lua_State};

use super::exchange::{Exchange, Tables, Written};
use super::joins::Maker;
use super::step::{Idle, protected};
use super::{FOUND, JOURNAL, LIST, MADE, Step, Work, get, put};
use crate::lua::applied::{Code, Swap, Watch};
use crate::lua::changes::Changes;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::heap::stacks;
use crate::lua::switch::Journal;
use crate::lua::values::{self, Slot};

/// After a patch: remembers who is in the middle of what, if that can still make closures of the old code.
///
/// # Safety
/// `l` is the main thread inside a protected call; the exchange is done.
pub(super) unsafe fn watch(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    let exchange = &work.exchange;
    // Who is in a body that is older still: what it makes is exchanged once for each patch since, in their order.
    let older: BTreeSet<i64> = {
        let watches = work.context.applied.in_flight.borrow();
        watches.iter().flat_map(|watch| watch.frames.iter().copied()).collect()
    };
    if exchange.swaps.is_empty() || exchange.survey.frames.is_empty() && older.is_empty() {
        return Ok(());
    }
    get(l, FOUND);
    let found = ffi::lua_gettop(l);
    values::slot(l, Slot::InFlight);
    let list = ffi::lua_gettop(l);
    let mut frames: Vec<i64> = older.into_iter().collect();
    for frame in &exchange.survey.frames {
        if exchange.group_of(frame.closure).is_none() {
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
    if !frames.is_empty() {
        let swaps = swaps.collect();
        let watch = Watch {
            patch: work.patch.id,
            by_proto: exchange.by_proto.clone(),
            swaps,
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

/// A patch was rolled back: what its old bodies make is what runs.
pub fn forget(context: &Context, patch: u64) {
    context
        .applied
        .in_flight
        .borrow_mut()
        .retain(|watch| watch.patch != patch);
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

/// Which function a code is.
fn origin_of(code: &Code) -> Origin {
    Origin {
        file: code.file,
        function: code.function.checked_sub(code.chunk.frame.text_base() + 1),
    }
}

unsafe fn exchange_again(context: &Context, watch: &Watch) {
    let idle = Idle::begin(context);
    let mut exchange = Exchange {
        by_proto: watch.by_proto.clone(),
        ..Exchange::default()
    };
    {
        let files = context.files.borrow();
        for swap in &watch.swaps {
            let path = swap
                .new
                .chunk
                .outline
                .functions
                .get(origin_of(&swap.new).function.unwrap_or_default());
            let name = path.map_or("function", |function| &function.path);
            let Some(group) = exchange.group(&files, name, Some(origin_of(&swap.old)), origin_of(&swap.new)) else {
                return;
            };
            exchange.swaps.push(Swap { group, ..swap.clone() });
        }
    }
    let olds: Vec<Origin> = watch.swaps.iter().map(|swap| origin_of(&swap.old)).collect();
    let mut journal = Journal::default();
    let outcome = protected(context, &mut |l| {
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
        // What an earlier patch's exchange has made just now has prototypes of its own.
        let protos = context.files.borrow_mut().protos(l, |origin| olds.contains(&origin));
        for (proto, origin) in protos {
            let swap = olds.iter().position(|old| *old == origin);
            exchange.by_proto.extend(swap.map(|swap| (proto, swap)));
        }
        exchange.look(l, context, tables);
        Maker::new(context, &mut exchange, tables).make_all(l)?;
        let changes = Changes::default();
        let written = Written {
            changes: &changes.all,
            list: 4,
            before: None,
        };
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
