//! What is to be exchanged: functions that the patch's statements have put in place of others, with what is nested in them; what a new
//! version of a file has instead of the old one is gathered in [`versions`], what is only looked at beforehand in [`foresee`].

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

pub mod foresee;
pub mod versions;

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use super::exchange::{Direct, Exchange};
use super::{LIST, MADE, Step, Work, get};
use crate::lua::applied::{Code, Swap};
use crate::lua::changes::{Change, HOLDER, KEY, NOW, Place};
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::heap::record;
use crate::lua::layout::Proto;
use crate::lua::values;
use crate::patch::bytecode::Declaration;
use crate::patch::compare::{Comparison, compare};

/// Sorts what the patch's statements have changed: functions in place of others, which are to be carried to every holder, and values.
pub unsafe fn from_changes(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, LIST);
    get(l, MADE);
    let top = ffi::lua_gettop(l);
    for change in work.changes.all.clone() {
        ffi::lua_settop(l, top);
        record::push_noted(l, top - 1, change.values);
        record::push_noted(l, top - 1, change.values + NOW);
        if !note_change(l, work, top, change)? {
            work.report.values += 1;
        }
    }
    ffi::lua_settop(l, top - 2);
    Ok(())
}

/// Notes a change whose value now is a function of a known text (and whose value before was a function or nil); false for any other.
/// Behind `top` are the values before and now.
unsafe fn note_change(l: *mut lua_State, work: &mut Work<'_>, top: c_int, change: Change) -> Result<bool, String> {
    let (old, new) = (top + 1, top + 2);
    let before = ffi::lua_type(l, old);
    if before != ffi::LUA_TFUNCTION && before != ffi::LUA_TNIL {
        return Ok(false);
    }
    let mut files = work.context.files.borrow_mut();
    let Some(now) = files.origin(l, new) else {
        return Ok(false);
    };
    let of_patch = work.is_own(now.file);
    if now.function.is_none() || before == ffi::LUA_TNIL && !of_patch {
        return Ok(false);
    }
    let was = files.origin(l, old);
    let function = files.function(now);
    let replaces = of_patch && before == ffi::LUA_TFUNCTION && function.is_some_and(|function| function.replaces);
    let name = function
        .map(|function| function.name.clone())
        .filter(|name| !name.is_empty());
    let name = match name {
        Some(name) => name,
        None => slot_name(l, top, change),
    };
    let Some(group) = work.exchange.group(&files, &name, was, now) else {
        return Ok(false);
    };
    drop(files);
    work.exchange.groups[group].holders += 1;
    if replaces {
        replace_one(l, work, top, group, (was, now))?;
    }
    Ok(true)
}

/// The function before takes leave everywhere, the function now takes its place.
unsafe fn replace_one(
    l: *mut lua_State,
    work: &mut Work<'_>,
    top: c_int,
    group: usize,
    (was, now): (Option<Origin>, Origin),
) -> Step {
    let address = ffi::lua_topointer(l, top + 1) as usize;
    let successor = ffi::lua_topointer(l, top + 2) as usize;
    if let Some(known) = work.exchange.direct.get(&address) {
        ffi::lua_rawgeti(l, top, known.new);
        if ffi::lua_topointer(l, -1) as usize != successor {
            work.disputed.insert(address, work.exchange.groups[group].name.clone());
        }
        return Ok(());
    }
    work.exchange.length += 1;
    let new = work.exchange.length;
    ffi::lua_pushvalue(l, top + 2);
    ffi::lua_rawseti(l, top, new);
    work.exchange.direct.insert(address, Direct { group, new });
    match was {
        Some(was) => with_nested(l, work.context, &mut work.exchange, was, now, new),
        None => Ok(()),
    }
}

/// What a function made, and what those made that were in its place before it: old bodies may be in the middle of them still.
unsafe fn with_nested(
    l: *mut lua_State,
    context: &Context,
    exchange: &mut Exchange,
    was: Origin,
    now: Origin,
    new: i64,
) -> Step {
    let earlier = context.files.borrow().outdated_by(was);
    for old in earlier {
        let protos = context.files.borrow_mut().protos_of(l, &[old]);
        exchange.old_bodies.extend(protos.into_iter().map(|proto| (proto, old)));
        nested(l, context, exchange, old, now, new)?;
    }
    nested(l, context, exchange, was, now, new)
}

/// A name for a function that its author gave none: the key, or the local, that it stands in.
unsafe fn slot_name(l: *mut lua_State, top: c_int, change: Change) -> String {
    let place = match change.place {
        Place::Cell { upvalue } => {
            ffi::lua_rawgeti(l, top - 1, change.values + HOLDER);
            let name = ffi::lua_getupvalue(l, -1, upvalue);
            if name.is_null() {
                String::new()
            } else {
                CStr::from_ptr(name).to_string_lossy().into_owned()
            }
        }
        Place::Field => {
            record::push_noted(l, top - 1, change.values + KEY);
            values::describe(l, -1)
        }
        _ => "function".into(),
    };
    ffi::lua_settop(l, top + 2);
    place
}

/// Closures that an old function has made are exchanged, too, where the new one would make others: `outer` is the place of the new
/// function in the list of what was made.
///
/// # Errors
/// When a text cannot be compared.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn nested(
    l: *mut lua_State,
    context: &Context,
    exchange: &mut Exchange,
    was: Origin,
    now: Origin,
    outer: i64,
) -> Step {
    let (Some(old), Some(new)) = (code(context, was), code(context, now)) else {
        return Ok(());
    };
    let (old_chunk, new_chunk) = (old.chunk.clone(), new.chunk.clone());
    let (before, after) = (old_chunk.side(l)?, new_chunk.side(l)?);
    let (f, g) = (old.function, new.function);
    if before.code.functions[f].children.is_empty() {
        return Ok(());
    }
    let same = context.files.borrow().alike(was);
    let makers = context.files.borrow_mut().protos_of(l, &same);
    for proto in &makers {
        *exchange.replaced_alone.entry(*proto).or_default() += 1;
    }
    exchange.witnesses.extend(makers.iter().copied());
    // What lies outside of both: the file's variables, which the patch means by name.
    let outside = |was: Declaration, is: Declaration| before.name(was) == after.name(is) && before.is_visible(was);
    let comparison = compare(before, f, after, g, &outside);
    let swaps = Swaps {
        was: was.file,
        now: now.file,
        outer,
        makers,
        before: &old_chunk,
        after: &new_chunk,
    };
    swaps.add(l, context, exchange, &comparison)
}

/// The code of a function's text.
pub fn code(context: &Context, origin: Origin) -> Option<Code> {
    let files = context.files.borrow();
    let chunk = files.get(origin.file)?.chunk.clone();
    let function = chunk.frame.text_base() + 1 + origin.function?;
    Some(Code {
        file: origin.file,
        chunk,
        function,
    })
}

/// Makes swaps of the pairs of a comparison.
struct Swaps<'a> {
    was: usize,
    now: usize,
    outer: i64,
    makers: Vec<Proto>,
    before: &'a Arc<Chunk>,
    after: &'a Arc<Chunk>,
}

impl Swaps<'_> {
    /// Adds a swap for each changed pair but the compared functions themselves.
    unsafe fn add(
        &self,
        l: *mut lua_State,
        context: &Context,
        exchange: &mut Exchange,
        comparison: &Comparison,
    ) -> Step {
        let (before, after) = (self.before.side(l)?, self.after.side(l)?);
        for pair in comparison.pairs.iter().skip(1) {
            let now = Origin {
                file: self.now,
                function: after.function(pair.new),
            };
            let was = Origin {
                file: self.was,
                function: before.function(pair.old),
            };
            if !pair.changed {
                exchange.alike.push((was, now));
                continue;
            }
            let mut files = context.files.borrow_mut();
            let same = files.alike(was);
            let protos = files.protos_of(l, &same);
            let Some(group) = exchange.group(&files, after.path(pair.new), Some(was), now) else {
                continue;
            };
            drop(files);
            exchange.swaps.push(Swap {
                group,
                old: Code {
                    file: self.was,
                    chunk: self.before.clone(),
                    function: pair.old,
                },
                version: self.was,
                new: Code {
                    file: self.now,
                    chunk: self.after.clone(),
                    function: pair.new,
                },
                joins: pair.joins.clone().into(),
                activation: None,
                outer: self.outer,
                makers: self.makers.clone(),
            });
            let swap = exchange.swaps.len() - 1;
            exchange.by_proto.extend(protos.into_iter().map(|proto| (proto, swap)));
            versions::witness(l, context, exchange, swap);
        }
        Ok(())
    }
}
