//! Where a changed body may stand: nested, without a name, in a call, in a table, in a handler.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a function inside a function inside a function")
        .v1("function M.outer(a)
              local function middle(b)
                local function inner(c) return 'v1', a, b, c end
                return inner
              end
              return middle
            end
            MID = M.outer(1)
            IN = MID(2)")
        .edit("return 'v1', a, b, c", "return 'v2', a + b + c")
        .gives("IN(3)", "v2 6")
        .gives("MID(5)(5)", "v2 11"),
    case("the body around is unchanged when only an inner one changes")
        .v1("function M.outer(a) return function() return 'v1', a end end
            SAVED = M.outer
            F = M.outer(1)")
        .edit("return 'v1', a end", "return 'v2', a end")
        .gives("F()", "v2 1")
        .gives("M.outer(2)()", "v2 2")
        .gives("SAVED == M.outer", "true"),
    case("the body around changes and the inner one does not")
        .v1("function M.outer(a) a = a + 1 return function() a = a + 1 return a end end
            F = M.outer(1)")
        .edit("a = a + 1 return function()", "a = a * 100 return function()")
        .gives("F()", "3")
        .gives("M.outer(1)()", "101"),
    case("an anonymous function among the arguments of a call")
        .v1("REG, TIMES = {}, 0
            local function on(event, f, extra) TIMES = TIMES + 1 REG[event] = f return extra end
            on('start', function(x) return 'v1', x end, 5)
            on('stop', function(x) return 'stop v1', x end)")
        .edit("return 'v1', x end", "return 'v2', x end")
        .gives("REG.start(1)", "v2 1")
        .gives("REG.stop(1)", "stop v1 1")
        .gives("TIMES", "2"),
    case("equal calls with anonymous functions")
        .v1("LIST = {}
            local function add(f) LIST[#LIST + 1] = f end
            add(function() return 'one' end)
            add(function() return 'two' end)
            add(function() return 'three' end)")
        .edit("'two'", "'TWO'")
        .gives("LIST[1](), LIST[2](), LIST[3]()", "one TWO three"),
    case("an anonymous function behind another in one call")
        .v1("local function both(f, g) PAIR = { f, g } end
            both(function() return 'f' end, function() return 'g' end)")
        .edit("return 'g' end", "return 'G' end")
        .gives("PAIR[1](), PAIR[2]()", "f G"),
    case("a function that a function in the arguments makes")
        .v1("local function call(f) return f() end
            F = call(function() local n = 0 return function() n = n + 1 return 'v1', n end end)")
        .run("F()")
        .edit("return 'v1', n", "return 'v2', n")
        .gives("F()", "v2 2"),
    case("a function that was called at once")
        .v1("M.value = (function() local n = 5 M.get = function() return 'v1', n end return n end)()")
        .edit("return 'v1', n", "return 'v2', n + 1")
        .gives("M.value", "5")
        .gives("M.get()", "v2 6"),
    case("a function in an operand")
        .v1("local given = nil
            local f = given or function() return 'v1' end
            M.f = f
            M.g = M.none and 1 or (function() return 'g1' end)")
        .edit("'v1'", "'v2'")
        .also("'g1'", "'g2'")
        .gives("M.f(), M.g()", "v2 g2"),
    case("a function that is returned by a condition")
        .v1("function M.pick(big)
              if big then return function() return 'big v1' end
              else return function() return 'small v1' end end
            end
            B, S = M.pick(true), M.pick(false)")
        .edit("'small v1'", "'small v2'")
        .gives("B(), S(), M.pick(true)(), M.pick(false)()", "big v1 small v2 big v1 small v2"),
    case("functions in both branches of the file")
        .v1("if M.none then
              function M.f() return 'never' end
            else
              function M.f() return 'v1' end
            end")
        .edit("'v1'", "'v2'")
        .gives("M.f()", "v2"),
    case("functions in a loop of the file")
        .v1("for _, name in ipairs { 'a', 'b' } do
              M[name] = function(x) return 'v1 ' .. name .. x end
            end")
        .edit("'v1 '", "'v2 '")
        .gives("M.a(1), M.b(2)", "v2 a1 v2 b2"),
    case("a metamethod written in place")
        .v1("V = setmetatable({ n = 1 }, {
              __add = function(a, b) return a.n + b end,
              __index = function(t, k) return 'v1 ' .. k end,
            })")
        .edit("'v1 '", "'v2 '")
        .also("return a.n + b", "return a.n + b * 10")
        .gives("V.key, V + 1", "v2 key 11"),
    case("a class with inheritance written in the usual way")
        .v1("local Animal = {} Animal.__index = Animal
            function Animal.new(name) return setmetatable({ name = name }, Animal) end
            function Animal:speak() return self.name .. ' v1' end
            local Dog = setmetatable({}, { __index = Animal }) Dog.__index = Dog
            function Dog.new(name) local d = Animal.new(name) return setmetatable(d, Dog) end
            function Dog:speak() return 'dog ' .. Animal.speak(self) end
            REX, CAT = Dog.new 'rex', Animal.new 'cat'")
        .swap("function Animal:speak() return self.name .. ' v1' end", "function Animal:speak() return self.name .. ' v2' end")
        .also("function Dog:speak() return 'dog ' .. Animal.speak(self) end", "function Dog:speak() return 'DOG ' .. Animal.speak(self) end")
        .gives("REX:speak(), CAT:speak()", "DOG rex v2 cat v2"),
    case("the handler of messages is replaced while it serves")
        .v1("VERSION = 'v1'")
        .edit("skynet.retpack(assert(load(source))())", "HANDLED = (HANDLED or 0) + 1 skynet.retpack(assert(load(source))())")
        .gives("HANDLED", "1")
        .gives("HANDLED", "2"),
    case("the handler of another protocol")
        .v1("skynet.register_protocol { name = 'text', id = skynet.PTYPE_TEXT, pack = skynet.pack, unpack = skynet.unpack }
            skynet.dispatch('text', function(_, _, x) skynet.retpack('v1', x) end)
            function M.go(x) return skynet.call(skynet.self(), 'text', x) end")
        .edit("skynet.retpack('v1', x)", "skynet.retpack('v2', x)")
        .gives("M.go(5)", "v2 5"),
    case("a handler that is a named function")
        .v1("skynet.register_protocol { name = 'text', id = skynet.PTYPE_TEXT, pack = skynet.pack, unpack = skynet.unpack }
            local function on_text(_, _, x) skynet.retpack('v1', x) end
            skynet.dispatch('text', on_text)
            function M.go(x) return skynet.call(skynet.self(), 'text', x) end")
        .swap(
            "local function on_text(_, _, x) skynet.retpack('v1', x) end",
            "local function on_text(_, _, x) skynet.retpack('v2', x) end",
        )
        .gives("M.go(5)", "v2 5"),
    case("a command table called by name from the handler")
        .v1("local command = {}
            function command.add(n) M.total = (M.total or 0) + n return M.total end
            function M.call(name, ...) return command[name](...) end")
        .run("M.call('add', 5)")
        .both(
            "function command.add(n) M.total = M.total + n * 2 return M.total end\nfunction command.sub(n) M.total = M.total - n return M.total end",
            "function command.add(n) M.total = (M.total or 0) + n return M.total end",
            "function command.add(n) M.total = M.total + n * 2 return M.total end\nfunction command.sub(n) M.total = M.total - n return M.total end",
        )
        .gives("M.call('add', 1), M.call('sub', 3)", "7 4"),
    case("a comparison given to sort and a replacement given to gsub")
        .v1("local function before(a, b) return a < b end
            function M.sorted() local t = { 2, 3, 1 } table.sort(t, before) return table.concat(t, ',') end
            function M.shout(s) return (s:gsub('%w', function(c) return c .. '!' end)) end")
        .swap("local function before(a, b) return a < b end", "local function before(a, b) return a > b end")
        .gives("M.sorted(), M.shout 'ab'", "3,2,1 a!b!"),
    case("a function that only a closure in a closure uses")
        .v1("local function secret() return 'v1' end
            function M.mk() return function() return (function() return secret() end)() end end
            F = M.mk()")
        .swap("local function secret() return 'v1' end", "local function secret() return 'v2' end")
        .gives("F()", "v2"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
