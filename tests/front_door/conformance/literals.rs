//! Literals against state: what the program has never assigned follows the source, what it has assigned is the program's.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a constant follows the source and a counter beside it does not")
        .v1("local MAX, used = 10, 0
            function M.take() used = used + 1 return used <= MAX, used, MAX end")
        .run("M.take() M.take()")
        .edit("local MAX, used = 10, 0", "local MAX, used = 20, 0")
        .says("MAX")
        .gives("M.take()", "true 3 20"),
    case("a counter that is back at its first value is still state")
        .v1("local used = 0
            function M.take() used = used + 1 end
            function M.free() used = used - 1 end
            function M.used() return used end")
        .run("M.take() M.free()")
        .edit("local used = 0", "local used = 5")
        .harmless()
        .says("used")
        .gives("M.used()", "0"),
    case("assigned by a nested function is assigned")
        .v1("local mode = 'day'
            function M.later() return function() mode = 'night' end end
            function M.mode() return mode end")
        .edit("local mode = 'day'", "local mode = 'dawn'")
        .harmless()
        .says("mode")
        .gives("M.mode()", "day"),
    case("assigned only through a shadowing local is not assigned")
        .v1("local rate = 2
            function M.f() local rate = 5 rate = rate + 1 return rate end
            function M.g(rate) rate = rate or 3 return rate end
            function M.rate() return rate end")
        .edit("local rate = 2", "local rate = 4")
        .says("rate")
        .gives("M.rate(), M.f(), M.g()", "4 6 3"),
    case("a literal that a chunk patch has assigned is kept")
        .v1("local rate = 2
            function M.rate() return rate end")
        .named("a.lua")
        .chunk("rate = 7")
        .gives("M.rate()", "7")
        .named("b.lua")
        .edit("local rate = 2", "local rate = 4")
        .harmless()
        .says("rate")
        .gives("M.rate()", "7"),
    case("a literal that was changed from outside is kept")
        .v1("local rate = 2
            function M.rate() return rate end
            debug.setupvalue(M.rate, 1, 3)")
        .edit("local rate = 2", "local rate = 4")
        .harmless()
        .gives("M.rate()", "3"),
    case("an integer is not the float of the same value")
        .v1("local rate = 1
            function M.rate() return rate, math.type(rate) end")
        .edit("local rate = 1\n", "local rate = 1.0\n")
        .gives("M.rate()", "1.0 float"),
    case("strings with escapes and long brackets")
        .v1("local a, b = 'one', [[two]]
            function M.ab() return a, b end")
        .edit("'one', [[two]]", "\"o\\x6ee!\", [==[t]]wo]==]")
        .gives("M.ab()", "one! t]]wo"),
    case("the same string written in another way is no change")
        .v1("local a = 'one'
            function M.a() return a end
            SAVED = M.a")
        .edit("'one'", "\"\\111ne\"")
        .harmless()
        .gives("M.a(), SAVED == M.a", "one true"),
    case("booleans and nil are literals")
        .v1("local on, name = false, nil
            function M.f() return on, name end")
        .edit("local on, name = false, nil", "local on, name = true, 'set'")
        .gives("M.f()", "true set"),
    case("a literal that becomes nil")
        .v1("local name = 'set'
            function M.f() return name end")
        .edit("local name = 'set'", "local name")
        .gives("M.f()", "nil"),
    case("negative numbers and numbers in other notations")
        .v1("local a, b, c = -1, 0xff, 1e3
            function M.f() return a, b, c end")
        .edit("-1, 0xff, 1e3", "-2, 0x100, 2e3")
        .gives("M.f()", "-2 256 2000.0"),
    case("not a number is never a reason to change")
        .v1("local nan = 0/0
            function M.f() return nan ~= nan end")
        .edit(
            "function M.f() return nan ~= nan end",
            "function M.f() return nan ~= nan, 'new' end",
        )
        .gives("M.f()", "true new"),
    case("a constant scalar reaches every function that uses it")
        .v1("local MAX <const> = 10
            function M.lim() return MAX end
            function M.pct(x) return x * 100 // MAX end
            function M.other() return 'other' end
            OTHER = M.other")
        .edit("<const> = 10", "<const> = 20")
        .gives("M.lim(), M.pct(4), OTHER == M.other", "20 20 true")
        .says("2 functions"),
    case("a constant scalar inside nested functions")
        .v1("local SCALE <const> = 2
            function M.mk(n) return function() n = n + SCALE return n end end
            C = M.mk(1)")
        .run("C()")
        .edit("<const> = 2", "<const> = 10")
        .gives("C(), M.mk(0)()", "13 10"),
    case("a constant made of another constant")
        .v1("local A <const> = 2
            local B <const> = A * 10
            function M.b() return B end")
        .edit("A <const> = 2", "A <const> = 3")
        .gives("M.b()", "30"),
    case("a constant string in a message")
        .v1("local PREFIX <const> = 'v1: '
            local function say(x) return PREFIX .. x end
            M.say = say
            SAVED = { say }")
        .edit("'v1: '", "'v2: '")
        .gives("M.say 'x', SAVED[1] 'x', SAVED[1] == M.say", "v2: x v2: x true"),
    case("a constant table is an upvalue and what happened to it survives")
        .v1("local CFG <const> = { lim = 1 }
            function M.lim() return CFG.lim end
            function M.set(n) CFG.lim = n end
            function M.cfg() return CFG end")
        .run("M.set(5) SAVED = M.cfg()")
        .edit(
            "function M.lim() return CFG.lim end",
            "function M.lim() return CFG.lim + 100 end",
        )
        .gives("M.lim(), SAVED == M.cfg()", "105 true"),
    case("a constant table whose constructor gets another number")
        .v1("local CFG <const> = { lim = 1 }
            function M.lim() return CFG.lim end")
        .edit("{ lim = 1 }", "{ lim = 2 }")
        .harmless()
        .gives("M.lim()", "1"),
    case("a constant becomes an ordinary local")
        .v1("local MAX <const> = 10
            function M.lim() return MAX end")
        .edit("local MAX <const> = 10", "local MAX = 20")
        .also(
            "function M.lim() return MAX end",
            "function M.lim() return MAX end function M.set(x) MAX = x end",
        )
        .gives("M.lim()", "20")
        .run("M.set(30)")
        .gives("M.lim()", "30"),
    case("two versions one after the other both reach an untouched literal")
        .v1("local MAX = 10
            function M.max() return MAX end")
        .edit("local MAX = 10", "local MAX = 20")
        .gives("M.max()", "20")
        .edit("local MAX = 20", "local MAX = 30")
        .gives("M.max()", "30")
        .edit("local MAX = 30", "local MAX = 10")
        .gives("M.max()", "10"),
    case("a literal becomes state when the new text assigns it")
        .v1("local seed = 1
            function M.get() return seed end")
        .edit(
            "function M.get() return seed end",
            "function M.get() seed = seed + 1 return seed end",
        )
        .gives("M.get(), M.get()", "2 3")
        .edit("local seed = 1", "local seed = 100")
        .harmless()
        .says("seed")
        .gives("M.get()", "4"),
    case("a literal in a block inside the file")
        .v1("do
              local factor = 2
              function M.f(x) return x * factor end
            end")
        .edit("local factor = 2", "local factor = 3")
        .gives("M.f(5)", "15"),
    case("a literal inside a function is part of its body")
        .v1("function M.f() local limit = 5 return limit end")
        .edit("local limit = 5", "local limit = 6")
        .gives("M.f()", "6"),
    case("a global that the file set once is code that ran once")
        .v1("RATE = 2
            function M.f() return RATE end")
        .edit("RATE = 2", "RATE = 3")
        .harmless()
        .says("needs a restart")
        .says("x.lua:4")
        .gives("M.f()", "2"),
];

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
