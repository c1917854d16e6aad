//! Where functions live: everything that holds the old one gets the new one, and nothing of the program runs meanwhile.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a place that a patch writes twice is one holder")
        .v1("function M.f() return 'v1' end
            SAVED = M.f")
        .chunk("function M.f() return 'v2' end\nfunction M.f() return 'v3' end")
        .says("1 function, 2 holders")
        .gives("M.f(), SAVED()", "v3 v3"),
    case("a handler table and a function that was registered once")
        .v1("local H, R, CALLS = {}, {}, 0
            local function reg(name, f) CALLS = CALLS + 1 R[name] = f end
            H.login = function(u) return 'v1', u end
            reg('buy', function(u) return 'v1 buy', u end)
            function M.h() return H end
            function M.go() return R.buy(2) end
            function M.calls() return CALLS end")
        .run("SAVED = M.h()")
        .edit("H.login = function(u) return 'v1', u end", "H.login = function(u) return 'v2', u end")
        .also("return 'v1 buy', u", "return 'v2 buy', u")
        .gives("M.h().login(1)", "v2 1")
        .gives("M.go()", "v2 buy 2")
        .gives("SAVED == M.h(), M.calls()", "true 1"),
    case("a handler that a chunk assigns anew")
        .v1("local H = {}
            H.login = function(u) return 'v1', u end
            KEPT = H.login
            function M.go() return H.login(1) end")
        .swap("H.login = function(u) return 'v1', u end", "H.login = function(u) return 'v2', u end")
        .gives("M.go()", "v2 1")
        .gives("KEPT(2)", "v2 2"),
    case("a function that is a key")
        .v1("local function step() return 'v1' end
            local function other() end
            local stat = { [step] = 3, [other] = 4 }
            function M.count() return stat[step], stat[other] end
            function M.keys() local n = 0 for _ in pairs(stat) do n = n + 1 end return n end")
        .swap("local function step() return 'v1' end", "local function step() return 'v2' end")
        .gives("M.count()", "3 4")
        .gives("M.keys()", "2"),
    case("a function that is a key and the value of it")
        .v1("local function f() return 'v1' end
            local t = {}
            t[f] = f
            function M.go() local k, v = next(t) return k == v and k == f, k(), next(t, k) end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.go()", "true v2 nil"),
    case("methods of live objects through their metatable")
        .v1("local mt = { __index = { hp = function() return 1 end } }
            function M.new() return setmetatable({}, mt) end
            OLD, MT = M.new(), mt")
        .both(
            "function mt.__index.hp() return 2 end function mt.__add(a, b) return 'sum' end",
            "hp = function() return 1 end } }",
            "hp = function() return 2 end } }\n            function mt.__add(a, b) return 'sum' end",
        )
        .gives("OLD:hp(), M.new():hp(), OLD + 1, getmetatable(OLD) == MT", "2 2 sum true"),
    case("finalizers and closers that a metatable gets later")
        .v1("local mt = {}
            LOG = {}
            function mt.__index(_, k) return k end
            function M.new() return setmetatable({}, mt) end
            OLD = M.new()")
        .both(
            "function mt.__close() LOG[#LOG + 1] = 'closed' end",
            "local mt = {}",
            "local mt = {}\n function mt.__close() LOG[#LOG + 1] = 'closed' end",
        )
        .run("do local x <close> = OLD end")
        .gives("#LOG, LOG[1], OLD.abc", "1 closed abc"),
    case("a finalizer is replaced for the objects that have it")
        .v1("LOG = {}
            local mt = { __gc = function() LOG[#LOG + 1] = 'v1' end }
            function M.make() HELD = setmetatable({}, mt) end")
        .run("M.make()")
        .edit("'v1'", "'v2'")
        .gives("#LOG", "0")
        .run("HELD = nil collectgarbage() collectgarbage()")
        .gives("#LOG, LOG[1]", "1 v2"),
    case("copied inheritance and a captured super")
        .v1("local Base, Derived, Other = {}, {}, {}
            function Base.hit() return 1 end
            function Base.name() return 'base' end
            for _, class in ipairs { Derived, Other } do for k, v in pairs(Base) do class[k] = v end end
            local super = Base.hit
            function Derived.hit(d) return super(d) + 10 end
            M.d, M.o = Derived, Other")
        .swap("function Base.hit() return 1 end", "function Base.hit() return 2 end")
        .gives("M.d.hit(), M.o.hit(), M.d.name()", "12 2 base"),
    case("inheritance over three levels of metatables")
        .v1("local A = {} A.__index = A
            local B = setmetatable({}, A) B.__index = B
            local C = setmetatable({}, B) C.__index = C
            function A:hit() return 'a' end
            function B:run() return 'b' .. self:hit() end
            OBJ = setmetatable({}, C)")
        .swap("function A:hit() return 'a' end", "function A:hit() return 'A' end")
        .gives("OBJ:run()", "bA"),
    case("a callback that every object remembers except the one that has its own")
        .v1("function M.on_hit() return 'old' end
            function M.new() local o = {} o.cb = M.on_hit return o end
            LIST = {}
            for i = 1, 20 do LIST[i] = M.new() end
            LIST[7].cb = function() return 'own' end")
        .swap("function M.on_hit() return 'old' end", "function M.on_hit() return 'new' end")
        .gives("LIST[1].cb(), LIST[20].cb(), LIST[7].cb(), M.new().cb()", "new new own new"),
    case("one old function becomes one new one so unregistering works")
        .v1("local handlers = {}
            function M.tick() return 'old' end
            local function on(f) handlers[f] = true end
            local function off(f) handlers[f] = nil end
            on(M.tick)
            function M.stop() off(M.tick) return next(handlers) end")
        .swap("function M.tick() return 'old' end", "function M.tick() return 'new' end")
        .gives("tostring(M.stop())", "nil"),
    case("two names of one function stay one function")
        .v1("local function f() return 'v1' end
            M.a, M.b = f, f
            LIST = { f, { f } }")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.a == M.b, M.a == LIST[1], LIST[1] == LIST[2][1], M.a()", "true true true v2"),
    case("a wrapper of the program keeps what it wraps up to date")
        .v1("function M.f(x) return 'f' .. x end
            local inner = M.f
            M.f = function(x) return 'W' .. inner(x) end")
        .edit("return 'f' .. x end", "return 'g' .. x end")
        .gives("M.f 'x'", "Wgx"),
    case("a wrapper that a patch puts around a function")
        .v1("function M.f(x) return 'f' .. x end
            KEPT = M.f")
        .chunk("local old = M.f\nM.f = function(x) return 'W' .. old(x) end")
        .gives("M.f 'x', KEPT 'x', M.f == KEPT", "Wfx Wfx true"),
    case("any other assignment of a patch is a plain write")
        .v1("function M.f() return 'f' end
            function M.g() return 'g' end
            KEPT = M.f")
        .chunk("M.f = M.g")
        .gives("M.f(), KEPT()", "g f"),
    case("a function in the registry and in the metatable of strings")
        .v1("local function shout(s) return s .. '!' end
            debug.getregistry().held_by_case = shout
            getmetatable('').__index.shout = shout
            function M.go() return ('a'):shout(), debug.getregistry().held_by_case('b') end")
        .swap("local function shout(s) return s .. '!' end", "local function shout(s) return s .. '?' end")
        .gives("M.go()", "a? b?"),
    case("a function in package loaded and in a global of another name")
        .v1("local function f() return 'v1' end
            package.loaded['made.up'] = { f = f }
            package.preload['later'] = f
            ANOTHER = f
            function M.go() return require 'made.up'.f(), ANOTHER(), package.preload.later() end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.go()", "v2 v2 v2"),
    case("a function in an upvalue of a function in an upvalue")
        .v1("local function f() return 'v1' end
            local function wrap(g) return function() return g() end end
            CHAIN = wrap(wrap(wrap(f)))")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("CHAIN()", "v2"),
    case("a function in the local and the arguments of a suspended coroutine")
        .v1("local function work() return 'old' end
            local held = coroutine.wrap(function(...)
              local mine = work
              while true do coroutine.yield(mine(), (...)(), select(2, ...)()) end
            end)
            held(work, work)
            M.held = held")
        .swap("local function work() return 'old' end", "local function work() return 'new' end")
        .gives("M.held()", "new new new"),
    case("a function in the arguments of a coroutine that has not started")
        .v1("local function work() return 'old' end
            local co = coroutine.create(work)
            function M.go() return select(2, coroutine.resume(co)) end")
        .swap("local function work() return 'old' end", "local function work() return 'new' end")
        .gives("M.go()", "new"),
    case("a weak table keeps its entries weak and gets the new function")
        .v1("local function f() return 'v1' end
            local weak = setmetatable({}, { __mode = 'v' })
            local keys = setmetatable({}, { __mode = 'k' })
            weak.f, keys[f] = f, 'note'
            weak.garbage = function() return weak end
            function M.go() return weak.f(), keys[f] end
            function M.garbage() collectgarbage() return weak.garbage end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.go()", "v2 note")
        .gives("M.garbage()", "nil"),
    case("proxies whose metamethods must not run")
        .v1("TOUCHED = 0
            local function trap() TOUCHED = TOUCHED + 1 error 'touched' end
            local function f() return 'v1' end
            local proxy = setmetatable({}, { __index = trap, __newindex = trap, __pairs = trap, __len = trap, __eq = trap, __call = trap, __tostring = trap, __name = 'proxy', __metatable = false })
            rawset(proxy, 'f', f)
            rawset(proxy, proxy, f)
            function M.go() return rawget(proxy, 'f')(), rawget(proxy, proxy)() end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.go()", "v2 v2")
        .gives("TOUCHED", "0"),
    case("read only tables are patched like any other")
        .v1("local data = { f = function() return 'v1' end }
            local ro = setmetatable({}, { __index = data, __newindex = function() error 'read only' end })
            function M.go() return ro.f() end")
        .edit("'v1'", "'v2'")
        .gives("M.go()", "v2"),
    case("a cyclic heap and a deep one")
        .v1("local function f() return 'v1' end
            local t = { f = f } t.self = t t[t] = t setmetatable(t, t)
            local deep = { f }
            for _ = 1, 5000 do deep = { deep } end
            function M.go() local d = deep while type(d[1]) == 'table' do d = d[1] end return t.self.self.f(), d[1]() end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.go()", "v2 v2"),
    case("a message protocol and its functions")
        .v1("local function unpack(msg, sz) return 'v1', skynet.unpack(msg, sz) end
            skynet.register_protocol { name = 'own', id = 101, pack = skynet.pack, unpack = unpack,
              dispatch = function(_, _, who, text) skynet.ret(skynet.pack(who .. ' ' .. text)) end }
            function M.go() return skynet.unpack(skynet.rawcall(skynet.self(), 'own', skynet.pack 'x')) end")
        .swap(
            "local function unpack(msg, sz) return 'v1', skynet.unpack(msg, sz) end",
            "local function unpack(msg, sz) return 'v2', skynet.unpack(msg, sz) end",
        )
        .gives("M.go()", "v2 x"),
    case("a function that a hook of a coroutine holds")
        .v1("COUNT = {}
            local function hook() COUNT.v = 'v1' end
            local co = coroutine.create(function() while true do for _ = 1, 100 do end coroutine.yield() end end)
            coroutine.resume(co)
            HOOK = { hook, co }
            function M.go() debug.sethook(co, hook, '', 1) coroutine.resume(co) debug.sethook(co) return COUNT.v end")
        .swap("local function hook() COUNT.v = 'v1' end", "local function hook() COUNT.v = 'v2' end")
        .gives("M.go()", "v2"),
    case("the holders are counted")
        .v1("local function f() return 'v1' end
            A, B, C = { f = f }, { f }, f")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .says("1 function")
        .says("4 holders")
        .gives("A.f(), B[1](), C()", "v2 v2 v2"),
    case("thousands of holders")
        .v1("local function f() return 'v1' end
            LIST = {}
            for i = 1, 20000 do LIST[i] = { f = f, n = i } end
            function M.count(what) local n = 0 for _, o in ipairs(LIST) do if o.f() == what then n = n + 1 end end return n end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.count 'v2', M.count 'v1'", "20000 0"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
