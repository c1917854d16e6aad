//! What identifies a function, and what it is called.

use crate::patch::syntax::tests::of;

/// Texts, and the keys of their functions.
const KEYS: &[(&str, &[&str])] = &[
    ("local function f() end local g = function() end", &["f", "g"]),
    (
        "function a() end function a.b.c() end function a.b:d() end",
        &["a", "a.b.c", "a.b.d"],
    ),
    (
        "a.b.c = function() end a['b']['x y'] = function() end a[3] = function() end",
        &["a.b.c", "a.b[\"x y\"]", "a[3]"],
    ),
    (
        "local a = { b = { c = function() end }, ['d'] = function() end, [-1] = function() end }",
        &["a.b.c", "a.d", "a[-1]"],
    ),
    (
        "a.b = { c = function() end, function() end, 5, function() end, [k] = function() end }",
        &["a.b.c", "a.b[1]", "a.b[3]", "a.b[k]"],
    ),
    ("x, M.y = function() end, function() end", &["x", "M.y"]),
    ("local x, y = 1, function() end, function() end", &["y", "y:3"]),
    ("return function() end, function() end", &["<return>", "<return 2>"]),
    (
        "return { f = function() end, function() end }",
        &["<return>.f", "<return>[1]"],
    ),
    ("skynet.start(function() end)", &["skynet.start(1)"]),
    (
        "skynet.dispatch('lua', function() end)",
        &["skynet.dispatch(\"lua\", 2)"],
    ),
    ("reg([[buy]], function() end, 2.0)", &["reg(\"buy\", 2.0, 2)"]),
    (
        "obj:on('tick', function() end) a.b['c'] (function() end)",
        &["obj:on(\"tick\", 2)", "a.b.c(1)"],
    ),
    (
        "setmetatable({}, { __index = function() end })",
        &["setmetatable(2).__index"],
    ),
    (
        "reg('x', { f = function() end }) class 'Foo' { f = function() end }",
        &["reg(\"x\", 2).f", "class(\"Foo\")(1).f"],
    ),
    (
        "local cb = a or function() end cb = x and function() end or function() end",
        &["cb:or", "cb:or:and", "cb:or"],
    ),
    ("(function() end)() local m = (function() end)()", &["<call>", "m:call"]),
    ("return a or function() end", &["<return>:or"]),
    (
        "t[i] = function() end t[function() end] = 1",
        &["t[i]", "<target>:index"],
    ),
    (
        "if function() end then elseif f(function() end) then end",
        &["<if>", "f(1)"],
    ),
    (
        "while function() end do end for k in function() end do end repeat until function() end",
        &["<while>", "<for>", "<until>"],
    ),
    ("do if x then for i = 1, 2 do function a.b() end end end end", &["a.b"]),
    ("global function f() end global g = function() end", &["f", "g"]),
    ("f(function() end):g(function() end)", &["f(1)", "f():g(1)"]),
    ("local a = { [function() end] = 1 }", &["a:key"]),
    ("f { g = function() end }", &["f(1).g"]),
    ("a.b --[[x]] .c\n= function() end", &["a.b.c"]),
    ("local s = '\\65' reg('\\65', function() end)", &["reg(\"A\", 2)"]),
];

#[test]
fn keys_say_where_a_function_is_bound() {
    for (text, expected) in KEYS {
        let mut keys: Vec<String> = of(text).functions.into_iter().map(|f| f.key).collect();
        // Inner ones come after those around them, not in the order of their endings.
        keys.truncate(expected.len());
        assert_eq!(keys, *expected, "{text}");
    }
}

#[test]
fn a_long_list_of_functions_is_counted_once() {
    let text = format!("local t = {{ {} }}", "{ 1, function() end },".repeat(3000));
    let functions = of(&text).functions;
    assert_eq!(functions[2999].key, "t[3000][2]");
}

#[test]
fn paths_name_the_functions_around() {
    let text = "function M.mk(n) return function() return { f = function() end } end end
skynet.start(function() skynet.dispatch('lua', function() end) end)";
    let paths: Vec<String> = of(text).functions.into_iter().map(|f| f.path).collect();
    let expected = [
        "M.mk",
        "M.mk/<return>",
        "M.mk/<return>/<return>.f",
        "skynet.start(1)",
        "skynet.start(1)/skynet.dispatch(\"lua\", 2)",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn names_are_those_of_the_author() {
    let text = "return { f = function() end, g = { h = function() end }, function() end }";
    let names: Vec<String> = of(text).functions.into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["f", "g.h", ""]);
    let found =
        of("function M --[[x]] : hit() end t = { f = function() end }\nsetmetatable(t, { __index = function() end })");
    let names: Vec<(&str, bool)> = found.functions.iter().map(|f| (f.name.as_str(), f.replaces)).collect();
    assert_eq!(names, [("M:hit", true), ("t.f", false), ("__index", false)]);
}

#[test]
fn a_function_stands_where_the_compiler_says() {
    let text = "function\na.b(x, ...)\nend local\nfunction f\n()\nend\nlocal g = function\n(a, ...t) end -- x\nglobal\nfunction\nh\n() end function a:c(self) end";
    let outline = of(text);
    let lines: Vec<(u32, u32)> = outline.functions.iter().map(|f| f.lines).collect();
    assert_eq!(lines, [(1, 3), (5, 6), (8, 8), (12, 12), (12, 12)]);
    let params: Vec<String> = outline.functions.iter().map(|f| f.params.join(" ")).collect();
    assert_eq!(params, ["x ...", "", "a ...t", "", "self self"]);
    let texts: Vec<&str> = outline.functions.iter().map(|f| &text[f.range.clone()]).collect();
    assert_eq!(texts[..3], ["(x, ...)\nend", "()\nend", "function\n(a, ...t) end"]);
}
