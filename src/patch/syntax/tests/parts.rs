//! Statements and expressions.

use crate::patch::syntax::tests::of;
use crate::patch::syntax::{Expression, Field, Kind, Statement, Value, outline};

/// What a value is, in a few words.
fn told(expression: &Expression) -> String {
    match &expression.value {
        Value::Literal => format!("literal {}", expression.text),
        Value::Function(number) => format!("function {number}"),
        Value::Table(fields) => {
            let field = |field: &Field| format!("{} {}", field.key.as_deref().unwrap_or("?"), told(&field.value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Require(name) => format!("module {name}"),
        Value::Other => format!("other {}", expression.text),
    }
}

fn all_told(expressions: &[Expression]) -> String {
    expressions.iter().map(told).collect::<Vec<_>>().join("; ")
}

fn shown(statement: &Statement) -> String {
    match &statement.kind {
        Kind::Local { names, values } => format!("local {} = {}", names.join(","), all_told(values)),
        Kind::LocalFunction { name, function } => format!("local function {name} {function}"),
        Kind::Function { target, function } => format!("function {} {function}", target.text),
        Kind::Assign { targets, values } => {
            let targets: Vec<&str> = targets.iter().map(|target| target.text.as_str()).collect();
            format!("{} = {}", targets.join(","), all_told(values))
        }
        Kind::Return { values } => format!("return {}", all_told(values)),
        Kind::Call { callee, arguments } => format!("call {callee} {}", all_told(arguments)),
        Kind::Global => "global".to_owned(),
        Kind::Block { statements } => format!("do {}", statements.iter().map(shown).collect::<Vec<_>>().join("; ")),
        Kind::Other => "other".to_owned(),
    }
}

fn statements(text: &str) -> Vec<String> {
    of(text).bodies[0].statements.iter().map(shown).collect()
}

#[test]
fn statements_are_told_apart() {
    let text = "local a, b = 1, f() local c local function d() end function M:e() end M.f, g[i] = 1, function() end
M.log('x', 2) obj:hit{} global h, i = 1 global function j() end ;; goto k ::k:: do local l end return a, {}";
    let expected = [
        "local a,b = literal 1; other f ( )",
        "local c = ",
        "local function d 0",
        "function M.e 1",
        "M.f,g[i] = literal 1; function 2",
        "call M.log literal 'x'; literal 2",
        "call :hit {}",
        "global",
        "function j 3",
        "other",
        "other",
        "other",
        "do local l = ",
        "return other a; {}",
    ];
    assert_eq!(statements(text), expected);
    let flat = of("a() do do b() end c() end d()");
    let flat: Vec<String> = flat.bodies[0].flat().into_iter().map(shown).collect();
    assert_eq!(flat, ["call a ", "call b ", "call c ", "call d "]);
    assert_eq!(of("function f() a = 1 return end").bodies[1].statements.len(), 2);
}

#[test]
fn values_are_told_apart() {
    let cases = [
        ("-1 + 2 * 3", "literal - 1 + 2 * 3"),
        ("('a' .. 'b')", "literal ( 'a' .. 'b' )"),
        ("not nil", "literal not nil"),
        ("#'a'", "other # 'a'"),
        ("1 + x", "other 1 + x"),
        ("...", "other ..."),
        ("require 'a.b'", "module a.b"),
        ("require('a')", "module a"),
        ("require [[a]]", "module a"),
        ("require 'a'.b", "other require 'a' . b"),
        ("require(a)", "other require ( a )"),
        ("f.require 'a'", "other f . require 'a'"),
        ("(function() return 1 end)()", "other ( function a:call ) ( )"),
        ("{}", "{}"),
        (
            "{ 1, x = 2, ['y'] = 3, ['y z'] = 4; [5] = 6, [2.0] = 0, [k] = 7, [true] = 8, f(), { z = function() end } }",
            "{[1] literal 1, .x literal 2, .y literal 3, [\"y z\"] literal 4, [5] literal 6, [2] literal 0, ? literal 7, \
             [true] literal 8, [2] other f ( ), [3] {.z function 0}}",
        ),
    ];
    for (text, expected) in cases {
        let found = of(&format!("local a = {text}"));
        let initial = found.bodies[0].declarations[0].initial.as_ref();
        assert_eq!(initial.map(told).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn texts_are_words_without_comments() {
    let text = "local  a --x\n = --[[y]] { f=function() return 1 end } ; -- z\n\nfunction M.x(a) return a end local function g() end -- end";
    let outline = of(text);
    let found = &outline.bodies[0].statements;
    assert_eq!(found[0].text, "local a = { f = function a.f }");
    assert_eq!(
        &text[found[0].range.clone()],
        "local  a --x\n = --[[y]] { f=function() return 1 end }"
    );
    assert_eq!(found[0].lines, (1, 2));
    assert_eq!(found[1].text, "function M . x");
    assert_eq!(found[2].text, "local function g");
    assert!(text[found[2].range.clone()].ends_with("() end"));
    let other_words = |text: &str| of(text).bodies[0].statements[0].text.clone();
    assert_eq!(
        other_words("if x then f(function() return 1 end) end"),
        "if x then f ( function f(1) ) end"
    );
    let initial = of("local a = 1 -- one\n-- more\n").bodies[0].declarations[0]
        .initial
        .clone()
        .unwrap();
    assert_eq!((initial.range, initial.lines), (10..11, (1, 1)));
}

#[test]
fn bytes_that_are_no_utf_8_still_tell_texts_apart() {
    let one = outline(b"local a = '\xe9' -- \xe9\nreg('\xe9', function() end)");
    let two = outline(b"local a = '\xe8' -- \xe9\nreg('\xe8', function() end)");
    assert_eq!(one.bodies[0].statements[0].text, "local a = '\\xE9'");
    assert_ne!(one.bodies[0].statements[0].text, two.bodies[0].statements[0].text);
    assert_eq!(one.functions[0].key, "reg(\"\\233\", 2)");
    assert_ne!(one.functions[0].key, two.functions[0].key);
}

#[test]
fn targets_have_paths_where_constants_lead_there() {
    let cases: &[(&str, &str, Option<&[&str]>)] = &[
        ("M = 1", "M", Some(&["M"])),
        ("M.a['b'].c = 1", "M.a.b.c", Some(&["M", ".a", ".b", ".c"])),
        ("M [ 'x y' ] [3] = 1", "M[\"x y\"][3]", Some(&["M", "[\"x y\"]", "[3]"])),
        ("M[1 + 2] = 1", "M[3]", Some(&["M", "[3]"])),
        ("M[i].x = 1", "M[i].x", None),
        ("f(1).x = 1", "f(1).x", None),
        ("M[nil] = 1", "M[nil]", None),
        ("function M.a:b() end", "M.a.b", Some(&["M", ".a", ".b"])),
    ];
    for (text, written, path) in cases {
        let mut statements = of(text).bodies.swap_remove(0).statements;
        let target = match statements.remove(0).kind {
            Kind::Assign { mut targets, .. } => targets.remove(0),
            Kind::Function { target, .. } => target,
            _ => panic!("{text}"),
        };
        assert_eq!(target.text, *written);
        let found = target.path.map(|path| [vec![path.root], path.keys].concat());
        assert_eq!(
            found
                .as_deref()
                .map(|path| path.iter().map(String::as_str).collect::<Vec<_>>())
                .as_deref(),
            *path,
            "{text}"
        );
    }
}
