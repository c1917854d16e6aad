//! What a new version of a file has instead of the old one.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::sync::Arc;

use mlua::ffi::lua_State;

use super::code;
use crate::lua::applied::{Code, Swap};
use crate::lua::apply::exchange::Exchange;
use crate::lua::apply::revise::Revising;
use crate::lua::apply::{Step, Work, bind};
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::layout::Proto;
use crate::patch::bytecode::Binding;
use crate::patch::compare::Join;

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
        let (actual, alike) = {
            let mut files = context.files.borrow_mut();
            (files.actual(l, logical), files.alike(logical))
        };
        if !pair.changed {
            exchange.alike.push((logical, now));
            revising
                .unchanged
                .extend(actual.into_iter().map(|was| (was, logical, now)));
            continue;
        }
        let mut earlier: Vec<Origin> = Vec::new();
        for was in actual {
            let current = {
                let files = context.files.borrow();
                earlier.extend(files.outdated_by(was));
                alike.contains(&was) || files.activation(was.file).is_some()
            };
            if current {
                // The same code in whichever version: its upvalues have the same order.
                let joins = Joins {
                    text: &old,
                    function: pair.old,
                    version: revising.old_version,
                    joins: pair.joins.clone().into(),
                };
                add_swap(l, context, exchange, revising, (was, now), joins)?;
            } else {
                revising.supersede(context, was);
                replaced_otherwise(l, context, exchange, revising, (was, now))?;
            }
        }
        earlier.sort_unstable();
        earlier.dedup();
        exchange
            .earlier
            .extend(context.files.borrow_mut().protos_of(l, &earlier));
        revising.earlier.extend(earlier.into_iter().map(|was| (was, now)));
    }
    Ok(())
}

/// What was in the place of replaced functions before them takes its leave, too, if the look around has met any of it, or old bodies may
/// still make it; whether it does. What has to be compared for it grows with every version.
///
/// # Errors
/// When a text cannot be compared.
///
/// # Safety
/// As [`nested`].
pub unsafe fn add_earlier(l: *mut lua_State, work: &mut Work<'_>) -> Result<bool, String> {
    let exchange = &mut work.exchange;
    let is_earlier = |proto: Option<Proto>| proto.is_some_and(|proto| exchange.earlier.contains(&proto));
    let alive = exchange.survey.closures.iter().any(|closure| is_earlier(closure.proto));
    if exchange.earlier.is_empty() || !alive && work.context.applied.in_flight.borrow().is_empty() {
        return Ok(false);
    }
    for revising in &work.revisions {
        for pair in &revising.earlier {
            replaced_otherwise(l, work.context, exchange, revising, *pair)?;
        }
    }
    Ok(true)
}

/// How the closures of one function find the variables of another's.
struct Joins<'a> {
    /// The text that the old function is told by: its own, or a version in which it is the same.
    text: &'a Arc<Chunk>,
    /// Its number in that text's code.
    function: usize,
    /// The number of that text.
    version: usize,
    joins: Arc<[Join]>,
}

unsafe fn add_swap(
    l: *mut lua_State,
    context: &Context,
    exchange: &mut Exchange,
    revising: &Revising,
    (was, now): (Origin, Origin),
    joins: Joins<'_>,
) -> Step {
    let Some(new) = code(context, now) else { return Ok(()) };
    let mut files = context.files.borrow_mut();
    let protos = files.protos_of(l, &[was]);
    let Some(group) = exchange.group(&files, name_of(&revising.new, now), Some(was), now) else {
        return Ok(());
    };
    drop(files);
    exchange.swaps.push(Swap {
        group,
        old: Code {
            file: was.file,
            chunk: joins.text.clone(),
            function: joins.function,
        },
        version: joins.version,
        new,
        joins: joins.joins,
        activation: Some(revising.activation),
        outer: 0,
        makers: Vec::new(),
    });
    let swap = exchange.swaps.len() - 1;
    exchange.by_proto.extend(protos.into_iter().map(|proto| (proto, swap)));
    witness(l, context, exchange, swap);
    Ok(())
}

/// A function that is not the old version's takes its leave: a patch's that stands in its place, or one that was in its place before.
unsafe fn replaced_otherwise(
    l: *mut lua_State,
    context: &Context,
    exchange: &mut Exchange,
    revising: &Revising,
    (was, now): (Origin, Origin),
) -> Step {
    let (Some(old), Some(new)) = (code(context, was), code(context, now)) else {
        return Ok(());
    };
    let joins: Arc<[Join]> = if context.files.borrow().activation(was.file).is_none() {
        patched_joins(l, &old, &revising.new, new.function)?
    } else {
        let plan = context.host.plans.between(l, &old.chunk, &revising.new)?;
        let mut pairs = plan.comparison.pairs.iter();
        match pairs.find(|pair| pair.old == old.function && pair.new == new.function && pair.changed) {
            Some(pair) => pair.joins.clone().into(),
            None => return Ok(()),
        }
    };
    let text = old.chunk.clone();
    let joins = Joins {
        text: &text,
        function: old.function,
        version: was.file,
        joins,
    };
    add_swap(l, context, exchange, revising, (was, now), joins)
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
        Some(Binding::Main(number)) => match own.iter().position(|name| name == "_ENV") {
            Some(place) => Join::Own(place),
            None => Join::Outer(number),
        },
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
///
/// # Safety
/// As [`nested`].
pub unsafe fn witnesses(l: *mut lua_State, context: &Context, exchange: &mut Exchange, version: usize) {
    let mut files = context.files.borrow_mut();
    let mut of_text: Vec<Origin> = files.standing_for(version);
    of_text.extend(files.alike_to_some(version));
    let protos = files.protos(l, |origin| origin.file == version || of_text.contains(&origin));
    exchange.witnesses.extend(protos);
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
                let actual = files.actual(l, logical);
                let protos = files.protos_of(l, &actual);
                let name = name_of(&revising.old, logical).to_owned();
                let exchange = &mut work.exchange;
                if is_doubtful {
                    exchange
                        .doubtful
                        .extend(protos.iter().map(|proto| (*proto, name.clone())));
                } else {
                    exchange.removed.push(name);
                    let at = exchange.removed.len() - 1;
                    exchange.removed_protos.extend(protos.iter().map(|proto| (*proto, at)));
                }
                exchange.witnesses.extend(protos);
            }
        }
    }
    Ok(())
}
