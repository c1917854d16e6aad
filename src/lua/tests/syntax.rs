//! What the syntax tree tells (`patch::syntax`) against what the compiler made of the same text.

mod random;

use std::collections::BTreeSet;

use mlua::Lua;
use mlua::chunk::ChunkMode;

use super::bytecode::random::Random;
use super::bytecode::{dump, parsed, sources};
use crate::patch::bytecode::{Binding, Code, Constant, Proto};
use crate::patch::syntax::{Outline, outline};

/// Instructions that are looked for: globals read and written, variables of outer functions written.
const OP_SETUPVAL: u32 = 10;
const OP_GETTABUP: u32 = 11;
const OP_SETTABUP: u32 = 15;

/// Functions, their parents, lines and parameters, and the variables of each, in the compiler's order.
fn compare(name: &str, code: &Code, outline: &Outline) {
    assert_eq!(outline.functions.len() + 1, code.functions.len(), "{name}");
    for (function, proto) in outline.functions.iter().zip(&code.functions[1..]) {
        let parent = function.parent.map_or(0, |parent| parent + 1);
        assert_eq!(proto.parent, Some(parent), "{name}: {}", function.path);
        assert_eq!(
            (proto.line, proto.last_line),
            function.lines,
            "{name}: {}",
            function.path
        );
        let named = function.params.iter().filter(|param| !param.starts_with("..."));
        assert_eq!(usize::from(proto.params), named.count(), "{name}: {}", function.path);
    }
    for (body, proto) in outline.bodies.iter().zip(&code.functions) {
        let variables = body.declarations.iter().filter(|declaration| !declaration.folded);
        let variables: Vec<&str> = variables.map(|declaration| declaration.name.as_str()).collect();
        let locals: Vec<String> = named_locals(proto).into_iter().map(|(_, name)| name).collect();
        assert_eq!(variables, locals, "{name}, the function of line {}", proto.line);
    }
}

/// The locals of a function that have names in the text, each with its number among all.
fn named_locals(proto: &Proto) -> Vec<(usize, String)> {
    let named = proto
        .locals
        .iter()
        .enumerate()
        .filter(|(_, local)| !local.name.starts_with(b"("));
    named
        .map(|(number, local)| (number, String::from_utf8_lossy(&local.name).into_owned()))
        .collect()
}

#[test]
fn functions_and_variables_are_the_compilers() {
    // (Not a megabyte of one statement: it takes its time and shows nothing new.)
    for (name, text) in sources::all().into_iter().filter(|(_, text)| text.len() < 300_000) {
        compare(&name, &parsed(&dump(&text)), &outline(&text));
    }
    for seed in 1..=200 {
        let text = Random::file(seed).text;
        compare(&text, &parsed(&dump(text.as_bytes())), &outline(text.as_bytes()));
    }
}

#[test]
fn what_is_folded_the_compiler_folds() {
    let mut folded = 0;
    for seed in 1..=150 {
        let text = random::constants(seed);
        let outline = outline(text.as_bytes());
        compare(&text, &parsed(&dump(text.as_bytes())), &outline);
        folded += outline.bodies[0].declarations.iter().filter(|d| d.folded).count();
    }
    assert!(folded > 500, "{folded}");
}

/// Each function's names of globals in an instruction: which operand is the upvalue, and which the name.
fn globals(code: &Code, instruction: u32, upvalue_at: u32, name_at: u32) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for proto in &code.functions {
        for word in proto.code.iter().filter(|&&word| word & 0x7f == instruction) {
            let operand = |at: u32| (word >> at & 0xff) as usize;
            let environment = &*proto.upvalues[operand(upvalue_at)].name == b"_ENV";
            if let (true, Constant::String(name)) = (environment, &proto.constants[operand(name_at)]) {
                names.insert(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    names
}

/// The declarations that are assigned by functions inside their own, as function and place among the named variables.
fn assigned_by_code(code: &Code) -> BTreeSet<(usize, usize)> {
    let mut found = BTreeSet::new();
    for (number, proto) in code.functions.iter().enumerate() {
        for word in proto.code.iter().filter(|&&word| word & 0x7f == OP_SETUPVAL) {
            let upvalue = (word >> 16 & 0xff) as usize;
            if let Some(Binding::Local(declaration)) = code.binding(number, upvalue) {
                let named = named_locals(&code.functions[declaration.function]);
                let place = named.iter().position(|(local, _)| *local == declaration.local);
                found.insert((declaration.function, place.unwrap()));
            }
        }
    }
    found
}

fn assigned_by_tree(outline: &Outline) -> BTreeSet<(usize, usize)> {
    let mut found = BTreeSet::new();
    for (number, body) in outline.bodies.iter().enumerate() {
        let variables = body.declarations.iter().filter(|declaration| !declaration.folded);
        let assigned = variables.enumerate().filter(|(_, declaration)| declaration.assigned);
        found.extend(assigned.map(|(place, _)| (number, place)));
    }
    found
}

#[test]
fn every_name_means_what_it_means_to_the_compiler() {
    let lua = Lua::new();
    let (mut compiled, mut locals, mut written) = (0, 0, 0);
    for seed in 1..=250 {
        let text = random::assignments(seed);
        // Some do not compile: they assign what is constant.
        let function = lua.load(&*text).set_mode(ChunkMode::Text).into_function();
        let Ok(function) = function else { continue };
        compiled += 1;
        let code = parsed(&function.dump(false));
        let outline = outline(text.as_bytes());
        compare(&text, &code, &outline);
        let assigned = assigned_by_tree(&outline);
        assert_eq!(assigned, assigned_by_code(&code), "{text}");
        locals += assigned.len();
        let writes: BTreeSet<String> = outline.writes.iter().cloned().collect();
        written += writes.len();
        assert_eq!(writes, globals(&code, OP_SETTABUP, 7, 16), "{text}");
        let reads: BTreeSet<String> = outline.reads.iter().map(|read| read.name.clone()).collect();
        let read = globals(&code, OP_GETTABUP, 16, 24);
        assert!(reads.is_subset(&read), "{reads:?} {read:?} {text}");
        // What a `global` declaration explains is no free name.
        let declared = |name: &str| text.contains(&format!("global {name}"));
        assert!(read.iter().all(|name| reads.contains(name) || declared(name)), "{text}");
    }
    assert!(
        compiled > 150 && locals > 200 && written > 200,
        "{compiled} {locals} {written}"
    );
}
