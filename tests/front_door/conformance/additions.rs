//! What a new text adds, takes away and moves: in blocks, in branches, in factories, in tables, over several versions.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a function that is added to a local table")
        .v1("local api = {}
            function api.one() return 1 end
            M.api = api")
        .edit("function api.one() return 1 end", "function api.one() return 1 end\nfunction api.two() return api.one() + 1 end\napi.three = function() return api.two() + 1 end\nfunction api:four() return self.three() + 1 end")
        .gives("M.api.two(), M.api.three(), M.api:four()", "2 3 4"),
    case("a global function that is added")
        .v1("function M.f() return 'v1' end")
        .both(
            "function helper_of_case(x) return x * 2 end\nfunction M.f() return helper_of_case(4) end",
            "function M.f() return 'v1' end",
            "function helper_of_case(x) return x * 2 end\nfunction M.f() return helper_of_case(4) end",
        )
        .gives("M.f(), type(rawget(_G, 'helper_of_case'))", "8 function"),
    case("a function that is added over a field which the program has filled")
        .v1("function M.f() return 'v1' end")
        .run("M.g = function() return 'own' end")
        .edit("function M.f() return 'v1' end", "function M.f() return 'v2 ' .. M.g() end\nfunction M.g() return 'added' end")
        .gives("M.f()", "v2 added"),
    case("a local function that is added before its user and used by a later one")
        .v1("function M.a(x) return x end
            function M.b(x) return x end")
        .edit("function M.a(x) return x end", "local function twice(x) return x .. x end\nfunction M.a(x) return twice(x) end")
        .gives("M.a 'x', M.b 'x'", "xx x")
        .edit("function M.b(x) return x end", "function M.b(x) return twice(x) .. '!' end")
        .gives("M.a 'x', M.b 'x'", "xx xx!"),
    case("new locals that need each other")
        .v1("function M.f() return 'v1' end")
        .edit(
            "function M.f() return 'v1' end",
            "local even, odd\nfunction even(n) if n == 0 then return true end return odd(n - 1) end\nfunction odd(n) if n == 0 then return false end return even(n - 1) end\nfunction M.f(n) return even(n) end",
        )
        .gives("M.f(10), M.f(7)", "true false"),
    case("new locals that are initialised from each other")
        .v1("function M.f() return 'v1' end")
        .edit("function M.f() return 'v1' end", "local a = 2\nlocal b, c = a * 10, { a }\nlocal d <const> = 5\nfunction M.f() return a, b, c[1], d end")
        .gives("M.f()", "2 20 2 5"),
    case("a new local with several values from one call")
        .v1("CALLS = 0
            local function two() CALLS = CALLS + 1 return 'x', 'y' end
            function M.f() return 'v1' end")
        .edit("function M.f() return 'v1' end", "local p, q, r = two()\nfunction M.f() return p, q, r end")
        .gives("M.f()", "x y nil")
        .gives("CALLS", "1"),
    case("a new local in the middle of a statement with calls is not run again")
        .v1("CALLS = 0
            local function make() CALLS = CALLS + 1 return { id = CALLS } end
            local a, b = make(), make()
            function M.f() return a.id, b.id end")
        .edit("local a, b = make(), make()", "local a, k, b = make(), 7, make()")
        .also("return a.id, b.id end", "return a.id, b.id, k end")
        .gives("M.f()", "1 2 7")
        .gives("CALLS", "2"),
    case("a function that is added to a class with live objects")
        .v1("local C = {} C.__index = C
            function C.new(n) return setmetatable({ n = n }, C) end
            function C:get() return self.n end
            O = C.new(5)
            M.new = C.new")
        .edit("function C:get() return self.n end", "function C:get() return self:scaled(10) end\nfunction C:scaled(k) return self.n * k end")
        .gives("O:get(), M.new(2):scaled(3)", "50 6"),
    case("a function that comes back after its removal")
        .v1("local n = 0
            function M.f() n = n + 1 return 'v1', n end
            function M.g() return 'g1' end
            HOLDS = { M.f }")
        .run("M.f()")
        .edit("function M.f() n = n + 1 return 'v1', n end\n", "")
        .also("'g1'", "'g2'")
        .says("M.f")
        .gives("HOLDS[1]()", "v1 2")
        .edit("function M.g()", "function M.f() n = n + 1 return 'v3', n end\nfunction M.g()")
        .gives("M.f()", "v3 3")
        .gives("HOLDS[1] == M.f", "true"),
    case("a local becomes a field")
        .v1("local limit = 5
            function M.f() return limit end
            function M.set(x) limit = x end")
        .run("M.set(9)")
        .edit("local limit = 5", "M.limit = 5")
        .also("function M.f() return limit end", "function M.f() return M.limit end")
        .also("limit = x end", "M.limit = x end")
        .says("limit")
        .run("M.set(3)")
        .gives("M.f()", "3"),
    case("an assignment of a function becomes a definition of it")
        .v1("M.f = function(x) return 'v1', x end
            SAVED = M.f")
        .edit("M.f = function(x) return 'v1', x end", "function M.f(x) return 'v2', x end")
        .gives("M.f(1), SAVED == M.f", "v2 true")
        .gives("SAVED(2)", "v2 2"),
    case("a definition of a function becomes an entry of a constructor")
        .v1("local H = {}
            function H.f(x) return 'v1', x end
            M.H = H
            SAVED = H.f")
        .edit("local H = {}", "local H = { f = function(x) return 'v2', x end }")
        .also("function H.f(x) return 'v1', x end\n", "\n")
        .gives("SAVED == M.H.f", "true")
        .gives("M.H.f(1)", "v2 1"),
    case("a local function declared in another way")
        .v1("local function f(x) return 'v1', x end
            M.f = f
            function M.g(x) return f(x) end")
        .edit("local function f(x) return 'v1', x end", "local f = function(x) return 'v2', x end")
        .gives("M.f(1)", "v2 1")
        .gives("M.g(2)", "v2 2"),
    case("a comment at the head and a shebang move everything")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end
            SAVED = M.inc")
        .run("M.inc()")
        .edit("local skynet = require \"skynet\"\nrequire \"skynet.manager\"\n", "--[[ a new head\n of two lines ]]\nlocal skynet = require \"skynet\"\nrequire \"skynet.manager\"\n")
        .also("n = n + 1 return n", "n = n + 10 return n")
        .gives("M.inc(), SAVED == M.inc", "11 true"),
    case("a text with other line ends")
        .v1("function M.f() return 'v1' end
            function M.g() return 'g' end
            SAVED = M.g")
        .edit("function M.f() return 'v1' end", "function M.f()\r\n  return 'v2'\r\nend\r\n")
        .gives("M.f(), SAVED == M.g", "v2 true"),
    case("a factory gets a further method and a further variable")
        .v1("function M.new(n)
              local o = {}
              function o.get() return n end
              return o
            end
            A, B = M.new(1), M.new(2)")
        .edit("local o = {}", "local o, hits = {}, 0")
        .also("function o.get() return n end", "function o.get() hits = hits + 1 return n, hits end")
        .gives("A.get()", "1 1")
        .gives("A.get()", "1 2")
        .gives("B.get()", "2 1")
        .gives("M.new(3).get()", "3 1"),
    case("a factory whose parameter is renamed")
        .v1("function M.mk(n) return function() n = n + 1 return n end end
            A = M.mk(5)")
        .edit("function M.mk(n) return function() n = n + 1 return n end end", "function M.mk(count) return function() count = count + 1 return count end end")
        .summary(&["applied to", "had no effect", "unchanged", "rejected", "failed and undone"])
        .gives("A(), M.mk(1)()", "6 2"),
    case("a handler table that is built by a function of the file")
        .v1("local function build()
              local t = {}
              t.ping = function() return 'pong v1' end
              t.count = (function() local n = 0 return function() n = n + 1 return n end end)()
              return t
            end
            local handlers = build()
            function M.call(name) return handlers[name]() end")
        .run("M.call 'count'")
        .edit("'pong v1'", "'pong v2'")
        .also("n = n + 1 return n end", "n = n + 10 return n end")
        .gives("M.call 'ping', M.call 'count'", "pong v2 11"),
    case("literals in one statement of which one is state")
        .v1("local a, b, c = 1, 'x', false
            function M.get() return a, b, c end
            function M.toggle() c = not c end")
        .run("M.toggle() M.toggle()")
        .edit("local a, b, c = 1, 'x', false", "local a, b, c = 2, 'y', true")
        .gives("M.get()", "2 y false"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
