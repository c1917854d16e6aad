//! Each upvalue is found to be the variable that the text means.

use super::random::Random;
use super::{code, dump, parsed, sources, upvalue};
use crate::patch::bytecode::{Binding, Code, Declaration};

/// The declaration that upvalue `name` of a function is: (function, number of the local).
fn declared(code: &Code, function: usize, name: &str) -> (usize, usize) {
    match code.binding(function, upvalue(&code.functions[function], name)) {
        Some(Binding::Local(Declaration { function, local })) => {
            assert_eq!(*code.functions[function].locals[local].name, *name.as_bytes());
            (function, local)
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_last_declaration_before_the_use_counts() {
    let code = code("local a = 1 local f = function() return a end local a = a local g = function() return a end");
    assert_eq!(declared(&code, 1, "a"), (0, 0));
    assert_eq!(declared(&code, 2, "a"), (0, 2));
}

#[test]
fn blocks_on_one_line_are_told_apart() {
    let text = "local f, g do local cache = {} f = function() return cache end end do local cache = {} g = function() return cache end end";
    let code = code(text);
    assert_eq!(declared(&code, 1, "cache"), (0, 2));
    assert_eq!(declared(&code, 2, "cache"), (0, 3));
    assert!(code.same_body(1, &code, 2));
    assert_ne!(code.bindings(1), code.bindings(2));
}

#[test]
fn only_a_local_function_sees_itself() {
    let code = code("local function f() return f() end local x = 0 local x = function() return x end");
    assert_eq!(declared(&code, 1, "f"), (0, 0));
    assert_eq!(declared(&code, 2, "x"), (0, 1));
    let only = super::code("local x = function() return x end");
    assert_eq!(only.bindings(1), [Some(Binding::Main(0))]);
}

#[test]
fn loop_variables_and_hidden_ones_keep_the_count() {
    let text =
        "for i = 1, 2 do f(function() return i end) end for k, v in f do local w f(function() return v, w, k end) end";
    let code = code(text);
    assert_eq!(declared(&code, 1, "i"), (0, 2));
    assert_eq!(
        [
            declared(&code, 2, "k"),
            declared(&code, 2, "v"),
            declared(&code, 2, "w")
        ],
        [(0, 6), (0, 7), (0, 8)]
    );
    let repeated = super::code("repeat local x local y until (function() return y end)()");
    assert_eq!(declared(&repeated, 1, "y"), (0, 1));
}

#[test]
fn parameters_and_named_rests_are_locals() {
    let code = code(
        "function m:f(a, ...t) return function() return self, a, t end end function g(...) local b return function() return b end end",
    );
    let found = ["self", "a", "t"].map(|name| declared(&code, 2, name));
    assert_eq!(found, [(1, 0), (1, 1), (1, 2)]);
    // `...` without a name is a hidden local.
    assert_eq!(declared(&code, 4, "b"), (3, 1));
}

#[test]
fn an_upvalue_of_an_upvalue_is_followed_to_its_local() {
    let code =
        code("local a, b return function() return function() return function() local b return b, a, print end end end");
    assert_eq!(declared(&code, 3, "a"), (0, 0));
    let env = upvalue(&code.functions[3], "_ENV");
    assert_eq!(code.binding(3, env), Some(Binding::Main(0)));
    assert_eq!(code.binding(3, 2), None);
    assert_eq!(code.binding(99, 0), None);
    assert_eq!(code.bindings(0), [Some(Binding::Main(0))]);
    let own = super::code("local _ENV = {} return function() return x end");
    assert_eq!(declared(&own, 1, "_ENV"), (0, 0));
}

#[test]
fn folded_constants_and_globals_take_no_place() {
    let code = code(
        "local a <const> = 1 local b <const> = {} global print; local c <close> = nil return function() return a, c, b, print end",
    );
    assert_eq!(declared(&code, 1, "b"), (0, 0));
    assert_eq!(declared(&code, 1, "c"), (0, 1));
    assert_eq!(code.functions[1].upvalues.len(), 3);
}

#[test]
fn every_upvalue_has_the_name_of_what_it_is() {
    for (name, text) in sources::all() {
        let code = parsed(&dump(&text));
        for (number, function) in code.functions.iter().enumerate() {
            assert_eq!(code.bindings(number).len(), function.upvalues.len());
            for (binding, upvalue) in code.bindings(number).into_iter().zip(&function.upvalues) {
                let found = match binding {
                    Some(Binding::Local(at)) => &code.functions[at.function].locals[at.local].name,
                    Some(Binding::Main(_)) => &code.functions[0].upvalues[0].name,
                    None => panic!("{name}: function {number} has an upvalue without binding"),
                };
                assert_eq!(*found, upvalue.name, "{name}");
            }
        }
    }
}

/// Random files with two names only, so that nearly every declaration hides another; the generator knows what each use means.
#[test]
fn random_scopes_are_resolved_as_written() {
    let mut checked = 0;
    for seed in 1..=400 {
        let file = Random::file(seed);
        let code = code(&file.text);
        assert_eq!(code.functions.len(), file.functions, "seed {seed}:\n{}", file.text);
        for (function, name, expected) in &file.uses {
            let found = declared(&code, *function, name);
            assert_eq!(
                found, *expected,
                "seed {seed}: {name} in function {function} of:\n{}",
                file.text
            );
            checked += 1;
        }
    }
    assert!(checked > 5000, "only {checked} uses");
}
