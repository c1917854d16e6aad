//! Table constructors in the text: their functions are replaced, their data is kept, their new keys are added.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("functions in a constructor are replaced and its data is kept")
        .v1("local H = { name = 'h', count = 0, run = function() return 'v1' end }
            function M.h() return H end
            function M.go() H.count = H.count + 1 return H.run(), H.count, H.name end")
        .run("M.go() SAVED, RUN = M.h(), M.h().run")
        .edit("name = 'h', count = 0, run = function() return 'v1' end", "name = 'new', count = 50, run = function() return 'v2' end")
        .gives("M.go()", "v2 2 h")
        .gives("SAVED == M.h(), RUN(), RUN == M.h().run", "true v2 true"),
    case("new keys of a constructor are added")
        .v1("local CFG = { a = 1 }
            function M.get(k) return CFG[k] end
            function M.set(k, v) CFG[k] = v end")
        .run("M.set('a', 5)")
        .edit("{ a = 1 }", "{ a = 1, b = 2, f = function() return 'f' end }")
        .gives("M.get 'a', M.get 'b', M.get 'f'()", "5 2 f"),
    case("a new key that the program has set already is reported and kept")
        .v1("local CFG = { a = 1 }
            function M.get(k) return CFG[k] end
            function M.set(k, v) CFG[k] = v end")
        .run("M.set('b', 'own')")
        .edit("{ a = 1 }", "{ a = 1, b = 2 }")
        .harmless()
        .says("b")
        .gives("M.get 'b'", "own"),
    case("a new key of a variable that holds no table any more is reported")
        .v1("local CFG = { a = 1 }
            function M.get() return CFG end
            function M.set(x) CFG = x end")
        .run("M.set('text')")
        .edit("{ a = 1 }", "{ a = 1, b = 2 }")
        .harmless()
        .says("CFG")
        .gives("M.get()", "text"),
    case("a key that a metatable would answer for is absent")
        .v1("ASKED = 0
            local T = setmetatable({ a = 1 }, { __index = function() ASKED = ASKED + 1 return 'made up' end, __newindex = error })
            function M.raw(k) return rawget(T, k) end")
        .edit("{ a = 1 }", "{ a = 1, b = 2 }")
        .harmless()
        .gives("ASKED, M.raw 'a'", "0 1"),
    case("a key that is gone from the constructor is kept")
        .v1("local CFG = { a = 1, b = 2, f = function() return 'f' end }
            function M.get(k) return CFG[k] end")
        .edit("{ a = 1, b = 2, f = function() return 'f' end }", "{ a = 1 }")
        .harmless()
        .gives("M.get 'b', M.get 'f'()", "2 f"),
    case("functions in nested constructors")
        .v1("local T = { deep = { deeper = { f = function() return 'v1' end, n = 1 } }, list = { function() return 'first' end, 5 } }
            F = T.deep.deeper.f
            function M.get() return T.deep.deeper.f(), T.deep.deeper.n, T.list[1](), T.list[2] end")
        .run("F()")
        .edit("'v1'", "'v2'")
        .also("'first'", "'FIRST'")
        .gives("M.get()", "v2 1 FIRST 5")
        .gives("F()", "v2"),
    case("keys of every kind")
        .v1("local K = 'key'
            local T = { [1] = function() return 'one' end, ['a b'] = function() return 'ab' end, [true] = function() return 'yes' end, [K] = function() return 'k' end }
            function M.get() return T[1](), T['a b'](), T[true](), T.key() end")
        .edit("'one'", "'ONE'")
        .also("return 'ab'", "return 'AB'")
        .also("'yes'", "'YES'")
        .also("return 'k'", "return 'K'")
        .gives("M.get()", "ONE AB YES K"),
    case("a function that the program has put elsewhere is replaced there")
        .v1("local T = { f = function() return 'v1' end }
            MOVED = T.f T.f = nil
            function M.f() return T.f end")
        .edit("'v1'", "'v2'")
        .gives("MOVED(), M.f()", "v2 nil"),
    case("an entry that the program has overwritten is left")
        .v1("local T = { f = function() return 'v1' end }
            OLD = T.f
            T.f = function() return 'own' end
            function M.f() return T.f() end")
        .edit("return 'v1'", "return 'v2'")
        .gives("M.f(), OLD()", "own v2"),
    case("an entry before the others in a list of functions")
        .v1("local steps = {
              function() return 'one' end,
              function() return 'two' end,
            }
            function M.run() local out = {} for i, f in ipairs(steps) do out[i] = f() end return table.concat(out, ',') end")
        .edit("function() return 'two' end", "function() return 'TWO' end")
        .gives("M.run()", "one,TWO"),
    case("a table that functions fill and a constructor that grows")
        .v1("local command = { ping = function() return 'pong' end }
            function command.echo(x) return x end
            M.command = command
            function M.call(name, ...) return command[name](...) end")
        .edit("{ ping = function() return 'pong' end }", "{ ping = function() return 'PONG' end, time = function() return 'now' end }")
        .also("return x end\n", "return x, x end\n")
        .gives("M.call 'ping', M.call 'time', M.call('echo', 1)", "PONG now 1 1"),
    case("a table given to a call")
        .v1("local function class(t) t.__index = t return t end
            local Player = class { hp = 10, hit = function(self) self.hp = self.hp - 1 return self.hp end }
            function M.new() return setmetatable({ hp = 50 }, Player) end
            OLD = M.new()")
        .run("OLD:hit()")
        .edit("self.hp - 1", "self.hp - 10")
        .gives("OLD:hit(), M.new():hit()", "39 40"),
    case("a table that a function returns")
        .v1("function M.new(n) return { n = n, get = function(self) return 'v1', self.n, n end } end
            A, B = M.new(1), M.new(2)")
        .edit("return 'v1', self.n, n", "return 'v2', n, self.n")
        .gives("A:get()", "v2 1 1")
        .gives("B:get()", "v2 2 2")
        .gives("M.new(3):get()", "v2 3 3"),
    case("a constructor in a field of a table")
        .v1("M.handlers = { login = function(u) return 'v1', u end }
            M.handlers.logout = function(u) return 'bye', u end
            SAVED = M.handlers")
        .edit("'v1'", "'v2'")
        .also("'bye'", "'BYE'")
        .gives("M.handlers.login 'u'", "v2 u")
        .gives("M.handlers.logout 'u'", "BYE u")
        .gives("SAVED == M.handlers", "true"),
    case("a metatable in the text")
        .v1("local mt = { __index = function(_, k) return 'v1 ' .. k end, __call = function(_, x) return x end }
            OBJECT = setmetatable({}, mt)
            function M.mt() return mt end")
        .run("SAVED = M.mt()")
        .edit("'v1 '", "'v2 '")
        .also("__call = function(_, x) return x end", "__call = function(_, x) return x, x end, __len = function() return 9 end")
        .gives("OBJECT.key, #OBJECT", "v2 key 9")
        .gives("OBJECT(1)", "1 1")
        .gives("SAVED == M.mt(), getmetatable(OBJECT) == SAVED", "true true"),
];

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
