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
    /// Variables of blocks alone that it means: name, number among the locals of the new main function, and of the old one.
    pub needs: Vec<(String, usize, usize)>,
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
    let mut needs = Vec::new();
    let mut functions: BTreeSet<usize> = BTreeSet::new();
    for &function in &comparison.added {
        let hidden = hidden_variables(new, comparison, added, function);
        let clashes = |variable: &Declaration| {
            let name = new.name(*variable);
            needs.iter().any(|(_, local, _)| {
                *local != variable.local
                    && new.name(Declaration {
                        local: *local,
                        ..*variable
                    }) == name
            })
        };
        if let Some(hidden) = hidden.filter(|hidden| !hidden.iter().any(|(variable, _)| clashes(variable))) {
            needs.extend(
                hidden
                    .iter()
                    .map(|(variable, before)| (new.name(*variable), variable.local, before.local)),
            );
            functions.extend(new.function(function));
        }
    }
    needs.sort_unstable();
    needs.dedup();
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
        needs,
    }
}

/// The variables of blocks alone that a new function means, each with the old one that it is; `None` if one of them could not be told
/// from others by its name.
fn hidden_variables(
    new: Side<'_>,
    comparison: &Comparison,
    added: &[(usize, String)],
    function: usize,
) -> Option<Vec<(Declaration, Declaration)>> {
    let mut hidden = Vec::new();
    for binding in new.code.bindings(function) {
        match binding? {
            Binding::Local(variable) if variable.function == new.base => {
                let is_added = added.iter().any(|(local, _)| *local == variable.local);
                if is_added || new.is_visible(variable) {
                    continue;
                }
                let name = new.name(variable);
                if new
                    .variables(new.base)
                    .any(|other| new.is_visible(other) && new.name(other) == name)
                {
                    return None;
                }
                hidden.push((variable, *comparison.variables.get(&variable)?));
            }
            _ => {}
        }
    }
    Some(hidden)
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

/// A statement of the file that declares locals, and those that are variables (a folded constant is none), each with its number.
pub(super) struct Declaring<'a> {
    statement: &'a Statement,
    pub variables: Vec<(usize, &'a Declared)>,
}

/// The statements of the file, and of its plain blocks, that declare locals. (What a loop or a condition declares is not the file's.)
pub(super) fn declaring(side: Side<'_>) -> Vec<Declaring<'_>> {
    let body = &side.outline.bodies[0];
    let mut numbers = side.variables(side.base).map(|variable| variable.local);
    let mut declarations = body
        .declarations
        .iter()
        .map(|declared| (if declared.folded { None } else { numbers.next() }, declared));
    let mut found = Vec::new();
    for statement in body.flat() {
        let names = match &statement.kind {
            Kind::Local { names, .. } => names.as_slice(),
            Kind::LocalFunction { name, .. } => std::slice::from_ref(name),
            _ => continue,
        };
        let is_here = |declared: &Declared| (statement.lines.0..=statement.lines.1).contains(&declared.line);
        let mut next = |name: &String| declarations.find(|(_, declared)| declared.name == *name && is_here(declared));
        let variables = names
            .iter()
            .filter_map(|name| next(name).and_then(|(number, declared)| Some((number?, declared))));
        found.push(Declaring {
            variables: variables.collect(),
            statement,
        });
    }
    found
}

fn initialisers(new: Side<'_>, text: &[u8], added: &[(usize, String)]) -> Vec<Piece> {
    let is_added = |local: &usize| added.iter().any(|(number, _)| number == local);
    let mut pieces = Vec::new();
    for Declaring { statement, variables } in declaring(new) {
        let wanted: Vec<&Declared> = variables
            .iter()
            .filter(|(local, _)| is_added(local))
            .map(|(_, d)| *d)
            .collect();
        match &statement.kind {
            _ if wanted.is_empty() => {}
            // `function f() … end` with its variable's own name: an assignment to it.
            Kind::LocalFunction { .. } => {
                let range = statement.range.clone();
                let word = text[range.clone()].windows(8).position(|part| part == b"function");
                pieces.push(Piece::statement(range.start + word.unwrap_or_default()..range.end));
            }
            Kind::Local { values, names } => match (values.first(), values.last()) {
                // Several names for the results of one call.
                (Some(first), Some(last)) if names.len() > values.len() => {
                    let name = |name: &String| {
                        if wanted.iter().any(|d| d.name == *name) {
                            name.clone()
                        } else {
                            SINK.to_owned()
                        }
                    };
                    pieces.push(Piece {
                        head: format!(
                            "do local {SINK};{}=",
                            names.iter().map(name).collect::<Vec<_>>().join(",")
                        ),
                        range: first.range.start..last.range.end,
                        tail: " end",
                    });
                }
                _ => {
                    let initial = wanted.iter().filter_map(|d| Some((d, d.initial.as_ref()?)));
                    pieces.extend(initial.map(|(d, initial)| Piece::assignment(&d.name, initial)));
                }
            },
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
