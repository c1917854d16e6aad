//! What of a new version is run once: pieces of its text, each on its own line, in a program of their own.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::patch::compare::{Comparison, Side};
use crate::patch::revision::remarks::NewField;
use crate::patch::syntax::{Expression, Kind, Statement, Target, Value};

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

    /// One expression whose values go to several variables.
    fn several(names: &[&str], value: &Expression) -> Piece {
        Piece {
            head: format!("do local {SINK};{}=", names.join(",")),
            range: value.range.clone(),
            tail: " end",
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
    calls: &[usize],
) -> Program {
    let mut pieces = initialisers(new, text, added);
    let functions: BTreeSet<usize> = comparison
        .added
        .iter()
        .filter_map(|function| new.function(*function))
        .collect();
    for statement in &new.outline.bodies[0].statements {
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
    pieces.extend(
        calls
            .iter()
            .map(|number| Piece::statement(new.outline.bodies[0].statements[*number].range.clone())),
    );
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
    }
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
                        kind: Kind::Local { names, values },
                        ..
                    },
                )),
                initial,
            ) if values.len() < names.len() => match (initial, values.last()) {
                (Some(initial), Some(last)) if initial.range != last.range => {
                    pieces.push(Piece::assignment(&declared.name, initial));
                }
                // The last value is that of all the names that are left.
                (_, Some(last)) if done.insert(number) => {
                    let of_statement = variables.iter().filter(|(_, d)| d.statement == Some(number));
                    let left = of_statement
                        .filter(|(_, d)| d.initial.as_ref().is_none_or(|own| own.range == last.range))
                        .map(|(local, d)| if is_added(*local) { d.name.as_str() } else { SINK });
                    pieces.push(Piece::several(&left.collect::<Vec<_>>(), last));
                }
                _ => {}
            },
            (_, Some(initial)) => pieces.push(Piece::assignment(&declared.name, initial)),
            _ => {}
        }
    }
    pieces
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
