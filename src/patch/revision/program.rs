//! What of a new version is run once: pieces of its text, each on its own line, in a program of their own.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::patch::bytecode::{Binding, Declaration};
use crate::patch::compare::{Comparison, Side};
use crate::patch::revision::remarks::NewField;
use crate::patch::syntax::{Declaration as Declared, Expression, Kind, Statement, Target, Value};

/// The name under which a program is given the test whether a key may be added: `absent(place, table, key, …)`.
pub const ABSENT: &str = "__hotlua_absent";

/// Stands for a variable that has its value already.
const SINK: &str = "__hotlua_sink";

/// Statements that are run once in every instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The text; empty if there is nothing to run.
    pub text: Vec<u8>,
    /// The functions in it, in order: their numbers among the functions of the whole file.
    pub functions: Vec<usize>,
    /// Where the calls stand that it makes: what is required, what is asked of the module `hotfix`.
    pub calls: Vec<Range<usize>>,
}

/// A piece of the file, and what is put around it.
struct Piece {
    head: String,
    range: Range<usize>,
    tail: &'static str,
}

impl Piece {
    fn statement(range: Range<usize>) -> Piece {
        Piece {
            head: String::new(),
            range,
            tail: "",
        }
    }

    fn assignment(target: &str, value: &Expression) -> Piece {
        Piece {
            head: format!("{target}="),
            range: value.range.clone(),
            tail: "",
        }
    }
}

/// Puts the program together: initialisers of the variables in `added`, new functions, new fields, added calls.
pub(super) fn assemble(
    new: Side<'_>,
    text: &[u8],
    comparison: &Comparison,
    added: &[(usize, String)],
    fields: &[NewField],
    calls: Vec<Range<usize>>,
) -> Program {
    let mut pieces = initialisers(new, text, added);
    // One that means a variable of a block alone would find another of that name, or none.
    let reachable = |function: &usize| {
        let bindings = new.code.bindings(*function).into_iter();
        bindings.flatten().all(|binding| match binding {
            Binding::Local(variable) if variable.function == new.base => {
                let is_added = added.iter().any(|(local, _)| *local == variable.local);
                is_added || is_visible(new, variable)
            }
            _ => true,
        })
    };
    let new_functions = comparison.added.iter().filter(|function| reachable(function));
    let functions: BTreeSet<usize> = new_functions.filter_map(|function| new.function(*function)).collect();
    for statement in new.outline.bodies[0].flat() {
        definitions(statement, &functions, &mut pieces);
    }
    pieces.extend(fields.iter().map(|field| Piece {
        head: format!(
            "if {ABSENT}({:?},{}{}) then {}=",
            field.place(),
            field.root,
            field.arguments(),
            field.place()
        ),
        range: field.value.clone(),
        tail: " end",
    }));
    pieces.extend(calls.iter().cloned().map(Piece::statement));
    pieces.sort_by_key(|piece| piece.range.start);
    let inside = |range: &Range<usize>| {
        pieces
            .iter()
            .any(|p| p.range.start <= range.start && range.end <= p.range.end)
    };
    let functions = new
        .outline
        .functions
        .iter()
        .enumerate()
        .filter(|(_, f)| inside(&f.range))
        .map(|(n, _)| n)
        .collect();
    Program {
        text: written(text, &pieces),
        functions,
        calls,
    }
}

/// Whether the end of the file sees a variable of it.
fn is_visible(side: Side<'_>, variable: Declaration) -> bool {
    let outermost = |other: &Declaration| side.declared(*other).is_some_and(|declared| declared.outermost);
    let mut later = side.variables(side.base).filter(|other| other.local > variable.local);
    let name = side.name(variable);
    outermost(&variable) && !later.any(|other| outermost(&other) && side.name(other) == name)
}

/// The pieces one after the other, each on its line.
fn written(text: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let (mut out, mut read) = (Vec::new(), 0);
    for piece in pieces {
        let newlines = |part: &[u8]| part.iter().filter(|b| **b == b'\n').count();
        // What lies between two pieces counts only for its lines.
        let start = piece.range.start.max(read);
        out.extend(std::iter::repeat_n(b'\n', newlines(&text[read..start])));
        out.extend_from_slice(piece.head.as_bytes());
        out.extend_from_slice(&text[start..piece.range.end.max(start)]);
        out.extend_from_slice(piece.tail.as_bytes());
        out.push(b';');
        read = piece.range.end.max(start);
    }
    out
}

fn initialisers(new: Side<'_>, text: &[u8], added: &[(usize, String)]) -> Vec<Piece> {
    let is_added = |local: usize| added.iter().any(|(number, _)| *number == local);
    let body = &new.outline.bodies[0];
    let variables: Vec<_> = new
        .variables(new.base)
        .map(|variable| variable.local)
        .zip(body.declarations.iter().filter(|d| !d.folded))
        .collect();
    let (mut pieces, mut done) = (Vec::new(), BTreeSet::new());
    for (local, declared) in &variables {
        let statement = declared.statement.map(|number| (number, &body.statements[number]));
        match (statement, &declared.initial) {
            _ if !is_added(*local) => {}
            // `function f() … end` with its variable's own name: an assignment to it.
            (
                Some((
                    _,
                    Statement {
                        kind: Kind::LocalFunction { .. },
                        range,
                        ..
                    },
                )),
                _,
            ) => {
                let word = text[range.clone()]
                    .windows(8)
                    .position(|part| part == b"function")
                    .unwrap_or_default();
                pieces.push(Piece::statement(range.start + word..range.end));
            }
            (
                Some((
                    number,
                    Statement {
                        kind: Kind::Local { values, .. },
                        ..
                    },
                )),
                initial,
            ) => {
                let of_statement: Vec<_> = variables.iter().filter(|(_, d)| d.statement == Some(number)).collect();
                let place = of_statement
                    .iter()
                    .position(|(other, _)| other == local)
                    .unwrap_or_default();
                let several = of_statement.len() > values.len() && place + 1 >= values.len();
                match (values.last(), initial) {
                    // The last expression gives values to all that are left.
                    (Some(last), _) if several => {
                        if done.insert(number) {
                            pieces.push(several_from(last, &of_statement[values.len() - 1..], is_added));
                        }
                    }
                    (_, Some(initial)) => pieces.push(Piece::assignment(&declared.name, initial)),
                    _ => {}
                }
            }
            (_, Some(initial)) => pieces.push(Piece::assignment(&declared.name, initial)),
            _ => {}
        }
    }
    pieces
}

/// One expression whose values go to several variables; those that are not added keep theirs.
fn several_from(value: &Expression, variables: &[&(usize, &Declared)], is_added: impl Fn(usize) -> bool) -> Piece {
    let name = |(local, declared): &&(usize, &Declared)| match is_added(*local) {
        true => declared.name.clone(),
        false => SINK.to_owned(),
    };
    let names: Vec<String> = variables.iter().map(name).collect();
    Piece {
        head: format!("do local {SINK};{}=", names.join(",")),
        range: value.range.clone(),
        tail: " end",
    }
}

/// New functions at the file's own level.
fn definitions(statement: &Statement, functions: &BTreeSet<usize>, pieces: &mut Vec<Piece>) {
    match &statement.kind {
        Kind::Function { function, .. } if functions.contains(function) => {
            pieces.push(Piece::statement(statement.range.clone()));
        }
        Kind::Assign { targets, values } => {
            let is_new =
                |value: &Expression| matches!(&value.value, Value::Function(function) if functions.contains(function));
            let named = targets.iter().zip(values).filter(|(_, value)| is_new(value));
            pieces.extend(named.map(|(Target { text, .. }, value)| Piece::assignment(text, value)));
        }
        _ => {}
    }
}
