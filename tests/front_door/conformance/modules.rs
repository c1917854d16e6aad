//! Modules: patched in every service that required them and was asked for, wherever their functions have gone to.

use super::case::{Case, Form, case};
use super::driver::{run, service};
use super::nodes::{apply, start, value};
use crate::harness::Project;

const UTIL: &str = "local M = {}
local calls = 0
local LIMIT = 10
function M.clamp(x) calls = calls + 1 return math.min(x, LIMIT) end
local function hidden(x) return '[' .. x .. ']' end
function M.show(x) return hidden(x) end
function M.calls() return calls end
M.table = { f = function() return 'v1' end, n = 1 }
return M
";

const USER: &str = "local util = require 'util_@@'
local clamp = util.clamp
function M.f(x) return clamp(x) end
M.util = util
KEPT = { util.show, util.table.f }";

const CASES: &[Case] = &[
    case("a function of a module that the service keeps in a local")
        .v1(USER)
        .lib("util_@@", UTIL)
        .run("M.f(50)")
        .module("util_@@", "return math.min(x, LIMIT) end", "return 0, calls end")
        .gives("M.f(9)", "0 2"),
    case("a chunk for a module that the service keeps in a local")
        .v1(USER)
        .lib("util_@@", UTIL)
        .chunk("local util = require 'util_@@'\nfunction util.clamp(x) return 0 end")
        .gives("M.f(9), M.util.clamp(1)", "0 0"),
    case("a local function of a module")
        .v1(USER)
        .lib("util_@@", UTIL)
        .module("util_@@", "return '[' .. x .. ']' end", "return '<' .. x .. '>' end")
        .gives("M.util.show(1), KEPT[1](2), KEPT[1] == M.util.show", "<1> <2> true"),
    case("a literal of a module")
        .v1(USER)
        .lib("util_@@", UTIL)
        .module("util_@@", "local LIMIT = 10", "local LIMIT = 20")
        .says("LIMIT")
        .gives("M.f(50), M.util.calls()", "20 1"),
    case("a constructor in a module")
        .v1(USER)
        .lib("util_@@", UTIL)
        .run("M.util.table.n = 7")
        .module(
            "util_@@",
            "{ f = function() return 'v1' end, n = 1 }",
            "{ f = function() return 'v2' end, n = 2, more = 3 }",
        )
        .gives(
            "M.util.table.f(), KEPT[2](), M.util.table.n, M.util.table.more",
            "v2 v2 7 3",
        ),
    case("a function that a module gets")
        .v1(USER)
        .lib("util_@@", UTIL)
        .module(
            "util_@@",
            "return M\n",
            "function M.added(x) return hidden(M.clamp(x)) end\nreturn M\n",
        )
        .gives("M.util.added(99), require 'util_@@'.added == M.util.added", "[10] true"),
    case("a module whose table is a class")
        .v1("local Player = require 'player_@@'
            P = Player.new 'p'")
        .lib(
            "player_@@",
            "local Player = {}
Player.__index = Player
local made = 0
function Player.new(name) made = made + 1 return setmetatable({ name = name, id = made }, Player) end
function Player:describe() return self.name .. ' v1' end
return Player
",
        )
        .module(
            "player_@@",
            "return self.name .. ' v1' end",
            "return self.name .. ' v2 ' .. self.id end",
        )
        .gives("P:describe(), require 'player_@@'.new 'q':describe()", "p v2 1 q v2 2"),
    case("a module that returns one function")
        .v1("local make = require 'make_@@'
            function M.go(x) return make(x) end")
        .lib(
            "make_@@",
            "local n = 0\nreturn function(x) n = n + x return n, 'v1' end\n",
        )
        .run("M.go(5)")
        .module("make_@@", "return n, 'v1' end", "return n, 'v2' end")
        .gives("M.go(1)", "6 v2"),
    case("a module that another module uses")
        .v1("local outer = require 'outer_@@'
            function M.go(x) return outer.go(x) end")
        .lib(
            "inner_@@",
            "local M = {}\nfunction M.f(x) return 'v1', x end\nreturn M\n",
        )
        .lib(
            "outer_@@",
            "local f = require 'inner_@@'.f\nlocal M = {}\nfunction M.go(x) return f(x) end\nreturn M\n",
        )
        .module("inner_@@", "return 'v1', x end", "return 'v2', x end")
        .gives("M.go(5)", "v2 5"),
    case("a module of two versions in a row")
        .v1(USER)
        .lib("util_@@", UTIL)
        .module("util_@@", "local LIMIT = 10", "local LIMIT = 20")
        .module("util_@@", "calls = calls + 1 return", "calls = calls + 100 return")
        .gives("M.f(50), M.util.calls()", "20 100"),
    case("top level code of a module that changed needs a restart")
        .v1(USER)
        .lib("util_@@", UTIL)
        .module("util_@@", "local M = {}\n", "local M = {} LOADED = 'again'\n")
        .harmless()
        .says("needs a restart")
        .gives("LOADED", "nil"),
    case("a module whose name has dots")
        .v1("local tool = require 'deep_@@.er.tool'
            function M.go() return tool.f() end")
        .lib(
            "deep_@@.er.tool",
            "local M = {}\nfunction M.f() return 'v1' end\nreturn M\n",
        )
        .module("deep_@@.er.tool", "'v1'", "'v2'")
        .gives("M.go()", "v2"),
    case("a module that the service has not required")
        .v1("function M.f() return 'v1' end")
        .lib("unused_@@", "local M = {}\nfunction M.f() return 'v1' end\nreturn M\n")
        .module("unused_@@", "'v1'", "'v2'")
        .summary(&["rejected: ", "had no effect: ", "failed and undone: "])
        .says("unused_@@")
        .gives("M.f(), package.loaded['unused_@@'] == nil", "v1 true"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn module_patches() {
    run(CASES, Form::Source);
}

#[test]
fn a_module_patch_reaches_one_service_and_not_its_neighbour() {
    let module = |version: &str| {
        format!("---@module \"shared\"\nlocal M = {{}}\nfunction M.f() return '{version}' end\nreturn M\n")
    };
    let body = "local shared = require 'shared'\nlocal f = shared.f\nfunction M.go() return f(), shared.f() end";
    let project = Project::empty()
        .file("lualib/shared.lua", module("v1"))
        .service("left", &service("left", body))
        .service("right", &service("right", body));
    let mut node = start(&project, &["left", "right"]);
    let summary = apply(&project, &mut node, "left", "x.lua", module("v2"));
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(value(&node, "left", "M.go()"), "v2 v2");
    assert_eq!(value(&node, "right", "M.go()"), "v1 v1");
    apply(&project, &mut node, "right", "x.lua", module("v3"));
    assert_eq!(value(&node, "left", "M.go()"), "v2 v2");
    assert_eq!(value(&node, "right", "M.go()"), "v3 v3");
}

#[test]
fn two_services_with_the_same_text_are_two() {
    let body = "local n = 0\nfunction M.inc() n = n + 1 return n end";
    let project = Project::empty()
        .service("left", &service("left", body))
        .service("right", &service("right", body));
    let mut node = start(&project, &["left", "right"]);
    let patch = "function M.inc() n = n + 100 return n end\n";
    assert!(apply(&project, &mut node, "left", "x.lua", patch).starts_with("applied to 1 of 1 instance: "));
    assert_eq!(value(&node, "left", "M.inc()"), "100");
    assert_eq!(value(&node, "right", "M.inc()"), "1");
}
