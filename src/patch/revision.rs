//! A new version of a whole file against the one that runs: what is to be exchanged, what is to be run once, what is only told.
//!
//! The file is never run again. Functions are compared; of everything else only what is new is run, on its own: the initialisers of new
//! locals, the statements that define new functions, new keys of tables, added `require`s. They stand in a program of their own, each
//! on the line that it has in the file.

mod program;
mod remarks;

use std::collections::{BTreeMap, BTreeSet};

use crate::patch::bytecode::{Binding, Declaration as Variable};
use crate::patch::compare::{Comparison, Side, compare};
use crate::patch::syntax::{Declaration, Kind, Value};

pub use program::{ABSENT, Program};
pub use remarks::body_changes;

/// The plan for one old and one new version of a file.
#[derive(Debug)]
pub struct Revision {
    /// Functions and variables, matched.
    pub comparison: Comparison,
    /// What is run once.
    pub program: Program,
    /// Variables of the file that the old version does not have: numbers among the locals of the new main function, and names.
    pub added: Vec<(usize, String)>,
    /// Variables of the file that the new version does not have, likewise of the old one.
    pub dropped: Vec<(usize, String)>,
    /// Literals that changed.
    pub literals: Vec<Literal>,
    /// What is decided, in words, whatever the instance's state.
    pub notes: Vec<String>,
    /// What cannot be applied to a running instance, in words.
    pub restarts: Vec<String>,
}

/// A local whose initialiser is a literal in both versions, and another one in the new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its name.
    pub name: String,
    /// Its number among the locals of the new main function.
    pub local: usize,
    /// Its number among the locals of the old main function.
    pub old_local: usize,
    /// Its line in the new text.
    pub line: u32,
    /// The old literal, as Lua text.
    pub before: String,
    /// The new literal, likewise.
    pub now: String,
    /// The old text assigns it somewhere, so its value is state.
    pub is_state: bool,
}

/// What a file is called in remarks, and which of its functions run once.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The old file's label.
    pub old: &'a str,
    /// The new file's label.
    pub new: &'a str,
}

/// Makes the plan. Both codes were compiled from the whole files.
pub fn plan(old: Side<'_>, new: Side<'_>, new_text: &[u8], names: Names<'_>) -> Revision {
    let comparison = compare(old, old.base, new, new.base, &|_, _| false);
    let declaring = program::declaring(new);
    let of_statements: Vec<usize> = declaring
        .iter()
        .flat_map(|declaring| declaring.variables.iter().map(|(local, _)| *local))
        .collect();
    let is_new =
        |variable: Variable| !comparison.variables.contains_key(&variable) && of_statements.contains(&variable.local);
    let added = of_file(new, is_new);
    let kept: Vec<Variable> = comparison.variables.values().copied().collect();
    let dropped = of_file(old, |variable| !kept.contains(&variable));
    let mut notes = Vec::new();
    let literals = literals(old, new, &comparison, names, &mut notes);
    inner_literals(old, new, &comparison, names, &mut notes);
    let fields = remarks::new_fields(old, new, &comparison, names, &mut notes);
    let calls = remarks::added_calls(old, new, &comparison);
    let program = program::assemble(new, new_text, &comparison, &added, &fields, calls);
    let restarts = remarks::restarts(old, new, &comparison, &program, names);
    Revision {
        comparison,
        program,
        added,
        dropped,
        literals,
        notes,
        restarts,
    }
}

/// The variables of a whole file that satisfy a condition: parameters and loop variables of the main function are none.
fn of_file(side: Side<'_>, wanted: impl Fn(Variable) -> bool) -> Vec<(usize, String)> {
    side.variables(side.base)
        .filter(|variable| wanted(*variable))
        .map(|variable| (variable.local, side.name(variable)))
        .collect()
}

/// Compares the initialisers of the file's locals.
fn literals(
    old: Side<'_>,
    new: Side<'_>,
    comparison: &Comparison,
    names: Names<'_>,
    notes: &mut Vec<String>,
) -> Vec<Literal> {
    let mut found = Vec::new();
    let of_file: BTreeMap<&Variable, &Variable> = comparison
        .variables
        .iter()
        .filter(|(variable, _)| variable.function == new.base)
        .collect();
    for (variable, old_variable) in of_file {
        let (Some(was), Some(is)) = (old.declared(*old_variable), new.declared(*variable)) else {
            continue;
        };
        let text = |declared: &Declaration| {
            declared
                .initial
                .as_ref()
                .map_or("nil".to_owned(), |initial| initial.text.clone())
        };
        let (before, now) = (text(was), text(is));
        if before == now {
            continue;
        }
        if is_literal(old, was) && is_literal(new, is) {
            found.push(Literal {
                name: is.name.clone(),
                local: variable.local,
                old_local: old_variable.local,
                line: is.line,
                before,
                now,
                is_state: was.assigned,
            });
        } else if !is_compared_elsewhere(was, is) {
            notes.push(format!(
                "local `{}` keeps its value: its initialiser has changed and is not run again ({}:{})",
                is.name, names.new, is.line
            ));
        }
    }
    found
}

/// Tells of literals of variables that functions keep for the closures they make: those that were made keep what they have.
fn inner_literals(old: Side<'_>, new: Side<'_>, comparison: &Comparison, names: Names<'_>, notes: &mut Vec<String>) {
    let functions = 0..new.code.functions.len();
    let captured: BTreeSet<Variable> = functions
        .flat_map(|function| new.code.bindings(function))
        .filter_map(|binding| match binding {
            Some(Binding::Local(variable)) if variable.function != new.base => Some(variable),
            _ => None,
        })
        .collect();
    for variable in captured {
        let before = comparison
            .variables
            .get(&variable)
            .and_then(|before| old.declared(*before));
        let (Some(was), Some(is)) = (before, new.declared(variable)) else {
            continue;
        };
        if let (Some(before), Some(now)) = (&was.initial, &is.initial)
            && (&before.value, &now.value) == (&Value::Literal, &Value::Literal)
            && before.text != now.text
        {
            notes.push(format!(
                "local `{}` of `{}` is {} in what is made from now on; what was made keeps the value that it has ({}:{})",
                is.name,
                new.path(variable.function),
                now.text,
                names.new,
                is.line
            ));
        }
    }
}

/// Without an initialiser it is nil. (One of several results of a call is no literal.)
fn is_literal(side: Side<'_>, declared: &Declaration) -> bool {
    if let Some(initial) = &declared.initial {
        return initial.value == Value::Literal;
    }
    let statements = &side.outline.bodies[0].statements;
    let statement = declared.statement.and_then(|number| statements.get(number));
    matches!(statement.map(|statement| &statement.kind), Some(Kind::Local { values, .. }) if values.is_empty())
}

/// Functions are compared as functions, tables field by field.
fn is_compared_elsewhere(was: &Declaration, is: &Declaration) -> bool {
    let values = (
        was.initial.as_ref().map(|i| &i.value),
        is.initial.as_ref().map(|i| &i.value),
    );
    matches!(
        values,
        (Some(Value::Function(_)), Some(Value::Function(_))) | (Some(Value::Table(_)), Some(Value::Table(_)))
    )
}
