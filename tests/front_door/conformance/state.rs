//! State and upvalues: what a function has kept belongs to the new one, variable by variable.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a cell that two functions share goes on and an outside holder sees it")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end
            function M.get() return n end
            OTHER = { get = M.get }
            CELL = debug.upvalueid(M.get, 1)")
        .run("M.inc() M.inc()")
        .both(
            "function M.inc() n = n + 10 return n end function M.get() return n, 'new' end",
            "function M.inc() n = n + 1 return n end",
            "function M.inc() n = n + 10 return n end",
        )
        .also("function M.get() return n end", "function M.get() return n, 'new' end")
        .gives("M.inc()", "12")
        .gives("M.get()", "12 new")
        .gives("OTHER.get()", "12 new")
        .gives("OTHER.get == M.get, debug.upvalueid(M.get, 1) == CELL", "true true"),
    case("false and nil are values of the state")
        .v1("local ready, cur = false, nil
            function M.is() return ready, cur end
            function M.set(r, c) ready, cur = r, c end")
        .edit("local ready, cur = false, nil", "local ready, cur = true, {}")
        .harmless()
        .gives("M.is()", "false nil"),
    case("false that the program has set stays")
        .v1("local open = true
            function M.close() open = false end
            function M.is() return open end")
        .run("M.close()")
        .swap("function M.is() return open end", "function M.is() return open, 'new' end")
        .gives("M.is()", "false new"),
    case("a local function that a local function calls")
        .v1("local function fmt(x) return '[' .. x .. ']' end
            local function line(x) return fmt(x) end
            function M.say(x) return line(x) end
            SAVED, LINE = M.say, line
            function M.same() return LINE == line end")
        .swap(
            "local function fmt(x) return '[' .. x .. ']' end",
            "local function fmt(x) return '<' .. x .. '>' end",
        )
        .gives("M.say 'a', SAVED 'a', SAVED == M.say, M.same()", "<a> <a> true true")
        .says("1 function"),
    case("a sibling's upvalue is the very variable")
        .v1("local a, b = 1, 2
            function M.foo() return a end
            function M.setb(x) b = x end")
        .run("M.setb(9)")
        .swap("function M.foo() return a end", "function M.foo() return a, b end")
        .gives("M.foo()", "1 9")
        .run("M.setb(10)")
        .gives("M.foo()", "1 10"),
    case("a variable that only an untouched function wrote is read by the new one")
        .v1("local sessions, count = {}, 0
            function M.login(id) sessions[id] = true count = count + 1 end
            function M.stat() return 'none' end")
        .run("M.login 'a' M.login 'b'")
        .swap(
            "function M.stat() return 'none' end",
            "function M.stat() return count, sessions.a, sessions.c end",
        )
        .gives("M.stat()", "2 true nil")
        .run("M.login 'c'")
        .gives("M.stat()", "3 true true"),
    case("upvalues are joined by variable and not by their order")
        .v1("local a, b, c = 1, 2, 3
            function M.get() return a, b, c end
            function M.put(x, y, z) a, b, c = x, y, z end")
        .run("M.put(10, 20, 30)")
        .swap("function M.get() return a, b, c end", "function M.get() return c, a, b end")
        .gives("M.get()", "30 10 20")
        .run("M.put(7, 8, 9)")
        .gives("M.get()", "9 7 8"),
    case("a new local between the old ones")
        .v1("local hp, mp = 5, 7
            function M.f() return hp - mp end
            function M.hurt(n) hp = hp - n end
            function M.cast(n) mp = mp - n end")
        .run("M.hurt(1) M.cast(2)")
        .edit("local hp, mp = 5, 7", "local hp, k, mp = 5, 2, 7")
        .also("function M.f() return hp - mp end", "function M.f() return k * mp - hp end")
        .gives("M.f()", "6"),
    case("a new local of the file is initialised once and shared")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end")
        .run("M.inc()")
        .both(
            "local step = 5
            function M.inc() n = n + step return n end
            function M.set(s) step = s end",
            "function M.inc() n = n + 1 return n end",
            "local step = 5
            function M.inc() n = n + step return n end
            function M.set(s) step = s end",
        )
        .gives("M.inc()", "6")
        .run("M.set(10)")
        .gives("M.inc()", "16"),
    case("a new local is kept by the version after")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end")
        .edit(
            "function M.inc() n = n + 1 return n end",
            "local step = 5
            function M.inc() n = n + step return n end
            function M.set(s) step = s end",
        )
        .run("M.set(100)")
        .edit("function M.inc() n = n + step return n end", "function M.inc() n = n - step return n end")
        .gives("M.inc()", "-100"),
    case("a new local whose initialiser runs is run once")
        .v1("RUNS = 0
            function tick() RUNS = RUNS + 1 return RUNS end
            function M.f() return 0 end")
        .edit("function M.f() return 0 end", "local made = { at = tick() }\nfunction M.f() return made.at end")
        .gives("M.f(), RUNS", "1 1")
        .edit("return made.at end", "return made.at, 'again' end")
        .gives("M.f()", "1 again")
        .gives("RUNS", "1"),
    case("a new local may be computed from an old one")
        .v1("local list = { 1, 2, 3 }
            function M.f() return #list end
            function M.add(x) list[#list + 1] = x end")
        .run("M.add(4)")
        .edit("function M.f() return #list end", "local start = #list * 10\nfunction M.f() return start, #list end")
        .gives("M.f()", "40 4"),
    case("a dropped variable that comes back has kept its value")
        .v1("local n = 7
            function M.f() return n end
            function M.set(x) n = x end")
        .run("M.set(8)")
        .edit("local n = 7\n", "")
        .also("function M.f() return n end", "function M.f() return 0 end")
        .also("function M.set(x) n = x end", "function M.set(x) end")
        .gives("M.f()", "0")
        .run("collectgarbage() collectgarbage()")
        .edit("function M.f() return 0 end", "local n = 0\nfunction M.f() return n end")
        .gives("M.f()", "8"),
    case("a variable that no function uses for a while")
        .v1("local n = 7
            function M.f() n = n + 1 return n end")
        .run("M.f()")
        .swap("function M.f() n = n + 1 return n end", "function M.f() return 0 end")
        .gives("M.f()", "0")
        .run("collectgarbage() collectgarbage()")
        .swap("function M.f() return 0 end", "function M.f() n = n + 1 return n end")
        .gives("M.f()", "9"),
    case("two blocks with a local of one name")
        .v1("do local cache = 1 function M.a() return cache end function M.seta(x) cache = x end end
            do local cache = 2 function M.b() return cache end function M.setb(x) cache = x end end")
        .run("M.seta(10) M.setb(20)")
        .edit("function M.a() return cache end", "function M.a() return 'a', cache end")
        .gives("M.a()", "a 10")
        .gives("M.b()", "20")
        .edit("function M.b() return cache end", "function M.b() return 'b', cache end")
        .gives("M.a()", "a 10")
        .gives("M.b()", "b 20"),
    case("two blocks with a local of one name on one line")
        .v1("do local c = 1 function M.a() c = c + 1 return c end end do local c = 100 function M.b() c = c + 1 return c end end")
        .run("M.a() M.b()")
        .edit("function M.a() c = c + 1", "function M.a() c = c + 2")
        .also("function M.b() c = c + 1", "function M.b() c = c + 3")
        .gives("M.a(), M.b()", "4 104"),
    case("a shadowed local")
        .v1("local n = 1
            local function a() return n end
            local n = 2
            function M.b() return n, a() end")
        .swap("function M.b() return n, a() end", "function M.b() return 'new', n, a() end")
        .gives("M.b()", "new 2 1"),
    case("the function that sees the first of two locals with one name")
        .v1("local n = 1
            local function a() return n end
            local n = 2
            function M.b() return n, a() end
            function M.set(x) n = x end")
        .run("M.set(5)")
        .edit("local function a() return n end", "local function a() return n * 10 end")
        .gives("M.b()", "5 10"),
    case("a parameter that hides a local of the file")
        .v1("local n = 1
            function M.f(n) return n end
            function M.g() return n end")
        .swap("function M.f(n) return n end", "function M.f(n) return n, M.g() end")
        .gives("M.f(5)", "5 1"),
    case("a function that begins to use a local which it hid before")
        .v1("local n = 1
            function M.f() local n = 5 return n end
            function M.set(x) n = x end")
        .run("M.set(7)")
        .swap("function M.f() local n = 5 return n end", "function M.f() n = n + 1 return n end")
        .gives("M.f(), M.f()", "8 9"),
    case("a local that no function of the file uses")
        .v1("local hidden = 7")
        .both(
            "function M.f() hidden = hidden + 1 return hidden end",
            "local hidden = 7",
            "local hidden = 7 function M.f() hidden = hidden + 1 return hidden end",
        )
        .gives("M.f()", "8")
        .gives("M.f()", "9"),
    case("a local that was initialised by a call and that nobody used")
        .v1("STARTED = 0
            local function connect() STARTED = STARTED + 1 return { id = STARTED } end
            local db = connect()
            function M.f() return 'none' end")
        .swap("function M.f() return 'none' end", "function M.f() return db.id end")
        .gives("M.f(), STARTED", "1 1"),
    case("a loop variable that closures hold")
        .v1("M.list = {}
            for i = 1, 3 do local k = i M.list[i] = function() k = k + 10 return k end end")
        .run("M.list[3]()")
        .edit("function() k = k + 10 return k end", "function() return 'v2', k end")
        .gives("M.list[1](), M.list[3]()", "v2 v2 13"),
    case("state behind two levels of functions")
        .v1("local total = 0
            function M.add(n)
              local function really() total = total + n return total end
              return really()
            end")
        .run("M.add(5)")
        .edit("total = total + n return total end", "total = total + n * 100 return total end")
        .gives("M.add(1)", "105"),
    case("recursion of a local function")
        .v1("local function fact(n) if n <= 1 then return 1 end return n * fact(n - 1) end
            M.fact = fact
            function M.is() return M.fact == fact end")
        .swap(
            "local function fact(n) if n <= 1 then return 1 end return n * fact(n - 1) end",
            "local function fact(n) if n <= 1 then return 2 end return n + fact(n - 1) end",
        )
        .gives("M.fact(4), M.is()", "11 true"),
    case("two functions that call each other through locals declared before")
        .v1("local even, odd
            function even(n) if n == 0 then return 'even' end return odd(n - 1) end
            function odd(n) if n == 0 then return 'odd' end return even(n - 1) end
            M.even, M.odd = even, odd")
        .swap(
            "function even(n) if n == 0 then return 'even' end return odd(n - 1) end",
            "function even(n) if n == 0 then return 'EVEN' end return odd(n - 1) end",
        )
        .gives("M.even(4), M.odd(3), M.even(3)", "EVEN EVEN odd"),
    case("a cell that a patch writes is the one everybody reads")
        .v1("local limit = 1
            function M.get() return limit end
            function M.grow() limit = limit * 2 return limit end")
        .chunk("limit = limit + 40")
        .gives("M.get()", "41")
        .gives("M.grow()", "82"),
    case("locals with values of every kind")
        .v1("local a, b, c, d, e = 1, 2.5, 'text', { 1 }, false
            local f = function() return 'kept' end
            local co = coroutine.create(function() end)
            function M.all() return a, b, c, d[1], e, f(), coroutine.status(co) end
            function M.set() a, b, c, d, e = 10, 20.5, 'other', { 2 }, true end")
        .run("M.set()")
        .swap(
            "function M.all() return a, b, c, d[1], e, f(), coroutine.status(co) end",
            "function M.all() return coroutine.status(co), f(), e, d[1], c, b, a end",
        )
        .gives("M.all()", "suspended kept true 2 other 20.5 10"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
