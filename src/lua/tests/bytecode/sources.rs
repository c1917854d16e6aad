//! Lua files of every shape that the compiler gives its own form.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Small texts: each kind of constant, statement and variable.
const SMALL: &[&str] = &[
    "",
    "-- nothing\n\n\n",
    "return",
    "return ...",
    "return 0x7fffffffffffffff, -0x7fffffffffffffff - 1, math.mininteger, 1 << 63, 65535, -65536, 131072, 1e15, 0xffffffffffffffff",
    "return 1, -1, 127, 128, 16383, 16384, 1000000, 1000000.0, 123456789012, -123456789012, 9223372036854775807, 9223372036854775808",
    "return 0.0, -0.0, 0.1, 1e308, 1e-308, 5e-324, 1e400, -1e400, 3.0, 2^53, 1/0, 0/0, 0x1p-1074",
    "local t = {} t[1000000] = 1000000.0 t[1000001] = nil t.x = true t.y = false return t == nil, t == true",
    "return 'a', 'a', '', '\\0', 'x\\0y', '\\255\\254', [[\nlong\n]], 'a' .. 'a'",
    "local a a = 1 do local a = 2 function f() return a end end return function() return a end",
    "for i = 1, 10 do for k, v in pairs({}) do print(i, k, v, function() return i, k, v end) end end",
    "::top:: do local x = 1 if x then goto top end end while true do break end repeat local y until y goto done ::done::",
    "local c <const>, d <const> = 10, 'ten' local e <close> = nil local f <const> = {} return function() return c, d, e, f end",
    "global print, x; global function f(a) return a end x = 1 print(x)",
    "global <const> *; local function g() return print end",
    "global none <const>, some = nil, 3 return some",
    "return function(...t) return t.n, t[1], #t end, function(a, ...t) local u = t return u, ... end, function(a, ...) return ..., a end",
    "function a.b.c:d(x) return self, x end function a.b.c.e() end",
    "return (function() return (function() return (function() return print end)() end)() end)()",
    "local s = 'x' return s:len(), s:rep(3), #s, -#s, ~1, not s, s .. 1 .. 2, 7 // 2, 7 % 2, 7 & 1, 7 | 1, 7 ~ 1, 1 << 2, 1 >> 2",
    "local a, b = 1, 2 return a < b, a <= b, a > 1, a >= 1, a == b, a ~= b, a < 1.5, a == 'x', a and b or nil",
    "local t <close> = setmetatable({}, { __close = print }) for i = 10, 1, -1 do local u <close> = t end",
    "if a then elseif b then return 1 else return 2 end",
    "local f = function() end f{} f'' f{1, 2, ...} return f(f())",
];

/// All sources, each with a name for the message when one fails.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let small = SMALL.iter().map(|text| ((*text).to_owned(), text.as_bytes().to_vec()));
    let large = large()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into_bytes()));
    let mut all: Vec<(String, Vec<u8>)> = small.chain(large).collect();
    all.push((
        "bytes".to_owned(),
        b"-- \xff\nreturn '\xe9\xff\x80', \"\\u{7FFFFFFF}\"".to_vec(),
    ));
    all.extend(of_the_project());
    all
}

/// What needs many of something.
fn large() -> Vec<(&'static str, String)> {
    let repeated = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<String>();
    let lengths = [0, 1, 39, 40, 41, 42, 126, 127, 128, 129, 16382, 16383, 16384, 70000];
    let strings = lengths
        .map(|length| format!("s = '{0}' u = '{0}'\n", "x".repeat(length)))
        .concat();
    let nested = format!("{}{}", "function f() ".repeat(180), "end ".repeat(180));
    let table = format!("return {{{}}}", repeated(3000, &|i| format!("{i}, 'k{i}', {i}.5,")));
    vec![
        ("strings", strings),
        ("nested", nested),
        ("a large table", table),
        ("200 locals", repeated(200, &|i| format!("local a{i} = {i} "))),
        ("255 upvalues", many_upvalues(255)),
        ("250 upvalues", many_upvalues(250)),
        (
            "many functions",
            repeated(3000, &|i| format!("function f{i}() return {i} end\n")),
        ),
        ("many constants", repeated(70000, &|i| format!("x = {}\n", i * 100_003))),
        (
            "long function",
            format!(
                "return function(x)\n{}end",
                repeated(300, &|i| format!("x = x + {i}\n"))
            ),
        ),
        (
            "far lines",
            format!(
                "local x{}x = 1\n{}return x",
                "\n".repeat(200),
                repeated(20, &|_| format!("x = x{}+ 1\n", "\n".repeat(130)))
            ),
        ),
        ("one long line", repeated(2000, &|i| format!("x = {i} "))),
        ("far down", format!("{}return function() end", "\n".repeat(100_000))),
    ]
}

/// A file whose last function has this many upvalues (150 to 255), all of them locals: a function can declare 200.
pub fn many_upvalues(count: usize) -> String {
    let mut text = String::new();
    let names: Vec<String> = (0..count).map(|i| format!("v{i}")).collect();
    let (outer, inner) = names.split_at(150);
    for name in outer {
        let _ = write!(text, "local {name} = '{name}' ");
    }
    text.push_str("\nlocal function between()\n");
    for name in inner {
        let _ = write!(text, "local {name} = '{name}' ");
    }
    let _ = write!(
        text,
        "\nreturn function()\nreturn {{ {} }}\nend\nend\nreturn between()",
        names.join(", ")
    );
    text
}

/// Every Lua file of this project that compiles.
fn of_the_project() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = ["lualib", "services", "examples", "tests"]
        .map(|folder| root.join(folder))
        .to_vec();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "lua")
                && !path.ends_with("broken_syntax.lua")
            {
                found.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 10, "the project has Lua files");
    found
}
