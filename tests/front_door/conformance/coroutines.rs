//! Coroutines and timers: what waits goes on with the new functions, and what is in the middle of an old body is reported.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("what a body of several patches ago still makes is the newest")
        .v1("local function mk(n) skynet.sleep(150) return function() n = n + 1 return 'v1', n end end
            function M.go() skynet.fork(function() MADE = mk(5) end) end")
        .run("M.go()")
        .edit("return 'v1', n", "return 'v2', n")
        .edit("return 'v2', n", "return 'v3', n")
        .soon("MADE ~= nil", "true")
        .soon("(MADE())", "v3"),
    case("a pending timer whose closure calls the function")
        .v1("LOG = {}
            local function expire(id) LOG[#LOG + 1] = 'v1 ' .. id end
            function M.begin() skynet.timeout(1000, function() expire(7) end) end")
        .run("M.begin()")
        .swap(
            "local function expire(id) LOG[#LOG + 1] = 'v1 ' .. id end",
            "local function expire(id) LOG[#LOG + 1] = 'v2 ' .. id end",
        )
        .soon("LOG[1]", "v2 7")
        .gives("#LOG", "1"),
    case("a pending timer that is the function itself")
        .v1("LOG = {}
            local function expire() LOG[#LOG + 1] = 'v1' end
            function M.begin() skynet.timeout(1000, expire) end")
        .run("M.begin()")
        .swap("local function expire() LOG[#LOG + 1] = 'v1' end", "local function expire() LOG[#LOG + 1] = 'v2' end")
        .soon("LOG[1]", "v2"),
    case("a pending timer with an anonymous function")
        .v1("LOG = {}
            function M.begin(id) skynet.timeout(1000, function() LOG[#LOG + 1] = 'v1 ' .. id end) end")
        .run("M.begin(3) M.begin(4)")
        .edit("'v1 ' .. id", "'v2 ' .. id")
        .soon("LOG[1], LOG[2]", "v2 3 v2 4"),
    case("a timer that a patch starts fires once the patch is committed")
        .v1("LOG = {}
            local function late() LOG[#LOG + 1] = 'v1' end")
        .chunk("skynet.timeout(0, function() late() end)\nfunction late() LOG[#LOG + 1] = 'v2' end")
        .soon("LOG[1]", "v2")
        .gives("#LOG", "1"),
    case("a fork that a patch makes starts once the patch is committed")
        .v1("LOG = {}
            state = 'v1'")
        .chunk("skynet.fork(function(a, b, c) LOG[1] = state .. tostring(a) .. tostring(b) .. tostring(c) end, 1, nil, 3)\nstate = 'v2'")
        .soon("LOG[1]", "v21nil3"),
    case("a sleeping loop calls the new functions from its next turn on")
        .v1("local function step() return 'v1' end
            function M.poll() return 'v1' end
            function M.begin() skynet.fork(function() while true do skynet.sleep(1) STEP = step() POLL = M.poll() end end) end")
        .run("M.begin()")
        .swap("local function step() return 'v1' end", "local function step() return 'v2' end")
        .also("function M.poll() return 'v1' end", "function M.poll() return 'v2' end")
        .soon("STEP, POLL", "v2 v2")
        .silent("old body"),
    case("a loop whose own body changes is reported and not started twice")
        .v1("TURNS = 0
            function M.loop() while true do skynet.wait('turn') TURNS = TURNS + 1 end end
            function M.begin() skynet.fork(M.loop) end")
        .run("M.begin()")
        .swap(
            "function M.loop() while true do skynet.wait('turn') TURNS = TURNS + 1 end end",
            "function M.loop() while true do skynet.wait('turn') TURNS = TURNS + 100 end end",
        )
        .says("1 coroutine in the old body, services/@@.lua:5")
        .run("skynet.wakeup 'turn'")
        .soon("TURNS", "1")
        .run("skynet.wakeup 'turn'")
        .soon("TURNS", "2"),
    case("an anonymous loop whose own body changes is reported")
        .v1("TURNS = 0
            function M.begin()
              skynet.fork(function() while true do skynet.wait('turn') TURNS = TURNS + 1 end end)
            end")
        .run("M.begin()")
        .edit("TURNS = TURNS + 1 end", "TURNS = TURNS + 100 end")
        .says("1 coroutine in the old body, services/@@.lua:6")
        .run("skynet.wakeup 'turn'")
        .soon("TURNS", "1"),
    case("a loop whose body moved only is not reported")
        .v1("TURNS = 0
            function M.loop() while true do skynet.wait('turn') TURNS = TURNS + 1 end end
            function M.begin() skynet.fork(M.loop) end
            function M.other() return 'v1' end")
        .run("M.begin()")
        .edit("TURNS = 0", "-- a comment\n\n\nTURNS = 0")
        .also("'v1'", "'v2'")
        .silent("old body")
        .run("skynet.wakeup 'turn'")
        .soon("TURNS, M.other()", "1 v2"),
    case("several coroutines in one old body are counted")
        .v1("DONE = 0
            function M.slow(id) skynet.wait(id) DONE = DONE + 1 end")
        .run("for i = 1, 3 do skynet.fork(M.slow, 'slow' .. i) end")
        .swap(
            "function M.slow(id) skynet.wait(id) DONE = DONE + 1 end",
            "function M.slow(id) skynet.wait(id) DONE = DONE + 100 end",
        )
        .says("3 coroutines in the old body, services/@@.lua:5")
        .run("for i = 1, 3 do skynet.wakeup('slow' .. i) end")
        .soon("DONE", "3")
        .run("skynet.fork(M.slow, 'new') skynet.fork(skynet.wakeup, 'new')")
        .soon("DONE", "103"),
    case("a coroutine that died in the old body is not counted")
        .v1("local function fails() coroutine.yield() error 'dead' end
            DEAD = coroutine.create(fails)
            coroutine.resume(DEAD) coroutine.resume(DEAD)")
        .swap("local function fails() coroutine.yield() error 'dead' end", "local function fails() return 'v2' end")
        .silent("old body"),
    case("recursion in flight goes on with the new function below it")
        .v1("local function fact(n) if n == 3 then skynet.wait('three') end if n <= 1 then return 1 end return n * fact(n - 1) end
            M.fact = fact
            function M.begin() skynet.fork(function() RESULT = fact(5) end) end")
        .run("M.begin()")
        .swap(
            "local function fact(n) if n == 3 then skynet.wait('three') end if n <= 1 then return 1 end return n * fact(n - 1) end",
            "local function fact(n) return 1000 end",
        )
        .says("in the old body, services/@@.lua:4")
        .run("skynet.wakeup 'three'")
        .soon("RESULT", "60000")
        .gives("M.fact(9)", "1000"),
    case("a generator in the middle of its old body")
        .v1("local function gen() for i = 1, 3 do coroutine.yield('v1', i) end return 'end' end
            IT = coroutine.wrap(gen)
            M.gen = gen")
        .run("IT()")
        .swap(
            "local function gen() for i = 1, 3 do coroutine.yield('v1', i) end return 'end' end",
            "local function gen() coroutine.yield('v2', 0) end",
        )
        .says("1 coroutine in the old body, services/@@.lua:4")
        .gives("IT()", "v1 2")
        .gives("coroutine.wrap(M.gen)()", "v2 0")
        .gives("IT()", "v1 3"),
    case("a generator whose helper changes")
        .v1("local function show(i) return 'v1 ' .. i end
            local function gen() for i = 1, 3 do coroutine.yield(show(i)) end end
            IT = coroutine.wrap(gen)")
        .run("IT()")
        .swap("local function show(i) return 'v1 ' .. i end", "local function show(i) return 'v2 ' .. i end")
        .silent("old body")
        .gives("IT()", "v2 2"),
    case("what an old body makes later becomes new when it ends")
        .v1("function M.build()
              skynet.wait('build')
              MADE = function() return 'v1' end
              skynet.wait('end')
            end")
        .run("skynet.fork(M.build)")
        .edit("MADE = function() return 'v1' end", "MADE = function() return 'v2' end")
        .says("1 coroutine in the old body")
        .run("skynet.wakeup 'build'")
        .soon("type(MADE)", "function")
        .run("skynet.wakeup 'end'")
        .soon("MADE()", "v2"),
    case("a to be closed variable of a suspended body is closed once at its end")
        .v1("CLOSED = 0
            local mt = { __close = function() CLOSED = CLOSED + 1 end }
            function M.hold() local g <close> = setmetatable({}, mt) skynet.wait('hold') AFTER = 'v1' end")
        .run("skynet.fork(M.hold)")
        .swap(
            "function M.hold() local g <close> = setmetatable({}, mt) skynet.wait('hold') AFTER = 'v1' end",
            "function M.hold() AFTER = 'v2' end",
        )
        .gives("CLOSED", "0")
        .run("skynet.wakeup 'hold'")
        .soon("CLOSED, AFTER", "1 v1")
        .run("M.hold()")
        .gives("CLOSED, AFTER", "1 v2"),
    case("a suspended body that is killed closes its variable once with the new closer")
        .v1("LOG = {}
            local mt = { __close = function() LOG[#LOG + 1] = 'v1' end }
            CO = coroutine.create(function() local g <close> = setmetatable({}, mt) coroutine.yield() end)
            coroutine.resume(CO)")
        .edit("LOG[#LOG + 1] = 'v1'", "LOG[#LOG + 1] = 'v2'")
        .gives("#LOG", "0")
        .run("coroutine.close(CO)")
        .gives("#LOG, LOG[1]", "1 v2"),
    case("a caller that waits gets the answer of the body it has called")
        .v1("function M.answer(x) WAITING = true skynet.wait('answer') return 'v1 ' .. x end
            function M.ask() skynet.fork(function() GOT = skynet.call(skynet.self(), 'lua', 'return M.answer(1)') end) end")
        .run("M.ask()")
        .soon("WAITING", "true")
        .swap(
            "function M.answer(x) WAITING = true skynet.wait('answer') return 'v1 ' .. x end",
            "function M.answer(x) return 'v2 ' .. x end",
        )
        .run("skynet.wakeup 'answer'")
        .soon("GOT", "v1 1")
        .run("M.ask()")
        .soon("GOT", "v2 1"),
    case("a response that is kept is given by the new function")
        .v1("function M.finish(r) r(true, 'v1') end
            function M.keep() KEPT = skynet.response() skynet.wait('never') end
            function M.ask() skynet.fork(function() GOT = skynet.call(skynet.self(), 'lua', 'M.keep()') end) end")
        .run("M.ask()")
        .soon("type(KEPT)", "function")
        .swap("function M.finish(r) r(true, 'v1') end", "function M.finish(r) r(true, 'v2') end")
        .run("M.finish(KEPT)")
        .soon("GOT", "v2"),
    case("a suspended traversal of another table is left alone")
        .v1("local function f() return 'v1' end
            local list = { a = 1, b = 2, c = 3 }
            SEEN = 0
            function M.walk() for k in pairs(list) do skynet.wait('walk') SEEN = SEEN + 1 end end
            function M.f() return f() end")
        .run("skynet.fork(M.walk)")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.f()", "v2")
        .run("skynet.wakeup 'walk'")
        .soon("SEEN", "1")
        .run("skynet.wakeup 'walk'")
        .soon("SEEN", "2")
        .run("skynet.wakeup 'walk'")
        .soon("SEEN", "3"),
    case("a suspended traversal of a table whose values change goes on")
        .v1("local function f() return 'v1' end
            local list = { a = f, b = f, c = f, d = f }
            SEEN = {}
            function M.walk() for _, g in pairs(list) do skynet.wait('walk') SEEN[#SEEN + 1] = g() end end")
        .run("skynet.fork(M.walk)")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .run("skynet.fork(function() for _ = 1, 4 do skynet.wakeup 'walk' skynet.sleep(1) end end)")
        .soon("table.concat(SEEN, ' ')", "v2 v2 v2 v2"),
    case("the handler of messages in flight")
        .v1("COUNT = 0
            function M.work(n) COUNT = COUNT + n skynet.wait('work') COUNT = COUNT + n end")
        .run("skynet.fork(M.work, 1) skynet.fork(function() skynet.sleep(0) M.work(10) end)")
        .soon("COUNT", "11")
        .swap(
            "function M.work(n) COUNT = COUNT + n skynet.wait('work') COUNT = COUNT + n end",
            "function M.work(n) COUNT = 0 end",
        )
        .says("in the old body, services/@@.lua:5")
        .run("M.work(0)")
        .gives("COUNT", "0"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
