//! What is told of a new version: data that stays, and code that ran once and would need a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use crate::patch::compare::{Comparison, Side};
use crate::patch::revision::{Names, Program};
use crate::patch::syntax::{Body, Expression, Field, Kind, Statement, Value};

/// A key that the constructor of a table has only in the new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewField {
    /// The variable that leads to the table.
    pub root: String,
    /// The way from there, each key as Lua text with its dot or brackets.
    pub keys: Vec<String>,
    /// Where its value stands in the new text.
    pub value: Range<usize>,
}

impl NewField {
    /// As a program writes it: `CFG.a["x y"]`.
    pub fn place(&self) -> String {
        format!("{}{}", self.root, self.keys.concat())
    }

    /// The keys as further arguments of a call.
    pub fn arguments(&self) -> String {
        let argument = |key: &String| match key.strip_prefix('.') {
            Some(name) => format!(",\"{name}\""),
            None => format!(",{}", key.trim_start_matches('[').trim_end_matches(']')),
        };
        self.keys.iter().map(argument).collect()
    }
}

/// Finds keys that were added to tables of the file, and tells what else changed in their constructors.
pub(super) fn new_fields(
    old: Side<'_>,
    new: Side<'_>,
    comparison: &Comparison,
    names: Names<'_>,
    notes: &mut Vec<String>,
) -> Vec<NewField> {
    let before = tables(old);
    let mut found = Vec::new();
    for (place, (root, keys, now)) in tables(new) {
        let stays = root_stays(new, comparison, &root);
        if let (Some((_, _, was)), true) = (before.get(&place), stays) {
            let mut differ = Differ {
                names,
                notes,
                found: &mut found,
            };
            differ.tables(&root, &keys, was, now);
        }
    }
    found
}

/// Whether the variable that leads to a table is one of the old version, too (or no variable of the file at all).
fn root_stays(new: Side<'_>, comparison: &Comparison, root: &str) -> bool {
    let last = new
        .variables(new.base)
        .filter(|variable| new.name(*variable) == root)
        .last();
    last.is_none_or(|variable| comparison.variables.contains_key(&variable))
}

/// A table of the file: the variable that leads to it, the keys from there, its fields.
type Table<'a> = (String, Vec<String>, &'a [Field]);

/// Tables of the file by the place that they are given to: `CFG`, `M.conf`.
fn tables(side: Side<'_>) -> BTreeMap<String, Table<'_>> {
    let mut given: Vec<(&str, &[String], &Expression)> = Vec::new();
    for statement in &side.outline.bodies[0].statements {
        match &statement.kind {
            Kind::Local { names, values } => given.extend(
                names
                    .iter()
                    .zip(values)
                    .map(|(name, value)| (name.as_str(), &[][..], value)),
            ),
            Kind::Assign { targets, values } => {
                given.extend(targets.iter().zip(values).filter_map(|(target, value)| {
                    target
                        .path
                        .as_ref()
                        .map(|path| (path.root.as_str(), &path.keys[..], value))
                }))
            }
            _ => {}
        }
    }
    let found = given
        .into_iter()
        .filter_map(|(root, keys, value)| Some((root, keys, fields_of(value)?)));
    found
        .map(|(root, keys, fields)| {
            (
                format!("{root}{}", keys.concat()),
                (root.to_owned(), keys.to_vec(), fields),
            )
        })
        .collect()
}

fn fields_of(value: &Expression) -> Option<&[Field]> {
    match &value.value {
        Value::Table(fields) => Some(fields),
        _ => None,
    }
}

struct Differ<'a> {
    names: Names<'a>,
    notes: &'a mut Vec<String>,
    found: &'a mut Vec<NewField>,
}

impl Differ<'_> {
    fn tables(&mut self, root: &str, keys: &[String], was: &[Field], now: &[Field]) {
        let find = |fields: &'_ [Field], key: &String| fields.iter().position(|field| field.key.as_ref() == Some(key));
        for field in now {
            let Some(key) = &field.key else { continue };
            let inside: Vec<String> = keys.iter().chain([key]).cloned().collect();
            let place = || format!("{root}{}", inside.concat());
            match find(was, key).map(|at| &was[at].value) {
                None => self.found.push(NewField {
                    root: root.to_owned(),
                    value: field.value.range.clone(),
                    keys: inside,
                }),
                Some(before) => match (&before.value, &field.value.value) {
                    (Value::Table(was), Value::Table(now)) => self.tables(root, &inside, was, now),
                    (Value::Function(_), Value::Function(_)) => {}
                    _ if before.text == field.value.text => {}
                    _ => self.notes.push(format!(
                        "`{}` keeps its value: data of a table is state ({}:{})",
                        place(),
                        self.names.new,
                        field.value.lines.0
                    )),
                },
            }
        }
        for field in was {
            if let (Some(key), false) = (&field.key, matches!(field.value.value, Value::Function(_)))
                && find(now, key).is_none()
            {
                let place = format!("{root}{}{key}", keys.concat());
                self.notes
                    .push(format!("`{place}` stays, though {} no longer has it", self.names.new));
            }
        }
    }
}

/// Statements that are run although they only stand there: `require "x"`, and what is asked of the module `hotfix`, where the new version
/// has them and the old one has not, or others. Where they stand.
pub(super) fn added_calls(old: Side<'_>, new: Side<'_>, comparison: &Comparison) -> Vec<Range<usize>> {
    let known: BTreeSet<&str> = old.outline.bodies[0]
        .statements
        .iter()
        .map(|statement| statement.text.as_str())
        .collect();
    let is_changed = |statement: &Statement| {
        let inside = |function: &usize| {
            new.outline
                .functions
                .get(*function)
                .is_some_and(|f| statement.range.start <= f.range.start && f.range.end <= statement.range.end)
        };
        comparison
            .pairs
            .iter()
            .any(|pair| pair.changed && new.function(pair.new).as_ref().is_some_and(inside))
    };
    let statements = new.outline.bodies[0].statements.iter();
    let is_new = |statement: &Statement| !known.contains(statement.text.as_str());
    let added = statements.filter(|statement| {
        is_require(statement) && is_new(statement)
            || is_hook(new, statement) && (is_new(statement) || is_changed(statement))
    });
    added.map(|statement| statement.range.clone()).collect()
}

fn is_require(statement: &Statement) -> bool {
    matches!(&statement.kind, Kind::Call { callee, .. } if callee == "require")
}

/// Whether a statement asks the module `hotfix` for something that concerns the new version.
fn is_hook(side: Side<'_>, statement: &Statement) -> bool {
    let Kind::Call { callee, .. } = &statement.kind else {
        return false;
    };
    let Some((root, "migrate" | "verify" | "on_unload" | "save" | "restore")) = callee.split_once('.') else {
        return false;
    };
    let declared = side.outline.bodies[0]
        .declarations
        .iter()
        .rfind(|declared| declared.name == root);
    let initial = declared.and_then(|declared| declared.initial.as_ref());
    matches!(initial.map(|initial| &initial.value), Some(Value::Require(module)) if module == "hotfix")
}

/// What changed of the code that ran once, when the file was loaded: statements, and functions that only running such code would define.
pub(super) fn restarts(
    old: Side<'_>,
    new: Side<'_>,
    comparison: &Comparison,
    program: &Program,
    names: Names<'_>,
) -> Vec<String> {
    let before = tables(old);
    let runs_once = |side: Side<'_>, statement: &Statement| match &statement.kind {
        Kind::Local { .. } | Kind::LocalFunction { .. } | Kind::Function { .. } => false,
        Kind::Assign { targets, values } => !targets.iter().zip(values).all(|(target, value)| match &value.value {
            Value::Function(_) => true,
            Value::Table(_) => before.contains_key(&target.text),
            _ => false,
        }),
        _ => !is_hook(side, statement) && !program.calls.contains(&statement.range),
    };
    let once = |side: Side<'_>| {
        let all = side.outline.bodies[0].flat();
        all.into_iter()
            .filter(|statement| runs_once(side, statement))
            .cloned()
            .collect::<Vec<Statement>>()
    };
    let (was, is) = (once(old), once(new));
    let ran = |place| format!("{place} ran once, when the file was loaded: needs a restart");
    let mut told: Vec<String> = changes(&was, &is, names).into_iter().map(ran).collect();
    let inside = |range: &Range<usize>| {
        is.iter()
            .any(|s| s.range.start <= range.start && range.end <= s.range.end)
    };
    for function in comparison.added.iter().filter_map(|function| new.function(*function)) {
        let known = &new.outline.functions[function];
        if known.parent.is_none() && !program.functions.contains(&function) && !inside(&known.range) {
            let (path, line) = (&known.path, known.lines.0);
            told.push(format!(
                "`{path}` ({}:{line}) is new, and only code around it would define it: needs a restart",
                names.new
            ));
        }
    }
    told
}

/// Where the own statements of a function differ that ran once and is not alive any more.
pub fn body_changes(old: &Body, new: &Body, names: Names<'_>) -> Vec<String> {
    changes(&old.statements, &new.statements, names)
}

/// The places that differ: in the new text, or in the old one for what is gone.
fn changes(was: &[Statement], is: &[Statement], names: Names<'_>) -> Vec<String> {
    let texts = |statements: &[Statement]| statements.iter().map(|s| s.text.clone()).collect::<Vec<_>>();
    let (before, now) = (texts(was), texts(is));
    let mut places = Vec::new();
    for op in capture_diff_slices(Algorithm::Patience, &before, &now) {
        match op.tag() {
            DiffTag::Equal => {}
            DiffTag::Delete => {
                places.extend(place(names.old, &was[op.old_range()]).map(|place| format!("{place} (gone now)")))
            }
            DiffTag::Insert | DiffTag::Replace => places.extend(place(names.new, &is[op.new_range()])),
        }
    }
    places
}

/// `file:12` or `file:12-14`.
fn place(label: &str, statements: &[Statement]) -> Option<String> {
    let (first, last) = (statements.first()?.lines.0, statements.last()?.lines.1);
    Some(if first == last {
        format!("{label}:{first}")
    } else {
        format!("{label}:{first}-{last}")
    })
}
