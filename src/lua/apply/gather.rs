//! What is to be exchanged: functions that the patch's statements have put in place of others (or are going to), with what is nested in
//! them, and functions that a new version of a file has instead of the old ones.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use super::bind;
use super::exchange::{Direct, Exchange};
use super::revise::Revising;
use super::{LIST, MADE, Step, Work, get};
use crate::lua::applied::{Code, Swap};
use crate::lua::changes::{Change, HOLDER, KEY, NOW, Place};
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::heap::record;
use crate::lua::values;
use crate::patch::bytecode::{Binding, Declaration};
use crate::patch::compare::{Comparison, Join, compare};
use crate::patch::syntax::{Kind, Value};

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
        Some(was) => nested(l, work.context, &mut work.exchange, was, now, new),
        None => Ok(()),
    }
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
    // What lies outside of both: the file's variables, which the patch means by name.
    let outside = |was: Declaration, is: Declaration| before.name(was) == after.name(is);
    let comparison = compare(before, f, after, g, &outside);
    let swaps = Swaps {
        was: was.file,
        now: now.file,
        outer,
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
                exchange.unchanged.push((was, now));
                continue;
            }
            let mut files = context.files.borrow_mut();
            let twins = files.twins(was);
            let protos = files.protos(l, |origin| twins.contains(&origin));
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
            });
            let swap = exchange.swaps.len() - 1;
            exchange
                .by_proto
                .extend(protos.into_iter().map(|(proto, _)| (proto, swap)));
            witness(l, context, exchange, swap);
        }
        Ok(())
    }
}

/// Where a variable has to be looked for, every function of the old text may be the one that has it.
pub unsafe fn witness(l: *mut lua_State, context: &Context, exchange: &mut Exchange, swap: usize) {
    let Swap { joins, version, .. } = &exchange.swaps[swap];
    let looks = |join: &Join| matches!(join, Join::Elsewhere(_) | Join::Fresh(_) | Join::Variable(_, Some(_)));
    if !joins.iter().any(looks) {
        return;
    }
    let version = *version;
    witnesses(l, context, exchange, version);
}

/// Every function of a text is looked at.
unsafe fn witnesses(l: *mut lua_State, context: &Context, exchange: &mut Exchange, version: usize) {
    let mut files = context.files.borrow_mut();
    let of_text: Vec<Origin> = files.standing_for(version);
    let all = files.protos(l, |_| true);
    let twin = |origin| files.twin_in(version, origin).is_some();
    let protos = all
        .into_iter()
        .filter(|(_, origin)| origin.file == version || of_text.contains(origin) || twin(*origin));
    exchange.witnesses.extend(protos.map(|(proto, _)| proto));
}

/// Literals of variables that are visible in a block of the file alone: whoever uses them has them.
///
/// # Errors
/// When a text cannot be read.
///
/// # Safety
/// As [`nested`].
pub unsafe fn hidden_literals(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    for revising in &work.revisions {
        let variables = bind::variables_of(l, work.context, revising.revision)?;
        if revising
            .plan
            .literals
            .iter()
            .any(|literal| !literal.is_state && !variables.contains_key(&literal.local))
        {
            witnesses(l, work.context, &mut work.exchange, revising.old_version);
        }
    }
    Ok(())
}

/// Every function of a new version that does something else than the old one's. A patch's function that stands for one of the old version
/// is exchanged with it, if the new version has another one.
///
/// # Errors
/// When a text cannot be compared.
///
/// # Safety
/// As [`nested`].
pub unsafe fn from_revision(
    l: *mut lua_State,
    context: &Context,
    exchange: &mut Exchange,
    revising: &mut Revising,
) -> Step {
    let (old, new) = (revising.old.clone(), revising.new.clone());
    let before = old.side(l)?;
    let after = new.side(l)?;
    let plan = revising.plan.clone();
    for pair in plan.comparison.pairs.iter().skip(1) {
        let logical = Origin {
            file: revising.old_version,
            function: before.function(pair.old),
        };
        let now = Origin {
            file: revising.revision,
            function: after.function(pair.new),
        };
        let actual = context.files.borrow_mut().all_like(l, logical);
        for was in actual {
            if !pair.changed {
                revising.unchanged.push((was, logical, now));
                continue;
            }
            let Some(mut old_code) = code(context, was) else {
                continue;
            };
            let patched = {
                let files = context.files.borrow();
                files.activation(was.file).is_none() && !files.twins(logical).contains(&was)
            };
            let joins: Arc<[Join]> = if patched {
                revising.supersede(context, was);
                patched_joins(l, &old_code, &new, pair.new)?
            } else {
                // The same code in whichever version: its upvalues have the same order.
                old_code = Code {
                    file: was.file,
                    chunk: old.clone(),
                    function: pair.old,
                };
                pair.joins.clone().into()
            };
            let mut files = context.files.borrow_mut();
            let protos = files.protos(l, |origin| origin == was);
            let Some(group) = exchange.group(&files, name_of(&new, now), Some(was), now) else {
                continue;
            };
            drop(files);
            let new_code = Code {
                file: revising.revision,
                chunk: new.clone(),
                function: pair.new,
            };
            let version = if patched { was.file } else { revising.old_version };
            exchange.swaps.push(Swap {
                group,
                old: old_code,
                version,
                new: new_code,
                joins,
                activation: Some(revising.activation),
                outer: 0,
            });
            let swap = exchange.swaps.len() - 1;
            exchange
                .by_proto
                .extend(protos.into_iter().map(|(proto, _)| (proto, swap)));
            witness(l, context, exchange, swap);
        }
    }
    Ok(())
}

fn name_of(chunk: &Chunk, origin: Origin) -> &str {
    let function = origin.function.and_then(|number| chunk.outline.functions.get(number));
    function.map_or("function", |function| {
        if function.name.is_empty() {
            &function.path
        } else {
            &function.name
        }
    })
}

/// Where the upvalues of a new version's function are found, when it takes the place of a patch's function: its file's variables by their
/// declarations, what is around by name.
unsafe fn patched_joins(
    l: *mut lua_State,
    old: &Code,
    new: &Arc<Chunk>,
    function: usize,
) -> Result<Arc<[Join]>, String> {
    let (before, after) = (old.chunk.side(l)?, new.side(l)?);
    let own: Vec<String> = before.code.functions[old.function]
        .upvalues
        .iter()
        .map(|u| String::from_utf8_lossy(&u.name).into_owned())
        .collect();
    let join = |binding: Option<Binding>| match binding {
        Some(Binding::Main(number)) => Join::Outer(number),
        Some(Binding::Local(variable)) if variable.function == after.base => Join::Variable(variable.local, None),
        Some(Binding::Local(variable)) => match own.iter().position(|name| *name == after.name(variable)) {
            Some(place) => Join::Own(place),
            None => Join::Refused(format!(
                "`{}` is a variable that the patched function does not have",
                after.name(variable)
            )),
        },
        None => Join::Refused("its variables cannot be told apart".into()),
    };
    Ok(after.code.bindings(function).into_iter().map(join).collect())
}

/// What the patch's statements are going to put in place of others, as far as that is seen without running them.
pub unsafe fn foresee(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, super::SLOTS);
    let list = ffi::lua_gettop(l);
    for program in work.programs.clone() {
        let chunk = match work.context.files.borrow().get(program.file) {
            Some(file) => file.chunk.clone(),
            None => continue,
        };
        for statement in &chunk.outline.bodies[0].statements {
            match &statement.kind {
                Kind::Function { target, function } => foresee_one(l, work, list, &program, &target.text, *function)?,
                Kind::Assign { targets, values } => {
                    for (target, value) in targets.iter().zip(values) {
                        if let Value::Function(function) = value.value {
                            foresee_one(l, work, list, &program, &target.text, function)?;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    ffi::lua_settop(l, list - 1);
    Ok(())
}

unsafe fn foresee_one(
    l: *mut lua_State,
    work: &mut Work<'_>,
    list: c_int,
    program: &super::Program,
    target: &str,
    function: usize,
) -> Step {
    let Some(at) = work.slots.names.iter().position(|name| name == target) else {
        return Ok(());
    };
    let now = work.context.files.borrow().named(program.file, function);
    record::push_noted(l, list, work.slots.all[at].at + 2);
    let (is_function, address) = (
        ffi::lua_type(l, -1) == ffi::LUA_TFUNCTION,
        ffi::lua_topointer(l, -1) as usize,
    );
    let mut files = work.context.files.borrow_mut();
    let was = files.origin(l, -1);
    ffi::lua_settop(l, list);
    let name = files.function(now).map_or(target, |function| &function.name).to_owned();
    let Some(group) = work.exchange.group(&files, &name, was, now) else {
        return Ok(());
    };
    drop(files);
    if !is_function {
        work.exchange.groups[group].holders += 1;
        return Ok(());
    }
    work.exchange.direct.insert(address, Direct { group, new: 0 });
    match was {
        Some(was) => nested(l, work.context, &mut work.exchange, was, now, 0),
        None => Ok(()),
    }
}

/// Functions that the new version does not have any more are looked at, too, to tell who holds them; and those that could be several of
/// the new ones, to refuse if they are alive.
pub unsafe fn removed(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    for number in 0..work.revisions.len() {
        let revising = &work.revisions[number];
        let side = revising.old.side(l)?;
        let (removed, doubtful) = (&revising.plan.comparison.removed, &revising.plan.comparison.doubtful);
        for (functions, is_doubtful) in [(removed, false), (doubtful, true)] {
            for &function in functions {
                let logical = Origin {
                    file: revising.old_version,
                    function: side.function(function),
                };
                let mut files = work.context.files.borrow_mut();
                let actual = files.all_like(l, logical);
                let protos = files.protos(l, |origin| actual.contains(&origin));
                let name = name_of(&revising.old, logical).to_owned();
                let exchange = &mut work.exchange;
                if is_doubtful {
                    exchange
                        .doubtful
                        .extend(protos.iter().map(|(proto, _)| (*proto, name.clone())));
                } else {
                    exchange.removed.push(name);
                    let at = exchange.removed.len() - 1;
                    exchange
                        .removed_protos
                        .extend(protos.iter().map(|(proto, _)| (*proto, at)));
                }
                exchange.witnesses.extend(protos.into_iter().map(|(proto, _)| proto));
            }
        }
    }
    Ok(())
}
