//! What stands against exchanging a function just now: suspended code that would break. And what suspended code still has to finish.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::BTreeMap;

use mlua::ffi::lua_State;

use super::exchange::{Exchange, Tables};
use super::{Step, Work};
use crate::lua::files::{Files, Origin};
use crate::patch::syntax::Function;

/// Refuses while a suspended loop traverses a table in which a function is a key that would have to change, or a suspended old body
/// is going to call a function whose parameters have changed.
pub unsafe fn refuse(l: *mut lua_State, work: &mut Work<'_>, tables: Tables) -> Step {
    for closure in &work.exchange.survey.closures {
        if let Some(name) = closure.proto.and_then(|proto| work.exchange.doubtful.get(&proto)) {
            return Err(format!(
                "which function of the new text `{name}` is cannot be told without doubt: there are several"
            ));
        }
    }
    if let Err(why) = refuse_traversed(l, &work.exchange, tables) {
        work.may_wait = true;
        return Err(why);
    }
    let changed = changed_parameters(work);
    if changed.is_empty() {
        return Ok(());
    }
    let files = work.context.files.borrow();
    for frame in &work.exchange.survey.frames {
        let Some(was) = work
            .exchange
            .group_of(frame.closure)
            .and_then(|group| work.exchange.groups[group].old)
        else {
            continue;
        };
        if let Some(called) = will_call(&files, was, frame.line, &changed) {
            let label = files.get(was.file).map_or("?", |file| file.chunk.label.as_str());
            work.may_wait = true;
            return Err(format!(
                "a coroutine is suspended in the old `{}` ({label}:{}) and would call `{called}`, whose parameters have changed; apply the \
                 patch again when it is through",
                files.function(was).map_or("function", |function| &function.name),
                frame.line
            ));
        }
    }
    Ok(())
}

/// Refuses while a suspended loop may be traversing a table in which a function is a key that would have to change.
pub unsafe fn refuse_traversed(l: *mut lua_State, exchange: &Exchange, tables: Tables) -> Step {
    for site in &exchange.survey.sites {
        if let Some(group) = exchange.group_of(site.closure)
            && exchange.survey.is_traversed(l, tables.found, *site)
        {
            return Err(format!(
                "a suspended loop may be traversing a table in which the function `{}` is a key; apply the patch again when it is through",
                exchange.groups[group].name
            ));
        }
    }
    Ok(())
}

/// Names of the functions whose parameters are others now.
fn changed_parameters(work: &Work<'_>) -> Vec<String> {
    let files = work.context.files.borrow();
    let differ = |was: &Function, now: &Function| {
        let varargs = |function: &Function| function.params.last().is_some_and(|last| last.starts_with("..."));
        let moved = |name: &String| {
            let place = now.params.iter().position(|other| other == name);
            place.is_some() && place != was.params.iter().position(|other| other == name)
        };
        was.params.len() != now.params.len() && !varargs(now) || was.params.iter().any(moved)
    };
    let groups = work.exchange.groups.iter();
    groups
        .filter_map(|group| {
            let (was, now) = (files.function(group.old?)?, files.function(group.new)?);
            differ(was, now).then(|| was.name.replace(':', "."))
        })
        .collect()
}

/// The first of the functions in `changed` that a function suspended at `line` still has to call.
fn will_call(files: &Files, suspended: Origin, line: i32, changed: &[String]) -> Option<String> {
    let outline = &files.get(suspended.file)?.chunk.outline;
    let body = outline.bodies.get(suspended.function? + 1)?;
    let line = u32::try_from(line).unwrap_or(0);
    let again = |call: u32| {
        body.loops
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&line) && (*first..=*last).contains(&call))
    };
    let calls = body
        .calls
        .iter()
        .filter(|call| call.last_line >= line || again(call.line));
    calls.into_iter().find_map(|call| {
        let is_it = |name: &&String| match call.name.strip_prefix(':') {
            // Which object a method is called on only the run would tell.
            Some(method) => name.rsplit('.').next() == Some(method),
            None => **name == call.name,
        };
        changed.iter().find(is_it).cloned()
    })
}

/// A coroutine in the middle of an old function finishes it: said with file and line.
pub fn tell_in_flight(work: &mut Work<'_>) {
    let mut places: BTreeMap<(String, i32), u32> = BTreeMap::new();
    let files = work.context.files.borrow();
    for frame in &work.exchange.survey.frames {
        let proto = work.exchange.survey.closures[frame.closure].proto;
        let earlier = proto.and_then(|proto| work.exchange.old_bodies.get(&proto)).copied();
        let was = match work.exchange.group_of(frame.closure) {
            Some(group) => work.exchange.groups[group].old,
            None if earlier.is_some() => earlier,
            None => continue,
        };
        let file = was
            .and_then(|was| files.get(was.file))
            .map_or("?", |file| file.chunk.label.as_str());
        *places.entry((file.to_owned(), frame.line)).or_default() += 1;
    }
    drop(files);
    for ((file, line), count) in places {
        let noun = if count == 1 { "coroutine" } else { "coroutines" };
        work.report
            .warnings
            .push(format!("{count} {noun} in the old body, {file}:{line}"));
    }
}
