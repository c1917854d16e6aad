//! Telling what a patch did: which functions it put in place of which, and everywhere they were held.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use super::{LIST, LOG, Step, Work, get};
use crate::lua::changes::{self, Change, Place, Replacement, Replacements};
use crate::lua::heap::record::{self, Kind};
use crate::lua::values;
use crate::patch::outcome::{FunctionChange, SourceFile, Text};

/// A function that changed its place in some slots: by the addresses of old (0: none) and new.
struct Pair {
    name: String,
    slots: u32,
    old: Option<Text>,
    source: Option<SourceFile>,
    new: Text,
    /// The new one is to reach every holder of the old one.
    replaces: bool,
    /// Where the new one lies in the list of changes.
    place: i64,
    /// In order of appearance in the patch.
    line: u32,
}

/// Sorts the changes into functions and values, carries the functions to all their holders, and fills in the report.
pub unsafe fn functions(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, LOG);
    get(l, LIST);
    let mut pairs: BTreeMap<(usize, usize), Pair> = BTreeMap::new();
    for change in work.changes.all.clone() {
        ffi::lua_settop(l, changes::LIST);
        record::push_noted(l, changes::LIST, change.values);
        record::push_noted(l, changes::LIST, change.values + 1);
        if !note_pair(l, work, change, &mut pairs) {
            work.report.values += 1;
        }
    }
    let mut replacements = replacements(work, &pairs);
    changes::carry(l, &work.snapshot, &mut replacements);
    refuse_traversed(&pairs, &replacements)?;
    tell_in_flight(work, &pairs, &replacements);
    let mut functions: Vec<((usize, usize), Pair)> = pairs.into_iter().collect();
    functions.sort_by_key(|(_, pair)| pair.line);
    work.report.sources = sources(work, &functions);
    work.report.functions = functions
        .into_iter()
        .map(|((old, _), pair)| {
            let carried = replacements
                .get(&old)
                .filter(|r| r.new == pair.place)
                .map_or(0, |r| r.holders);
            FunctionChange {
                name: pair.name,
                holders: pair.slots + carried,
                old: pair.old,
                new: pair.new,
            }
        })
        .collect();
    Ok(())
}

/// The files whose functions were replaced; the script if none was, or only earlier patches' functions.
fn sources(work: &Work<'_>, functions: &[((usize, usize), Pair)]) -> Vec<SourceFile> {
    let mut found: Vec<SourceFile> = Vec::new();
    for source in functions.iter().filter_map(|(_, pair)| pair.source.as_ref()) {
        if !found.contains(source) {
            found.push(source.clone());
        }
    }
    if found.is_empty() {
        let script = work.context.script.get();
        found.extend(script.and_then(|script| work.context.files.borrow().source(script)));
    }
    found
}

/// Index of the value before, in the frame of [`functions`].
const OLD: c_int = changes::LIST + 1;
/// Index of the value now, likewise.
const NEW: c_int = changes::LIST + 2;

/// Notes a change whose value now is a Lua function of known text (and whose value before was a function or nil); false for any other.
unsafe fn note_pair(
    l: *mut lua_State,
    work: &Work<'_>,
    change: Change,
    pairs: &mut BTreeMap<(usize, usize), Pair>,
) -> bool {
    let before = ffi::lua_type(l, OLD);
    let mut files = work.context.files.borrow_mut();
    let Some(new) = files
        .text_of(l, NEW)
        .filter(|_| before == ffi::LUA_TFUNCTION || before == ffi::LUA_TNIL)
    else {
        return false;
    };
    let of_patch = files.origin(l, NEW).is_some_and(|origin| origin.file == work.file);
    if before == ffi::LUA_TNIL && !of_patch {
        return false;
    }
    let (name, replaces) = match files.function_of(l, NEW) {
        Some(function) => (function.name.clone(), of_patch && function.replaces),
        None => (String::new(), false),
    };
    let name = if name.is_empty() {
        slot_name(l, work, change)
    } else {
        name
    };
    let old = if before == ffi::LUA_TFUNCTION {
        files.text_of(l, OLD)
    } else {
        None
    };
    let source = files.origin(l, OLD).and_then(|origin| files.source(origin.file));
    let address = |index| {
        if ffi::lua_type(l, index) == ffi::LUA_TNIL {
            0
        } else {
            ffi::lua_topointer(l, index) as usize
        }
    };
    let key = (address(OLD), address(NEW));
    let line = new.line;
    let pair = pairs.entry(key).or_insert(Pair {
        name,
        slots: 0,
        old,
        source,
        new,
        replaces,
        place: change.values + 1,
        line,
    });
    pair.slots += 1;
    true
}

/// A name for a function that its author gave none: the key, or the local, that it stands in.
unsafe fn slot_name(l: *mut lua_State, work: &Work<'_>, change: Change) -> String {
    let entry = work.snapshot.entries[change.entry];
    match (change.place, entry.kind) {
        (Place::Cell, Kind::Cell { upvalue }) => {
            ffi::lua_rawgeti(l, changes::LOG, entry.place);
            let name = ffi::lua_getupvalue(l, -1, upvalue);
            let name = if name.is_null() {
                String::new()
            } else {
                CStr::from_ptr(name).to_string_lossy().into_owned()
            };
            ffi::lua_settop(l, NEW);
            name
        }
        (Place::Field, _) => {
            record::push_noted(l, changes::LIST, change.values + 2);
            let name = values::describe(l, -1);
            ffi::lua_settop(l, NEW);
            name
        }
        _ => "function".into(),
    }
}

/// Which old functions are to be replaced wherever they are held. One that got two successors stays where the patch did not write.
fn replacements(work: &mut Work<'_>, pairs: &BTreeMap<(usize, usize), Pair>) -> Replacements {
    let mut found = Replacements::default();
    let mut last = 0;
    for ((old, _), pair) in pairs.iter().filter(|((old, _), pair)| *old != 0 && pair.replaces) {
        if *old == last {
            found.remove(old);
            let warning = format!(
                "`{}` has two new versions in this patch; its other holders keep the old one",
                pair.name
            );
            work.report.warnings.push(warning);
        } else {
            found.insert(
                *old,
                Replacement {
                    new: pair.place,
                    holders: 0,
                    is_traversed_key: false,
                    in_flight: Vec::new(),
                },
            );
        }
        last = *old;
    }
    found
}

/// Changing a key of a table that a suspended loop traverses would break that loop.
fn refuse_traversed(pairs: &BTreeMap<(usize, usize), Pair>, replacements: &Replacements) -> Step {
    let traversed = |old: &usize| {
        replacements
            .get(old)
            .is_some_and(|replacement| replacement.is_traversed_key)
    };
    match pairs.iter().find(|((old, _), _)| traversed(old)) {
        Some((_, pair)) => Err(format!(
            "a suspended loop may be traversing a table in which the function `{}` is a key; apply the patch again when it is through",
            pair.name
        )),
        None => Ok(()),
    }
}

/// A coroutine in the middle of an old function finishes it: said with file and line.
fn tell_in_flight(work: &mut Work<'_>, pairs: &BTreeMap<(usize, usize), Pair>, replacements: &Replacements) {
    let mut places: BTreeMap<(String, c_int), u32> = BTreeMap::new();
    for ((old, _), pair) in pairs {
        let Some(replacement) = replacements.get(old).filter(|r| r.new == pair.place) else {
            continue;
        };
        let file = pair.old.as_ref().map_or("?", |text| text.file.as_str());
        for line in &replacement.in_flight {
            *places.entry((file.to_owned(), *line)).or_default() += 1;
        }
    }
    for ((file, line), count) in places {
        let noun = if count == 1 { "coroutine" } else { "coroutines" };
        work.report
            .warnings
            .push(format!("{count} {noun} in the old body, {file}:{line}"));
    }
}
