//! Which variables there are, and what is done with them.

use crate::patch::syntax::Declaration;
use crate::patch::syntax::tests::of;

/// Each declaration of a body: `name`, with `=` and its initial expression, and letters for what is true of it.
fn declarations(text: &str, body: usize) -> Vec<String> {
    let told = |declaration: &Declaration| {
        let mut told = declaration.name.clone();
        let facts = [
            (declaration.fixed, 'f'),
            (declaration.folded, 'c'),
            (declaration.outermost, 'o'),
            (declaration.assigned, 'a'),
        ];
        told.push(' ');
        told.extend(facts.iter().filter(|(fact, _)| *fact).map(|(_, letter)| letter));
        if let Some(number) = declaration.statement {
            told.push_str(&format!("{number}"));
        }
        if let Some(initial) = &declaration.initial {
            told.push_str(&format!(" = {}", initial.text));
        }
        told
    };
    of(text).bodies[body].declarations.iter().map(told).collect()
}

#[test]
fn declarations_are_told_in_the_order_of_the_compiler() {
    let text = "local a, b, c = 1, f()\nlocal function g(x, ...t) local y = x end\nfor i = 1, 2 do end\nfor k, v in pairs(a) do local in_loop = k end
do local hidden = 1 end local d <close>, e <const> = nil, 5\nrepeat local r until r";
    let expected = [
        "a o0 = 1",
        "b o0 = f ( )",
        "c o0",
        "g o1",
        "i ",
        "k ",
        "v ",
        "in_loop  = k",
        "hidden  = 1",
        "d fo5 = nil",
        "e fco5 = 5",
        "r ",
    ];
    assert_eq!(declarations(text, 0), expected);
    assert_eq!(declarations(text, 1), ["x o", "t o", "y o0 = x"]);
    assert_eq!(declarations("function a:b(c) end", 1), ["self o", "c o"]);
    let lines: Vec<u32> = of("local a,\n b\nfunction M\n:f\n(\n c) end")
        .bodies
        .iter()
        .flat_map(|b| &b.declarations)
        .map(|d| d.line)
        .collect();
    assert_eq!(lines, [1, 2, 5, 6]);
}

#[test]
fn an_assignment_counts_for_the_very_declaration() {
    let text = "local a = 1 local a = 2 local b, c, d, e, f\nfunction M.x() a = 3 local b = 1 b = 2 end
function c() end d.x = 1 e, f = 1, 2 do global f f = 1 end";
    let told: Vec<String> = declarations(text, 0);
    assert_eq!(
        told,
        ["a o0 = 1", "a oa1 = 2", "b o2", "c oa2", "d o2", "e oa2", "f oa2"]
    );
    assert_eq!(declarations(text, 1), ["b oa1 = 1"]);
    assert_eq!(
        declarations("local x do global x x = 1 end local function y() y = 1 end", 0),
        ["x o0", "y oa2"]
    );
    assert_eq!(
        declarations("local n for i = 1, n do n = i end repeat local n n = 1 until n", 0),
        ["n oa0", "i ", "n a"]
    );
}

/// Expressions that the compiler makes constants of, and some that it does not.
const FOLDED: &[&str] = &[
    "5",
    "nil",
    "true",
    "'s'",
    "[[s]]",
    "-5",
    "~5",
    "not nil",
    "not 's'",
    "2 ^ 3 // 1",
    "(7)",
    "1 << 63",
    "7 // -2 + 7 % -2",
    "K",
    "K + 1",
    "-K",
    "true and 5",
    "false or 's'",
    "nil or K",
    "(f() and nil) or 6",
    "(x or 5) and 6",
    "0x10 & 1.0",
    "0.0",
];
const KEPT: &[&str] = &[
    "'a' .. 'b'",
    "#'a'",
    "-'5'",
    "{}",
    "f()",
    "x",
    "1 // 0",
    "1.5 & 1",
    "1 - 1.0",
    "0/0",
    "1 < 2",
    "1 == 1",
    "nil and 5",
    "5 or 6",
    "f() and 5",
    "...",
    "V",
    "S + 1",
    "(nil and 5) or 6",
    "not f()",
    "function() end",
    "-0.0",
];

#[test]
fn what_the_compiler_folds_is_told() {
    for (expressions, folded) in [(FOLDED, true), (KEPT, false)] {
        for expression in expressions {
            let text = format!("local S <const>, K <const> = 's', 3 local V = 1 local it <const> = {expression}");
            let last = of(&text).bodies[0].declarations.pop().unwrap();
            assert_eq!(
                (last.name.as_str(), last.folded, last.fixed),
                ("it", folded, true),
                "{expression}"
            );
        }
    }
    let told = declarations(
        "local <const> a, b = 1, 2 local c <const>, d <const> = 1 local e <const> = 1, 2 local g <const>, h = 1, 2",
        0,
    );
    assert_eq!(
        told,
        [
            "a fo0 = 1",
            "b fco0 = 2",
            "c fo1 = 1",
            "d fo1",
            "e fo2 = 1",
            "g fo3 = 1",
            "h o3 = 2"
        ]
    );
    assert_eq!(declarations("local <const> a <close> = nil", 0), ["a fo0 = nil"]);
}

#[test]
fn globals_that_are_assigned_are_told_once() {
    let text = "a = 1 a = 2 function b() c = 1 end function M.d() end global e = 1 global f\nglobal function g() end f = 2 local l l = 1 t.x = 1 _ENV = {}";
    assert_eq!(of(text).writes, ["a", "b", "c", "e", "g", "f"]);
    let names = of("local a, b global a").locals;
    assert_eq!(
        names.len(),
        1,
        "a name that means a global at the end is no local there"
    );
}

#[test]
fn calls_and_loops_belong_to_the_function_that_makes_them() {
    let text = "f(1)\nlocal x = M.price\n(a,\n b):get'x'\nwhile g() do\n  for i = 1, 2 do M['y z'].h{} end\nend\nreg(function() inner() repeat until 1 end)";
    let outline = of(text);
    let calls: Vec<(&str, u32, u32)> = outline.bodies[0]
        .calls
        .iter()
        .map(|c| (c.name.as_str(), c.line, c.last_line))
        .collect();
    let expected = [
        ("f", 1, 1),
        (":get", 4, 4),
        ("M.price", 2, 4),
        ("g", 5, 5),
        ("M[\"y z\"].h", 6, 6),
        ("reg", 8, 8),
    ];
    assert_eq!(calls, expected);
    assert_eq!(outline.bodies[0].loops, [(5, 7), (6, 6)]);
    assert_eq!(outline.bodies[1].calls[0].name, "inner");
    assert_eq!(outline.bodies[1].loops, [(8, 8)]);
}
