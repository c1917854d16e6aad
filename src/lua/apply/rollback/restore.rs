//! What runs in the place of what a patch had put there: the closures that were there before, and for those that were made since, new ones of
//! the older text.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};

use crate::lua::applied::{Code, Group, Revised, Swap, Undo};
use crate::lua::apply::exchange::{Direct, Exchange};
use crate::lua::apply::{Step, gather};
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::patch::compare::compare;

/// A group the other way round.
pub fn turned(group: &Group) -> Group {
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
pub unsafe fn restore_closures(l: *mut lua_State, context: &Context, exchange: &mut Exchange, undo: &Undo) -> Step {
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
pub unsafe fn restore_version(
    l: *mut lua_State,
    context: &Context,
    exchange: &mut Exchange,
    revised: &Revised,
) -> Step {
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
        let protos = files.protos_of(l, &same);
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
        exchange.by_proto.extend(protos.into_iter().map(|proto| (proto, swap)));
        gather::versions::witness(l, context, exchange, swap);
    }
    Ok(())
}

/// Closures that were made since of a function that had been another patch's cannot be made of that patch's text.
pub fn refuse_younger(exchange: &Exchange, undo: &Undo) -> Step {
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
