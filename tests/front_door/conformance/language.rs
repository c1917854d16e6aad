//! The language: environments, varargs, labels, declarations, names, and what has no name.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a function that begins to use globals")
        .v1("function M.f(x) return x end")
        .swap("function M.f(x) return x end", "function M.f(x) hits = (hits or 0) + 1 return x end")
        .gives("M.f(1), M.f(2), hits", "1 2 2")
        .gives("rawget(_G, 'hits')", "2"),
    case("a function that stops using globals")
        .v1("function M.f(x) LAST = x return x end")
        .swap("function M.f(x) LAST = x return x end", "function M.f(x) return x end")
        .gives("M.f(1), LAST", "1 nil"),
    case("a function in an environment of its own stays confined")
        .v1("do
              local M = M
              local _ENV = { tostring = tostring }
              M.env = _ENV
              function f(x) return tostring(x) end
              M.f = f
            end")
        .edit("return tostring(x) end", "return tostring(x) .. tostring(pairs) end")
        .gives("M.f(1), rawget(_G, 'f'), M.env.f == M.f", "1nil nil true"),
    case("an environment that is a parameter")
        .v1("local function sandbox(_ENV) return function() count = (count or 0) + 1 return count end end
            E1, E2 = {}, { count = 10 }
            A, B = sandbox(E1), sandbox(E2)")
        .run("A() B()")
        .edit("count = (count or 0) + 1 return count", "count = (count or 0) + 100 return count")
        .gives("A(), B(), E1.count, E2.count, rawget(_G, 'count')", "101 111 101 111 nil"),
    case("an environment with a metatable over the globals")
        .v1("do
              local M = M
              local _ENV = setmetatable({}, { __index = _G })
              M.env = _ENV
              function M.set(x) value = x return tostring(value) end
            end")
        .edit("value = x return tostring(value)", "value = x * 2 return tostring(value)")
        .gives("M.set(4), M.env.value, rawget(_G, 'value')", "8 8 nil"),
    case("varargs with nils")
        .v1("local function g(...) return ... end
            function M.f(a, b) return g(a, b) end")
        .swap("function M.f(a, b) return g(a, b) end", "function M.f(...) return g(select('#', ...), ...) end")
        .gives("M.f(nil, nil)", "2 nil nil"),
    case("a named vararg")
        .v1("function M.f(...) return select('#', ...) end")
        .swap("function M.f(...) return select('#', ...) end", "function M.f(...t) return t.n, t[2] end")
        .gives("M.f(nil, 5, nil)", "3 5"),
    case("goto and labels")
        .v1("function M.odd() return '' end")
        .both(
            "function M.odd()\n local out = {}\n for i = 1, 3 do\n  if i == 2 then goto continue end\n  out[#out + 1] = i\n  ::continue::\n end\n return table.concat(out, ',')\nend",
            "function M.odd() return '' end",
            "function M.odd()\n local out = {}\n for i = 1, 3 do\n  if i == 2 then goto continue end\n  out[#out + 1] = i\n  ::continue::\n end\n return table.concat(out, ',')\nend",
        )
        .gives("M.odd()", "1,3"),
    case("the word function and end in strings and comments")
        .v1("function M.f() return 'function M.f() end' end -- function M.f() end
            --[[ function M.g() end ]]
            function M.g() return [[end]] end")
        .swap("function M.g() return [[end]] end", "function M.g() --[==[ end ]==] return [=[function end]=] end")
        .gives("M.f(), M.g()", "function M.f() end function end"),
    case("methods keep their self")
        .v1("local C = {} C.__index = C
            function C:total(...) return self.n + select('#', ...) end
            function C.static(n) return n end
            O = setmetatable({ n = 10 }, C)")
        .swap(
            "function C:total(...) return self.n + select('#', ...) end",
            "function C:total(...) self.n = self.n + select('#', ...) return self.n, self == O end",
        )
        .gives("O:total(nil, nil)", "12 true")
        .gives("O.static(3)", "3"),
    case("a method becomes a function with self written out")
        .v1("function M:f(x) return self == M, x end")
        .swap("function M:f(x) return self == M, x end", "function M.f(self, x) return self == M, x, 'new' end")
        .gives("M:f(5)", "true 5 new"),
    case("names of several parts")
        .v1("M.a = { b = { c = {} } }
            function M.a.b.c.f() return 'v1' end
            function M.a.b.c:g() return self == M.a.b.c end")
        .swap("function M.a.b.c.f() return 'v1' end", "function M.a.b.c.f() return 'v2' end")
        .also("function M.a.b.c:g() return self == M.a.b.c end", "function M.a.b.c:g() return self == M.a.b.c, 'v2' end")
        .gives("M.a.b.c.f()", "v2")
        .gives("M.a.b.c:g()", "true v2"),
    case("declared globals")
        .v1("do
              global M, tostring, counter
              counter = 0
              function M.f() counter = counter + 1 return tostring(counter) end
            end")
        .edit("counter = counter + 1 return", "counter = counter + 10 return")
        .gives("M.f(), rawget(_G, 'counter')", "10 10"),
    case("a function that declares its globals")
        .v1("function M.f() return 'v1' end")
        .swap(
            "function M.f() return 'v1' end",
            "function M.f() global seen_here seen_here = (seen_here or 0) + 1 return seen_here end",
        )
        .gives("M.f(), M.f(), rawget(_G, 'seen_here')", "1 2 2"),
    case("attributes of locals inside functions")
        .v1("CLOSED = 0
            local closing = setmetatable({}, { __close = function() CLOSED = CLOSED + 1 end })
            function M.f() return 'v1' end")
        .swap(
            "function M.f() return 'v1' end",
            "function M.f() local k <const>, c <close> = 5, closing return k, CLOSED end",
        )
        .gives("M.f()", "5 0")
        .gives("CLOSED", "1"),
    case("integers floats and bits")
        .v1("function M.f(a, b) return a + b end")
        .swap("function M.f(a, b) return a + b end", "function M.f(a, b) return a // b, a / b, a % b, a << 2 | b, ~a, a ^ b, 1 // 0.0 end")
        .gives("M.f(7, 2)", "3 3.5 1 30 -8 49.0 inf"),
    case("strings of every form")
        .v1("function M.f() return '' end")
        .swap(
            "function M.f() return '' end",
            "function M.f() return 'a\\z\n            b' .. \"\\u{48}\\x49\\065\" .. [[c]] .. #'\\0\\0' end",
        )
        .gives("M.f()", "abHIAc2"),
    case("functions that stand in one line with others")
        .v1("function M.a() return 'a' end function M.b() return 'b' end M.x, M.y = function() return 1 end, function() return 2 end
            SA, SB, SX, SY = M.a, M.b, M.x, M.y")
        .edit("return 'b' end", "return 'B' end")
        .also("function() return 2 end", "function() return 22 end")
        .gives("M.a(), M.b(), M.x(), M.y()", "a B 1 22")
        .gives("SA == M.a, SB(), SX == M.x, SY()", "true B true 22"),
    case("a multiple assignment is matched place by place")
        .v1("M.x, M.y = function() return 'x' end, function() return 'y' end
            SX, SY = M.x, M.y")
        .swap(
            "M.x, M.y = function() return 'x' end, function() return 'y' end",
            "M.x, M.y = function() return 'X' end, function() return 'Y' end",
        )
        .gives("SX(), SY(), SX == M.x, SY == M.y", "X Y true true"),
    case("equal texts with different variables")
        .v1("local a, b = 1, 2
            M.x = function() return a end
            M.y = function() return b end
            function M.set(p, q) a, b = p, q end")
        .run("M.set(10, 20)")
        .edit("M.x = function() return a end", "M.x = function() return b end")
        .also("M.y = function() return b end", "M.y = function() return a end")
        .gives("M.x(), M.y()", "20 10"),
    case("a very long function")
        .v1("function M.f(n) return n end")
        .swap(
            "function M.f(n) return n end",
            "function M.f(n) local t = {} for i = 1, n do for j = 1, n do if i == j then t[#t + 1] = (function() while true do do return i * j end end end)() elseif i > j then repeat local z = i - j until z >= 0 end end end return table.concat(t, '+') end",
        )
        .gives("M.f(3)", "1+4+9"),
    case("a tail call and a recursion through the table")
        .v1("function M.down(n, acc) if n == 0 then return acc end return M.down(n - 1, (acc or 0) + 1) end")
        .swap(
            "function M.down(n, acc) if n == 0 then return acc end return M.down(n - 1, (acc or 0) + 1) end",
            "function M.down(n, acc) if n == 0 then return acc end return M.down(n - 1, (acc or 0) + 2) end",
        )
        .gives("M.down(100000)", "200000"),
    case("coroutines made by the new function")
        .v1("function M.gen() return 'v1' end")
        .swap("function M.gen() return 'v1' end", "function M.gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end")
        .gives("(function() local s = 0 for i in M.gen(4) do s = s + i end return s end)()", "10"),
    case("unicode in strings and comments")
        .v1("function M.f() return 'alt' end -- Prüfung")
        .swap("function M.f() return 'alt' end", "function M.f() return 'größer → 大' end --[[ ✓ ]]")
        .gives("M.f()", "größer → 大"),
    case("a dumped and stripped function is nobody's and stays")
        .v1("local function g() return 'v1' end
            local copy = load(string.dump(function() return 'stripped' end, true))
            M.copy = copy
            function M.g() return g() end")
        .swap("local function g() return 'v1' end", "local function g() return 'v2' end")
        .gives("M.g(), M.copy()", "v2 stripped"),
    case("a chunk loaded under a very long name")
        .v1("local g = load('return function() return 1 end', '@' .. ('dir/'):rep(40) .. 'm.lua')()
            M.one = g
            function M.f() return 'v1' end")
        .swap("function M.f() return 'v1' end", "function M.f() return 'v2', M.one() end")
        .gives("M.f()", "v2 1"),
    case("code that the program has loaded under the service's own name")
        .v1("local made = load('return function() return 1 end', '@services/@@.lua')()
            M.made = made
            function M.f() return 'v1' end")
        .swap("function M.f() return 'v1' end", "function M.f() return 'v2', M.made() end")
        .gives("M.f()", "v2 1"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
