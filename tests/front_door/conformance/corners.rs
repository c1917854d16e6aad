//! Corners: frames and cells that are open, bodies that end badly, patches that wrap, and what is rolled back after that.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a closure that shares a variable with a suspended frame")
        .v1("CO = coroutine.wrap(function()
              local n = 0
              HELD = function() n = n + 1 return n end
              while true do coroutine.yield(n) end
            end)
            CO()")
        .run("HELD()")
        .edit("n = n + 1 return n end", "n = n + 10 return n end")
        .gives("HELD(), CO(), HELD(), CO()", "11 11 21 21"),
    case("an old body inside protected calls and other coroutines")
        .v1("function M.deep() coroutine.yield() return 'v1' end
            INNER = coroutine.create(M.deep) coroutine.resume(INNER)
            OUTER = coroutine.create(function() local co = coroutine.create(function() return select(2, pcall(M.deep)) end) coroutine.resume(co) coroutine.yield() return select(2, coroutine.resume(co)) end)
            coroutine.resume(OUTER)")
        .swap(
            "function M.deep() coroutine.yield() return 'v1' end",
            "function M.deep() return 'v2' end",
        )
        .says("2 coroutines in the old body, services/@@.lua:4")
        .gives("select(2, coroutine.resume(OUTER)), M.deep()", "v1 v2"),
    case("an old body below a metamethod")
        .v1("local mt = {}
            function mt.__index(_, k) coroutine.yield() return 'v1 ' .. k end
            CO = coroutine.wrap(function() return setmetatable({}, mt).key end)
            CO()
            T = setmetatable({}, mt)")
        .swap(
            "function mt.__index(_, k) coroutine.yield() return 'v1 ' .. k end",
            "function mt.__index(_, k) return 'v2 ' .. k end",
        )
        .says("1 coroutine in the old body")
        .gives("CO(), T.key", "v1 key v2 key"),
    case("an old iterator in the head of a suspended loop")
        .v1("local function each(n) local i = 0 return function() i = i + 1 if i <= n then return 'v1 ' .. i end end end
            CO = coroutine.wrap(function() for x in each(3) do coroutine.yield(x) end return 'end' end)
            CO()")
        .edit("return 'v1 ' .. i end", "return 'v2 ' .. i end")
        .gives("CO(), CO(), CO()", "v2 2 v2 3 end"),
    case("what an old body makes becomes new also when it ends by an error")
        .v1("function M.build()
              skynet.wait('build')
              MADE = function() return 'v1' end
              error 'on purpose'
            end")
        .run("skynet.fork(M.build)")
        .edit("MADE = function() return 'v1' end", "MADE = function() return 'v2' end")
        .run("skynet.wakeup 'build'")
        .soon("MADE and MADE()", "v2"),
    case("an old factory in flight makes objects with several methods")
        .v1("function M.build(hp)
              local o = {}
              skynet.wait('build')
              function o.hit(n) hp = hp - n return 'v1', hp end
              function o.hp() return hp end
              OBJ = o
            end")
        .run("skynet.fork(M.build, 100)")
        .edit("hp = hp - n return 'v1', hp", "hp = hp - n * 2 return 'v2', hp")
        .run("skynet.wakeup 'build'")
        .soon("OBJ ~= nil", "true")
        .gives("OBJ.hit(10)", "v2 80")
        .gives("OBJ.hp()", "80"),
    case("two patches while one old body sleeps")
        .v1("function M.slow(t) skynet.wait(t) MADE = function() return 'v1' end return 'v1' end
            function M.begin(t) skynet.fork(function() GOT = M.slow(t) end) end")
        .run("M.begin 'one'")
        .edit("MADE = function() return 'v1' end return 'v1' end", "MADE = function() return 'v2' end return 'v2' end")
        .says("1 coroutine in the old body")
        .edit("MADE = function() return 'v2' end return 'v2' end", "MADE = function() return 'v3' end return 'v3' end")
        .says("1 coroutine in the old body")
        .run("skynet.wakeup 'one'")
        .soon("GOT", "v1")
        .soon("MADE()", "v3")
        .run("M.begin 'two' skynet.fork(skynet.wakeup, 'two')")
        .soon("GOT, MADE()", "v3 v3"),
    case("two bodies of different ages sleep")
        .v1("function M.slow(t) skynet.wait(t) MADE = function() return 'v1' end return 'v1' end
            function M.begin(t) skynet.fork(function() GOT = M.slow(t) end) end")
        .run("M.begin 'one'")
        .edit("MADE = function() return 'v1' end return 'v1' end", "MADE = function() return 'v2' end return 'v2' end")
        .run("M.begin 'two'")
        .edit("MADE = function() return 'v2' end return 'v2' end", "MADE = function() return 'v3' end return 'v3' end")
        .says("in the old body")
        .run("skynet.wakeup 'two'")
        .soon("GOT", "v2")
        .soon("MADE()", "v3")
        .run("MADE = nil skynet.wakeup 'one'")
        .soon("GOT", "v1")
        .soon("MADE()", "v3"),
    case("a hundred timers that wait")
        .v1("SUM, OLD = 0, 0
            function M.begin() for i = 1, 100 do skynet.timeout(1000 + i % 7, function() OLD = OLD + 1 SUM = SUM + i end) end end")
        .run("M.begin()")
        .edit("OLD = OLD + 1 SUM = SUM + i", "SUM = SUM + i * 10")
        .soon("SUM", "50500")
        .gives("OLD", "0"),
    case("a wrapper of a wrapper by two patches")
        .v1("function M.f(x) return 'f' .. x end
            KEPT = { M.f }")
        .named("a.lua")
        .chunk("local old = M.f\nM.f = function(x) return 'A' .. old(x) end")
        .named("b.lua")
        .chunk("local old = M.f\nM.f = function(x) return 'B' .. old(x) end")
        .gives("M.f 'x', KEPT[1] 'x', KEPT[1] == M.f", "BAfx BAfx true")
        .rollback()
        .gives("M.f 'x', KEPT[1] 'x'", "Afx Afx")
        .rollback()
        .gives("M.f 'x', KEPT[1] 'x', KEPT[1] == M.f", "fx fx true"),
    case("the same bytes after a rollback are applied")
        .v1("function M.f() return 'v1' end")
        .chunk("function M.f() return 'v2' end")
        .rollback()
        .gives("M.f()", "v1")
        .chunk("function M.f() return 'v2' end")
        .gives("M.f()", "v2"),
    case("rollback of a second version of a file brings its first back")
        .v1("function M.f() return 'v1' end
            function M.g() return 'v1' end")
        .chunk("function M.f() return 'a' end")
        .chunk("function M.f() return 'b' end function M.g() return 'b' end")
        .gives("M.f(), M.g()", "b b")
        .rollback()
        .gives("M.f(), M.g()", "a v1"),
    case("rollback of closures that were made two levels deep")
        .v1("function M.outer(a) return function(b) return function() b = b + 1 return 'v1', a, b end end end
            X = M.outer(1)
            X1 = X(10)")
        .edit("return 'v1', a, b end", "return 'v2', a, b end")
        .run("X2, Y2 = X(20), M.outer(2)(30) X1() X2()")
        .rollback()
        .gives("X1()", "v1 1 12")
        .gives("X2()", "v1 1 22")
        .gives("Y2()", "v1 2 31"),
    case("rollback of siblings that share their cells")
        .v1("function M.account(n)
              return { put = function(x) n = n + x return n, 'v1' end, get = function() return n end }
            end
            A = M.account(1)")
        .edit("n = n + x return n, 'v1' end", "n = n + x * 10 return n, 'v2' end")
        .run("A.put(1) B = M.account(100) B.put(1)")
        .rollback()
        .gives("A.put(1)", "12 v1")
        .gives("A.get()", "12")
        .gives("B.put(1)", "111 v1")
        .gives("B.get()", "111"),
    case("rollback under an upvalue that the new text has added")
        .v1("local n, step = 0, 5
            function M.inc() n = n + 1 return n end
            function M.set(x) step = x end")
        .swap("function M.inc() n = n + 1 return n end", "function M.inc() n = n + step return n end")
        .run("M.inc() M.set(50) M.inc()")
        .rollback()
        .gives("M.inc()", "56")
        .swap("function M.inc() n = n + step return n end", "function M.inc() n = n - step return n end")
        .gives("M.inc()", "6"),
    case("a finalizer of the program does not run because a patch looks at it")
        .v1("FINAL = 0
            HELD = setmetatable({}, { __gc = function() FINAL = FINAL + 1 end })
            function M.f() return 'v1' end")
        .swap("function M.f() return 'v1' end", "function M.f() return 'v2' end")
        .gives("M.f(), FINAL", "v2 0"),
    case("a comparison of functions that a set relies on")
        .v1("local set, order = {}, {}
            local function add(f) if not set[f] then set[f] = #order + 1 order[#order + 1] = f end return set[f] end
            local function a() return 'a1' end
            local function b() return 'b1' end
            add(a) add(b)
            function M.look() return add(a), add(b), #order, order[1](), order[2]() end")
        .swap("local function a() return 'a1' end", "local function a() return 'a2' end")
        .also("local function b() return 'b1' end", "local function b() return 'b2' end")
        .gives("M.look()", "1 2 2 a2 b2"),
    case("a function that is changed and its own holder of itself")
        .v1("local f
            f = function(n) if n == 0 then return 'v1', f == M.f end return f(n - 1) end
            M.f = f")
        .edit("return 'v1', f == M.f", "return 'v2', f == M.f")
        .gives("M.f(3)", "v2 true"),
    case("a function whose environment the program has exchanged")
        .v1("function M.f() return value end
            value = 'global'
            local box = { value = 'boxed' }
            debug.upvaluejoin(M.f, 1, function() return box end, 1)")
        .edit("function M.f() return value end", "function M.f() return value, 'v2' end")
        .gives("M.f()", "boxed v2"),
    case("a function that is added in a block")
        .v1("do
              local secret = 41
              function M.get() return secret end
              function M.put(x) secret = x end
            end
            function M.other() return 'v1' end")
        .run("M.put(50)")
        .edit("function M.put(x) secret = x end", "function M.put(x) secret = x end\nfunction M.double() return secret * 2 end")
        .gives("M.get(), M.double()", "50 100"),
    case("a function that is added in a branch that ran")
        .v1("if M.never then
              function M.a() return 'never' end
            else
              local n = 5
              function M.b() n = n + 1 return n end
            end")
        .run("M.b()")
        .edit("function M.b() n = n + 1 return n end", "function M.b() n = n + 1 return n end function M.c() return 'c', n end")
        .summary(&["applied to", "had no effect", "rejected"])
        .says("x.lua")
        .gives("M.b()", "7"),
    case("a local that is added in a block")
        .v1("do
              local n = 5
              function M.get() return n end
              function M.put(x) n = x end
            end")
        .run("M.put(9)")
        .edit("function M.get() return n end", "local k = 2\nfunction M.get() return n * k end")
        .gives("M.get()", "18"),
    case("a function whose last upvalue goes")
        .v1("local n = 5
            function M.f() n = n + 1 return n, print ~= nil end
            function M.n() return n end
            SAVED = M.f")
        .run("M.f()")
        .swap("function M.f() n = n + 1 return n, print ~= nil end", "function M.f() return 'pure' end")
        .gives("M.f(), SAVED == M.f, M.n()", "pure true 6"),
    case("a pure function that gets state")
        .v1("local n = 5
            function M.f() return 'pure' end
            LIST = { M.f, M.f }")
        .swap("function M.f() return 'pure' end", "function M.f() n = n + 1 return n, print ~= nil end")
        .gives("LIST[1]()", "6 true")
        .gives("LIST[2]()", "7 true"),
    case("a failure in the middle of a source patch leaves no new function behind")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end
            KEYS = { [M.inc] = 'inc' }")
        .edit(
            "function M.inc() n = n + 1 return n end",
            "local one = { 1 }\nlocal two = one.x.y\nfunction M.inc() n = n + one[1] return n end\nfunction M.extra() return two end",
        )
        .failed("x.lua:")
        .gives("M.inc(), M.extra, KEYS[M.inc]", "1 nil inc")
        .edit("local two = one.x.y", "local two = 2")
        .gives("M.inc(), M.extra(), KEYS[M.inc]", "2 2 inc"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
