//! Telling what a patch did: which functions it put in place of which, and everywhere they were held; what stays as it was, and why.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::HashMap;

use mlua::ffi::lua_State;

use super::revise::Revising;
use super::{Step, Work};
use crate::lua::applied::Group;
use crate::lua::files::Origin;
use crate::patch::outcome::{FunctionChange, SourceFile};
use crate::patch::report::count;
use crate::patch::revision::{Names, body_changes};
use crate::patch::syntax::{Kind, Target};

/// Fills in the functions of the report, and what is to be said of others.
pub unsafe fn functions(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    work.report.sources = sources(work);
    let mut told: Vec<&Group> = work.exchange.groups.iter().filter(|group| group.holders > 0).collect();
    told.sort_by_key(|group| group.now.line);
    work.report.functions = told
        .into_iter()
        .map(|group| FunctionChange {
            name: group.name.clone(),
            holders: group.holders,
            old: group.before.clone(),
            new: group.now.clone(),
        })
        .collect();
    removed(work);
    for group in &work.exchange.left {
        let name = &work.exchange.groups[*group].name;
        let note = format!(
            "closures of `{name}` stay as they are: which of several functions has made which of them cannot be told"
        );
        work.report.notes.push(note);
    }
    let mut restarts = Vec::new();
    for revising in &work.revisions {
        restarts.extend(ran_once(l, work, revising)?);
    }
    work.report.restarts.extend(restarts);
    Ok(())
}

/// The files whose functions were replaced; the script if none was, or only earlier patches' functions.
fn sources(work: &Work<'_>) -> Vec<SourceFile> {
    let files = work.context.files.borrow();
    let mut found: Vec<SourceFile> = Vec::new();
    let revised = work
        .revisions
        .iter()
        .filter_map(|revising| files.source(revising.activation));
    for source in work
        .exchange
        .groups
        .iter()
        .filter_map(|group| group.source.clone())
        .chain(revised)
    {
        if !found.contains(&source) {
            found.push(source);
        }
    }
    if found.is_empty() {
        found.extend(work.context.script.get().and_then(|script| files.source(script)));
    }
    found
}

/// One that got two successors stays where the patch did not write.
pub fn disputes(work: &mut Work<'_>) {
    for (address, name) in std::mem::take(&mut work.disputed) {
        work.exchange.direct.remove(&address);
        work.report.warnings.push(format!(
            "`{name}` has two new versions in this patch; its other holders keep the old one"
        ));
    }
}

/// Functions that the new text does not have any more stay: with whom.
fn removed(work: &mut Work<'_>) {
    let exchange = &work.exchange;
    let mut holders: HashMap<usize, u32> = HashMap::new();
    for site in &exchange.survey.sites {
        let proto = exchange.survey.closures[site.closure].proto;
        if let Some(removed) = proto.and_then(|proto| exchange.removed_protos.get(&proto)) {
            *holders.entry(*removed).or_default() += 1;
        }
    }
    for (number, name) in exchange.removed.iter().enumerate() {
        let held = holders.get(&number).copied().unwrap_or(0) as usize;
        let note = format!(
            "`{name}` is gone from the new text; the function stays, with {}",
            count(held, "holder")
        );
        work.report.notes.push(note);
    }
}

/// Functions whose own statements have changed and that nothing holds any more: they ran once, or run just now for the last time.
unsafe fn ran_once(l: *mut lua_State, work: &Work<'_>, revising: &Revising) -> Result<Vec<String>, String> {
    let (old, new) = (revising.old.side(l)?, revising.new.side(l)?);
    let group_of = |function: usize| {
        let now = Origin {
            file: revising.revision,
            function: new.function(function),
        };
        work.exchange.groups.iter().filter(move |group| group.new == now)
    };
    let is_held = |function: usize| group_of(function).any(|group| group.holders > 0);
    // What is nested in a function that lives on comes with it.
    let comes_with_another = |function: usize| {
        let parent = |number: &usize| new.code.functions[*number].parent.filter(|parent| *parent != new.base);
        std::iter::successors(parent(&function), parent).any(is_held)
    };
    let names = Names {
        old: &revising.old.label,
        new: &revising.new.label,
    };
    let pairs = revising
        .plan
        .comparison
        .pairs
        .iter()
        .skip(1)
        .filter(|pair| pair.own_changed);
    let mut told = Vec::new();
    for pair in pairs {
        if is_held(pair.new) || comes_with_another(pair.new) || revising.is_hook(pair.new) {
            continue;
        }
        let (was, is) = (
            &old.outline.bodies[pair.old - old.base],
            &new.outline.bodies[pair.new - new.base],
        );
        let runs = if group_of(pair.new).any(|group| group.closures > 0) {
            "runs in its old body alone"
        } else {
            "ran once"
        };
        let path = new.path(pair.new);
        let places = body_changes(was, is, names).into_iter();
        told.extend(places.map(|place| format!("{place} {runs} (`{path}`): needs a restart")));
    }
    Ok(told)
}

/// For a check: which statements would be run whose effect only running them tells.
pub fn statements(work: &mut Work<'_>) {
    let files = work.context.files.borrow();
    let mut notes = Vec::new();
    for program in &work.programs {
        let Some(chunk) = files.get(program.file).map(|file| file.chunk.clone()) else {
            continue;
        };
        for statement in &chunk.outline.bodies[0].statements {
            let (first, last) = statement.lines;
            let lines = if first == last {
                format!("{first}")
            } else {
                format!("{first}-{last}")
            };
            let known = |target: &Target| work.slots.complete || work.slots.names.contains(&target.text);
            let what = match &statement.kind {
                Kind::LocalFunction { .. } | Kind::Global => continue,
                Kind::Function { target, .. } if known(target) => continue,
                Kind::Function { .. } => "sets",
                Kind::Local { .. } | Kind::Assign { .. } => "sets",
                _ => "runs",
            };
            notes.push(format!("it {what} what stands at {}:{lines}", chunk.label));
        }
    }
    drop(files);
    work.statements = notes.len();
    work.report.notes.extend(notes);
}
