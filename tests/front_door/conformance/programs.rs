//! Programs as people write them: event buses, state machines, middleware, strict globals, object pools. Each is patched in the middle
//! of its life.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("globals that may not be made or read by accident")
        .v1("STRICT = 0
            rawset(_G, 'calls', 0)
            function M.f(x) return 'v1', x end
            setmetatable(_G, { __newindex = function(_, k) STRICT = STRICT + 1 error('new global ' .. k) end,
              __index = function(_, k) STRICT = STRICT + 1 error('no global ' .. tostring(k)) end })")
        .swap("function M.f(x) return 'v1', x end", "function M.f(x) calls = calls + 1 return 'v2', x, calls end")
        .gives("M.f(5)", "v2 5 1")
        .gives("STRICT", "0"),
    case("an event bus with priorities and once handlers")
        .v1("local bus = {}
            local function on(name, f, once) bus[name] = bus[name] or {} table.insert(bus[name], { f = f, once = once }) return f end
            function M.emit(name, ...)
              local out = {}
              for i = #(bus[name] or {}), 1, -1 do
                local h = bus[name][i]
                out[#out + 1] = h.f(...)
                if h.once then table.remove(bus[name], i) end
              end
              return table.concat(out, ',')
            end
            on('hit', function(n) return 'a' .. n end)
            on('hit', function(n) return 'once' .. n end, true)
            local named = on('hit', function(n) return 'c' .. n end)
            function M.off() for i, h in ipairs(bus.hit) do if h.f == named then table.remove(bus.hit, i) end end end")
        .edit("return 'a' .. n", "return 'A' .. n")
        .also("return 'once' .. n", "return 'ONCE' .. n")
        .also("return 'c' .. n", "return 'C' .. n")
        .gives("M.emit('hit', 1)", "C1,ONCE1,A1")
        .run("M.off()")
        .gives("M.emit('hit', 2)", "A2"),
    case("a state machine whose states are functions")
        .v1("local idle, busy, current
            function idle(e) if e == 'go' then current = busy end return 'idle v1' end
            function busy(e) if e == 'stop' then current = idle end return 'busy v1' end
            current = idle
            function M.feed(e) return current(e) end
            function M.is(name) return current == (name == 'idle' and idle or busy) end")
        .run("M.feed 'go'")
        .swap(
            "function idle(e) if e == 'go' then current = busy end return 'idle v1' end",
            "function idle(e) if e == 'go' then current = busy end return 'idle v2' end",
        )
        .also(
            "function busy(e) if e == 'stop' then current = idle end return 'busy v1' end",
            "function busy(e) if e == 'stop' then current = idle end return 'busy v2' end",
        )
        .gives("M.is 'busy', M.feed 'stop', M.is 'idle', M.feed 'x'", "true busy v2 true idle v2"),
    case("a chain of middleware")
        .v1("local chain = {}
            local function use(f) chain[#chain + 1] = f end
            local function build()
              local run = function(x) return x end
              for i = #chain, 1, -1 do
                local f, inner = chain[i], run
                run = function(x) return f(x, inner) end
              end
              return run
            end
            use(function(x, inner) return 'log(' .. inner(x) .. ')' end)
            use(function(x, inner) return 'auth(' .. inner(x) .. ')' end)
            local handle = build()
            function M.handle(x) return handle(x) end")
        .edit("return 'auth(' .. inner(x) .. ')'", "return 'AUTH(' .. inner(x) .. ')'")
        .gives("M.handle 'x'", "log(AUTH(x))")
        .edit("run = function(x) return f(x, inner) end", "run = function(x) return '[' .. f(x, inner) .. ']' end")
        .gives("M.handle 'x'", "[log([AUTH(x)])]"),
    case("an object pool with closures that give back")
        .v1("local free, made = {}, 0
            function M.take()
              local o = table.remove(free)
              if not o then
                made = made + 1
                local id = made
                o = { id = id }
                o.give = function() free[#free + 1] = o return 'v1 ' .. id end
              end
              return o
            end
            A, B = M.take(), M.take()
            A.give()")
        .edit("return 'v1 ' .. id", "return 'v2 ' .. id")
        .gives("B.give(), M.take() == B, M.take() == A, A.give()", "v2 2 true true v2 1"),
    case("a class library with mixins and super")
        .v1("local function class(base)
              local c = { __index = nil }
              c.__index = c
              c.super = base
              c.new = function(...) local o = setmetatable({}, c) if c.init then c.init(o, ...) end return o end
              return setmetatable(c, { __index = base, __call = function(k, ...) return k.new(...) end })
            end
            local Entity = class()
            function Entity:init(name) self.name = name end
            function Entity:tick(n) return self.name .. n end
            local Monster = class(Entity)
            function Monster:init(name, hp) Entity.init(self, name) self.hp = hp end
            function Monster:tick(n) return 'm:' .. Monster.super.tick(self, n) .. self.hp end
            local mixin = { heal = function(self, n) self.hp = self.hp + n return self.hp end }
            for k, v in pairs(mixin) do Monster[k] = v end
            ORC = Monster('orc', 10)
            M.Monster = Monster")
        .edit("self.hp = self.hp + n return self.hp", "self.hp = self.hp + n * 2 return self.hp")
        .also("function Entity:tick(n) return self.name .. n end", "function Entity:tick(n) return self.name .. '#' .. n end")
        .also("local o = setmetatable({}, c) if", "local o = setmetatable({ born = 'v2' }, c) if")
        .gives("ORC:heal(5), ORC:tick(1), M.Monster('imp', 1).born, ORC.born", "20 m:orc#120 v2 nil"),
    case("a request router with patterns")
        .v1("local routes = {}
            local function get(pattern, f) routes[#routes + 1] = { pattern, f } end
            get('^/user/(%d+)$', function(id) return 'user ' .. id end)
            get('^/item/(%w+)$', function(id) return 'item ' .. id end)
            function M.go(path) for _, r in ipairs(routes) do local c = path:match(r[1]) if c then return r[2](c) end end return 404 end")
        .edit("return 'user ' .. id", "return 'USER ' .. id")
        .gives("M.go '/user/5', M.go '/item/x', M.go '/none'", "USER 5 item x 404"),
    case("memoised results and the function that made them")
        .v1("local cache = setmetatable({}, { __mode = 'k' })
            local function memo(f) return function(x) local c = cache[f] or {} cache[f] = c if c[x] == nil then c[x] = f(x) end return c[x] end end
            local function slow(x) return x * 10 end
            M.fast = memo(slow)
            M.fast(1)")
        .swap("local function slow(x) return x * 10 end", "local function slow(x) return x * 100 end")
        .gives("M.fast(1), M.fast(2)", "10 200"),
    case("a command table with aliases made by a loop")
        .v1("local cmd = {}
            function cmd.help() return 'help v1' end
            function cmd.quit() return 'quit v1' end
            for _, name in ipairs { 'help', 'quit' } do cmd[name:sub(1, 1)] = cmd[name] cmd[name:upper()] = function(...) return cmd[name](...) .. '!' end end
            function M.call(n) return cmd[n]() end")
        .swap("function cmd.help() return 'help v1' end", "function cmd.help() return 'help v2' end")
        .gives("M.call 'help', M.call 'h', M.call 'HELP', M.call 'q'", "help v2 help v2 help v2! quit v1"),
    case("a ring of timers that start themselves again")
        .v1("COUNT, KIND = 0, ''
            local function tick() COUNT = COUNT + 1 KIND = 'v1' skynet.timeout(1, tick) end
            function M.begin() skynet.timeout(1, tick) end")
        .run("M.begin()")
        .swap(
            "local function tick() COUNT = COUNT + 1 KIND = 'v1' skynet.timeout(1, tick) end",
            "local function tick() COUNT = COUNT + 1 KIND = 'v2' skynet.timeout(1, tick) end",
        )
        .soon("KIND", "v2")
        .run("M.count = COUNT")
        .soon("COUNT > M.count, KIND", "true v2"),
    case("a queue of jobs that are closures")
        .v1("local jobs = {}
            function M.push(n) jobs[#jobs + 1] = function() return 'v1 job ' .. n end end
            function M.pop() local j = table.remove(jobs, 1) return j and j() or 'empty' end
            for i = 1, 3 do M.push(i) end")
        .run("M.pop()")
        .edit("return 'v1 job ' .. n", "return 'v2 job ' .. n")
        .run("M.push(4)")
        .gives("M.pop(), M.pop(), M.pop(), M.pop()", "v2 job 2 v2 job 3 v2 job 4 empty"),
    case("lazy fields through an index function")
        .v1("local loaders = { cfg = function() return 'v1 cfg' end }
            local lazy = setmetatable({}, { __index = function(t, k) local v = loaders[k] and loaders[k]() rawset(t, k, v) return v end })
            function M.get(k) return lazy[k] end
            function M.drop(k) lazy[k] = nil end")
        .run("M.get 'cfg'")
        .edit("cfg = function() return 'v1 cfg' end", "cfg = function() return 'v2 cfg' end, more = function() return 'more' end")
        .gives("M.get 'cfg', M.get 'more'", "v1 cfg more")
        .run("M.drop 'cfg'")
        .gives("M.get 'cfg'", "v2 cfg"),
    case("a promise with callbacks that wait")
        .v1("local function promise()
              local self, list, done, value = {}, {}, false, nil
              function self.next(f) if done then f(value) else list[#list + 1] = f end return self end
              function self.resolve(x) done, value = true, x for _, f in ipairs(list) do f(x) end end
              return self
            end
            OUT = {}
            P = promise()
            P.next(function(x) OUT[#OUT + 1] = 'v1 ' .. x end).next(function(x) OUT[#OUT + 1] = 'second v1 ' .. x end)")
        .edit("OUT[#OUT + 1] = 'v1 ' .. x", "OUT[#OUT + 1] = 'v2 ' .. x")
        .also("OUT[#OUT + 1] = 'second v1 ' .. x", "OUT[#OUT + 1] = 'second v2 ' .. x")
        .run("P.resolve(7)")
        .gives("table.concat(OUT, ',')", "v2 7,second v2 7"),
    case("a leaderboard that sorts with a comparison kept in a field")
        .v1("local board = { rows = {}, less = function(a, b) return a.score < b.score end }
            function board:add(name, score) self.rows[#self.rows + 1] = { name = name, score = score } table.sort(self.rows, self.less) end
            function board:top() return self.rows[1].name end
            M.board = board
            for i = 1, 5 do board:add('p' .. i, i) end")
        .edit("return a.score < b.score", "return a.score > b.score")
        .run("M.board:add('p6', 6)")
        .gives("M.board:top(), #M.board.rows", "p6 6"),
    case("two classes whose methods have the same text")
        .v1("local A, B = { n = 'A' }, { n = 'B' }
            function A.who() return A.n end
            function B.who() return B.n end
            function A.id(x) return x end
            function B.id(x) return x end
            M.A, M.B = A, B
            SA, SB = A.id, B.id")
        .swap("function B.id(x) return x end", "function B.id(x) return x .. 'B' end")
        .gives("M.A.id 'x', M.B.id 'x', SA 'x', SB 'x', M.A.who(), M.B.who()", "x xB x xB A B"),
    case("two functions exchange their bodies")
        .v1("local n = 0
            function M.up() n = n + 1 return n, 'up' end
            function M.down() n = n - 1 return n, 'down' end
            U, D = M.up, M.down")
        .run("M.up() M.up()")
        .swap("function M.up() n = n + 1 return n, 'up' end", "function M.up() n = n - 1 return n, 'down' end --up")
        .also("function M.down() n = n - 1 return n, 'down' end\n", "function M.down() n = n + 1 return n, 'up' end\n")
        .gives("U == M.up, D == M.down", "true true")
        .gives("M.up()", "1 down")
        .gives("D()", "2 up"),
    case("handlers that are appended one after the other")
        .v1("local list = {}
            list[#list + 1] = function() return 'one' end
            list[#list + 1] = function() return 'two' end
            list[#list + 1] = function() return 'three' end
            function M.run() local o = {} for i, f in ipairs(list) do o[i] = f() end return table.concat(o, ' ') end")
        .edit("'three'", "'THREE'")
        .gives("M.run()", "one two THREE"),
    case("a list of functions that gets one in front")
        .v1("local steps = {
              function() return 'one' end,
              function() return 'two' end,
            }
            function M.run() local o = {} for i, f in ipairs(steps) do o[i] = f() end return table.concat(o, ' ') end")
        .edit("function() return 'one' end,", "function() return 'zero' end,\nfunction() return 'one' end,")
        .gives("M.run()", "zero one two"),
    case("constant functions")
        .v1("local f <const> = function(x) return 'v1', x end
            local g <const> = function(x) return f(x) end
            M.f, M.g = f, g")
        .edit("return 'v1', x", "return 'v2', x")
        .gives("M.f(1)", "v2 1")
        .gives("M.g(2)", "v2 2"),
    case("two functions in one local statement")
        .v1("local n = 0
            local up, down = function() n = n + 1 return n end, function() n = n - 1 return n end
            M.up, M.down = up, down")
        .run("M.up() M.up() M.up()")
        .edit("n = n - 1 return n end", "n = n - 2 return n end")
        .gives("M.down(), M.up()", "1 2"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
