//! What an outline says of small texts.

mod keys;
mod parts;
mod scopes;

use crate::patch::syntax::{Function, Outline, WholeFile, outline, source_of};

fn of(text: &str) -> Outline {
    outline(text.as_bytes())
}

fn names(text: &str) -> Vec<String> {
    outline(text.as_bytes())
        .locals
        .into_iter()
        .map(|local| local.name)
        .collect()
}

#[test]
fn file_level_locals_in_order_the_last_of_a_name_wins() {
    let text = "local a, b <const> = 1, 2\nlocal function f() local inner end\ndo local hidden end\nlocal a = 3\nfor i = 1, 2 do end";
    assert_eq!(names(text), ["b", "f", "a"]);
    let fixed: Vec<bool> = outline(text.as_bytes()).locals.iter().map(|l| l.fixed).collect();
    assert_eq!(fixed, [true, false, false]);
    assert_eq!(names("local <const> x, y = 1, 2\nglobal z"), ["x", "y"]);
    assert!(outline(b"local <const> x = 1").locals[0].fixed);
}

#[test]
fn the_tail_is_before_the_final_return_or_at_the_end() {
    let text = "local a = '\u{e9}' return a -- done\n";
    let found = outline(text.as_bytes());
    assert_eq!(&text[found.tail..found.tail + 6], "return");
    assert!(found.returns);
    let latin1 = b"local a = '\xe9\xe8' return a";
    assert!(latin1[outline(latin1).tail..].starts_with(b"return"));
    let open = outline(b"local a = 1\n");
    assert_eq!((open.tail, open.returns), (12, false));
    assert!(
        outline(b"if x then return end").tail == 20,
        "a return inside a block is not the final one"
    );
}

#[test]
fn functions_have_the_names_their_authors_give_them() {
    let text = "local function a() return function() end end\nfunction M.b() end\nfunction M:c() end\nM.d = function() end
local e = function() end\nlocal t = { f = function() end, g = { h = function() end } }\ncall(function() end)\nx, M['y'] = 1, function() end";
    let found: Vec<(String, Option<usize>, bool)> = outline(text.as_bytes())
        .functions
        .into_iter()
        .map(|f: Function| (f.name, f.parent, f.replaces))
        .collect();
    let expected = [
        ("a", None, false),
        ("", Some(0), false),
        ("M.b", None, true),
        ("M:c", None, true),
        ("M.d", None, true),
        ("e", None, false),
        ("t.f", None, false),
        ("t.g.h", None, false),
        ("", None, false),
        ("M['y']", None, true),
    ];
    let expected: Vec<_> = expected.iter().map(|(n, p, r)| (n.to_string(), *p, *r)).collect();
    assert_eq!(found, expected);
}

fn read_names(text: &str) -> Vec<String> {
    outline(text.as_bytes())
        .reads
        .into_iter()
        .map(|read| format!("{}:{}", read.name, read.line))
        .collect()
}

#[test]
fn locals_parameters_and_loops_explain_names() {
    let text = "local a = b\nfunction M.f(x, ...) return x + a + y end\nfunction M:g() return self end\nfor i = n, 2 do print(i) end
for k, v in pairs(t) do print(k, v) end\nrepeat local done = q() until done\nlocal function rec() return rec end";
    assert_eq!(
        read_names(text),
        ["b:1", "M:2", "y:2", "n:4", "print:4", "pairs:5", "t:5", "q:6"]
    );
}

#[test]
fn a_local_is_not_there_before_its_statement_ends_nor_after_its_block() {
    assert_eq!(read_names("local x = x\ndo local y = 1 end\nreturn y"), ["x:1", "y:3"]);
    assert_eq!(read_names("for i = 1, 2 do end return i"), ["i:1"]);
    assert_eq!(read_names("function f() return self end"), ["self:1"]);
}

#[test]
fn what_is_written_is_not_read() {
    assert_eq!(
        read_names("x = 1\nfunction y() end\nz.w = 2\nglobal g\nreturn g"),
        ["z:3"]
    );
    assert_eq!(read_names("hits = (hits or 0) + 1"), ["hits:1"]);
}

#[test]
fn a_whole_file_is_recognised() {
    let script = Some(WholeFile::Script);
    let module = |name: &str| Some(WholeFile::Module(name.to_owned()));
    let cases = [
        (
            "local skynet = require 'skynet'\nskynet.start(function() end)",
            script.clone(),
        ),
        ("local s, x = require('skynet'), 1 s . start(f)", script.clone()),
        (
            "local skynet = require 'skynet' local go = skynet.start local run = go run(f)",
            script.clone(),
        ),
        ("require 'skynet'.start(f)", script.clone()),
        ("local go = require('skynet').start go(f)", script.clone()),
        ("sky = require 'skynet' sky.start(f)", script.clone()),
        (
            "local skynet = require 'skynet' function go() skynet.start(f) end",
            None,
        ),
        ("local skynet = require 'skynet.manager' skynet.start(f)", None),
        ("local skynet = require 'skynet' skynet = {} skynet.start(f)", None),
        ("skynet.start(f)", None),
        ("function command.x() end", None),
        ("---@module \"a.b\"\nlocal M = {}", module("a.b")),
        ("---@module 'a'\r\n", module("a")),
        ("---@module\ta", module("a")),
        ("\u{feff}---@module a", module("a")),
        ("#!/usr/bin/lua\n---@module a", module("a")),
        ("--!/usr/bin/lua\n---@module a", module("a")),
        ("\n---@module a", None),
        ("---@module", None),
        ("---@module a b", None),
        ("---@modules", None),
    ];
    for (text, expected) in cases {
        assert_eq!(source_of(&of(text), text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn no_text_is_too_odd() {
    let long = format!("return {}", "1+".repeat(1500) + "1");
    assert_eq!(of(&long).bodies[0].statements.len(), 1);
    let pieces = [
        "local", "function", "f", "(", ")", "end", "{", "}", "[", "]", "=", ",", "for", "in", "do", "repeat", "until",
        "<const>", "global", "\"", "'\\", "[[", "--", "...", ":", ".", "if", "then", "return", "1", "\u{e9}", ";",
        "::", "goto", "*", "\n", "<",
    ];
    let mut state = 12345_u32;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..25 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[state as usize / 65_536 % pieces.len()]);
            text.push(' ');
        }
        let outline = of(&text);
        source_of(&outline, text.as_bytes());
    }
    outline(&[0xff, b'"', 0, b'\\', 0xfe]);
}
