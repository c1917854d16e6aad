//! Factories: every closure that one function made is replaced and keeps the cells that are its own.

use super::case::{Case, Form, case};
use super::driver::run;

/// A factory of two closures, two pairs of them, and a way to more.
const TWO_INSIDE: &str = "local function mk(n)
  return { get = function() return 'get1', n end, go = function() n = n + 1 return 'go1', n end }
end
function M.new(n) return mk(n) end
A, B = M.new(0), M.new(10)";

const CASES: &[Case] = &[
    case("a chunk after a source reaches closures that the source left as they were")
        .v1(TWO_INSIDE)
        .edit("'get1'", "'get2'")
        .named("y.lua")
        .chunk("function mk(n) return { get = function() return 'get2', n end, go = function() n = n + 1 return 'go3', n end } end")
        .says("2 functions, 3 holders")
        .gives("A.go()", "go3 1")
        .gives("B.go()", "go3 11")
        .rollback()
        .gives("A.go()", "go1 2"),
    case("a chunk after a chunk reaches closures that the first left as they were")
        .v1(TWO_INSIDE)
        .chunk("function mk(n) return { get = function() return 'get2', n end, go = function() n = n + 1 return 'go1', n end } end")
        .named("y.lua")
        .chunk("function mk(n) return { get = function() return 'get2', n end, go = function() n = n + 1 return 'go3', n end } end")
        .gives("A.go()", "go3 1")
        .gives("B.get()", "get2 10"),
    case("a source after a chunk reaches closures that were made of the chunk's text")
        .v1(TWO_INSIDE)
        .named("y.lua")
        .chunk("function mk(n) return { get = function() return 'get2', n end, go = function() n = n + 1 return 'go1', n end } end")
        .run("C = M.new(20)")
        .named("x.lua")
        .edit("'go1'", "'go3'")
        .also("'get1'", "'get2'")
        .gives("A.go()", "go3 1")
        .gives("C.go()", "go3 21"),
    case("all is rolled back in closures that a version made and the next left as they were")
        .v1(TWO_INSIDE)
        .edit("'get1'", "'get2'")
        .edit("'go1'", "'go2'")
        .run("C = M.new(20)")
        .console("rollback @@ --all", "")
        .gives("C.get()", "get1 20")
        .gives("C.go()", "go1 21"),
    case("a new local of a factory that was replaced before is one variable of all its closures")
        .v1("local function mk(n)
              local o = {}
              function o.inc() n = n + 1 return 'v1', n end
              function o.mk(m) return function() m = m + n return 'in', m end end
              return o
            end
            A, B = mk(0), mk(100)
            AI, BI = A.mk(1000), B.mk(2000)")
        .edit("return 'v1', n", "return 'v2', n")
        .edit("local o = {}", "local o = {}\nlocal calls = 0")
        .also("return 'in', m", "calls = calls + 1 return calls, m")
        .run("AI() AI() BI()")
        .edit("return 'v2', n", "return 'v3', n, calls")
        .gives("A.inc()", "v3 1 2")
        .gives("B.inc()", "v3 101 1"),
    case("a source patch that cannot find a variable has run nothing")
        .v1("local function mk(n)
              local function dead() n = n + 1 end
              local function get() return n end
              return get
            end
            GET = mk(1)")
        .run("collectgarbage()")
        .edit("local function get() return n end", "local function get() dead() return n end")
        .rejected("`dead`")
        .gives("GET()", "1"),
    case("two counters of one factory keep two counts")
        .v1("function M.mk(n) return function() n = n + 1 return 'v1', n end end
            c1, c2 = M.mk(10), M.mk(50)
            SAVED = c1")
        .run("c1()")
        .edit("return 'v1', n end", "return 'v2', n end")
        .gives("c1()", "v2 12")
        .gives("c2()", "v2 51")
        .gives("M.mk(0)()", "v2 1")
        .gives("SAVED == c1, c1 ~= c2", "true true"),
    case("a chunk that gives the factory anew reaches what it makes from now on")
        .v1("function M.mk(n) return function() n = n + 1 return 'v1', n end end
            c1 = M.mk(10)")
        .chunk("function M.mk(n) return function() n = n + 1 return 'v2', n end end")
        .gives("M.mk(0)()", "v2 1")
        .gives("select(2, c1())", "11"),
    case("hundreds of instances")
        .v1("local function mk(n) return function(add) n = n + add return n, 'v1' end end
            LIST = {}
            for i = 1, 500 do LIST[i] = mk(i) end
            function M.sum() local s = 0 for _, f in ipairs(LIST) do s = s + f(0) end return s end
            function M.versions(v) local n = 0 for _, f in ipairs(LIST) do if select(2, f(0)) == v then n = n + 1 end end return n end")
        .run("LIST[500](1000)")
        .edit("return n, 'v1' end end", "return n, 'v2' end end")
        .gives("M.sum(), M.versions 'v2', LIST[500](0)", "126250 500 1500 v2"),
    case("factories of factories")
        .v1("function M.outer(a) return function(b) return function() b = b + 1 return 'v1', a, b end end end
            X = M.outer(1)
            Y = M.outer(2)
            X1, X2, Y1 = X(10), X(20), Y(30)")
        .run("X1()")
        .edit("return 'v1', a, b end", "return 'v2', a, b end")
        .gives("X1()", "v2 1 12")
        .gives("X2()", "v2 1 21")
        .gives("Y1()", "v2 2 31")
        .gives("Y(5)()", "v2 2 6"),
    case("siblings of one instance share their cells")
        .v1("function M.account(balance)
              local log = {}
              local function note(x) log[#log + 1] = x end
              return {
                put = function(x) balance = balance + x note('put') return balance end,
                get = function() return balance, #log end,
              }
            end
            A, B = M.account(10), M.account(20)")
        .run("A.put(1) B.put(2)")
        .edit("balance = balance + x note('put')", "balance = balance + x * 10 note('put') note('twice')")
        .gives("A.put(1)", "21")
        .gives("A.get()", "21 3")
        .gives("B.get()", "22 1")
        .gives("B.put(1)", "32"),
    case("a sibling's variable of the same instance through a cell that both share")
        .v1("function M.mk(a, b)
              return function() return a end, function(x, y) a = a + x b = b + y return a, b end
            end
            G1, S1 = M.mk(1, 100)
            G2, S2 = M.mk(2, 200)")
        .run("S1(10, 10)")
        .edit("return function() return a end,", "return function() return a, b end,")
        .gives("G1()", "11 110")
        .gives("G2()", "2 200"),
    case("a sibling's variable when the instances share no cell is refused by name")
        .v1("function M.mk()
              local a, b = 1, 2
              return function() return a end, function(x) b = x end
            end
            G1, S1 = M.mk()
            G2, S2 = M.mk()")
        .edit("return function() return a end,", "return function() return a, b end,")
        .refused("b")
        .gives("G1()", "1")
        .gives("G2()", "1"),
    case("a new variable of a factory with a literal")
        .v1("function M.mk(n)
              return function() n = n + 1 return n end
            end
            A, B = M.mk(0), M.mk(10)")
        .run("A()")
        .edit("return function() n = n + 1 return n end", "local step = 5\n              return function() n = n + step step = step + 1 return n end")
        .gives("A(), A()", "6 12")
        .gives("B()", "15")
        .gives("M.mk(100)()", "105"),
    case("a new variable of a factory that would have to be computed is refused by name")
        .v1("function M.mk(n)
              return function() n = n + 1 return n end
            end
            A, B = M.mk(0), M.mk(10)")
        .edit("return function() n = n + 1 return n end", "local seen = make_seen()\n              return function() n = n + #seen return n end")
        .refused("seen")
        .gives("A(), B()", "1 11"),
    case("a factory that closes over the file's state")
        .v1("local total = 0
            local function counter(name) return function() total = total + 1 return name, total end end
            A, B = counter 'a', counter 'b'
            function M.total() return total end")
        .run("A() B()")
        .edit("total = total + 1 return name, total", "total = total + 10 return name .. '!', total")
        .gives("A()", "a! 12")
        .gives("B()", "b! 22")
        .gives("M.total()", "22"),
    case("closures of a loop")
        .v1("M.list = {}
            for i = 1, 3 do
              local hits = 0
              M.list[i] = function() hits = hits + 1 return i, hits, 'v1' end
            end")
        .run("M.list[2]() M.list[2]()")
        .edit("return i, hits, 'v1' end", "return i, hits, 'v2' end")
        .gives("M.list[1]()", "1 1 v2")
        .gives("M.list[2]()", "2 3 v2")
        .gives("M.list[3]()", "3 1 v2"),
    case("objects whose methods are closures")
        .v1("function M.player(name)
              local self, hp = {}, 100
              function self.hit(n) hp = hp - n return hp end
              function self.describe() return name .. ':' .. hp end
              return self
            end
            P, Q = M.player 'p', M.player 'q'")
        .run("P.hit(30)")
        .edit("hp = hp - n return hp", "hp = hp - 2 * n return hp")
        .also("return name .. ':' .. hp", "return '<' .. name .. ' ' .. hp .. '>'")
        .gives("P.hit(5), P.describe(), Q.describe()", "60 <p 60> <q 100>"),
    case("a method that is added to a factory reaches new objects")
        .v1("function M.player(name)
              local self = {}
              function self.name() return name end
              return self
            end
            P = M.player 'p'")
        .edit("function self.name() return name end", "function self.name() return name .. '!' end\n              function self.twice() return name .. name end")
        .gives("P.name(), M.player 'q'.name(), M.player 'q'.twice()", "p! q! qq"),
    case("one closure for each argument is memoised")
        .v1("local made = {}
            function M.adder(n)
              made[n] = made[n] or function(x) return x + n end
              return made[n]
            end
            A = M.adder(1)")
        .edit("return x + n end", "return x + n * 100 end")
        .gives("A(1), M.adder(1) == A, M.adder(2)(1)", "101 true 201"),
    case("instances keep the identity of their cells")
        .v1("function M.mk(n) return function() return n end, function(x) n = x end end
            G, S = M.mk(1)
            function M.same() return debug.upvalueid(G, 1) == debug.upvalueid(S, 1) end")
        .edit("return function() return n end,", "return function() return 'v2', n end,")
        .run("S(9)")
        .gives("G()", "v2 9")
        .gives("M.same()", "true"),
    case("partial application and currying in call arguments")
        .v1("local function bind(f, ...) local args = table.pack(...) return function(...) return f(args[1], ...) end end
            local function hit(who, n) return 'v1 ' .. who .. n end
            H = bind(hit, 'boss')")
        .swap(
            "local function hit(who, n) return 'v1 ' .. who .. n end",
            "local function hit(who, n) return 'v2 ' .. who .. n end",
        )
        .gives("H(3)", "v2 boss3"),
    case("an iterator with its own state")
        .v1("function M.range(n) local i = 0 return function() i = i + 1 if i <= n then return i end end end
            IT = M.range(5)")
        .run("IT() IT()")
        .edit("if i <= n then return i end", "if i <= n then return i * 100 end")
        .gives("IT()", "300")
        .gives("M.range(1)()", "100"),
    case("a factory that is removed leaves what it has made")
        .v1("function M.mk(n) return function() n = n + 1 return n end end
            function M.other() return 'v1' end
            A = M.mk(1)")
        .edit("function M.mk(n) return function() n = n + 1 return n end end\n", "")
        .also("'v1'", "'v2'")
        .says("M.mk")
        .gives("A(), M.other(), M.mk(5)()", "2 v2 6"),
    case("a literal of a factory changes for what is made from now on, which is said")
        .v1("function M.mk() local mult = 3 return function(n) return n * mult end end
            OLD = M.mk()")
        .edit("local mult = 3", "local mult = 10")
        .says("`mult`")
        .gives("OLD(2), M.mk()(2)", "6 20"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
