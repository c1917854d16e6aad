//! Patches upon patches: chunks after sources, sources after chunks, and the same name again.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("a chunk after a chunk on the same function")
        .v1("local n = 1
            function M.f() return 'v1', n end")
        .named("a.lua")
        .chunk("function M.f() n = n + 1 return 'a', n end")
        .gives("M.f()", "a 2")
        .named("b.lua")
        .chunk("function M.f() n = n + 1 return 'b', n end")
        .gives("M.f()", "b 3"),
    case("a chunk that uses what an earlier chunk has declared")
        .v1("function M.f() return 'v1' end")
        .named("a.lua")
        .chunk("function M.helper(x) return x * 2 end\nRATE = 3")
        .named("b.lua")
        .chunk("function M.f(x) return M.helper(x) * RATE end")
        .gives("M.f(5)", "30"),
    case("three times the same two versions")
        .v1("function M.f() return 'v1' end
            SAVED = M.f")
        .chunk("function M.f() return 'a' end")
        .gives("M.f()", "a")
        .chunk("function M.f() return 'b' end")
        .gives("M.f()", "b")
        .chunk("function M.f() return 'a' end")
        .gives("M.f(), SAVED == M.f", "a true"),
    case("the same bytes again are unchanged")
        .v1("RUNS = 0
            function M.f() return 'v1' end")
        .chunk("RUNS = RUNS + 1 function M.f() return 'v2' end")
        .chunk("RUNS = RUNS + 1 function M.f() return 'v2' end")
        .unchanged()
        .gives("RUNS, M.f()", "1 v2"),
    case("the same source again is unchanged")
        .v1("function M.f() return 'v1' end")
        .edit("'v1'", "'v2'")
        .edit("'v2'", "'v2'")
        .unchanged()
        .gives("M.f()", "v2"),
    case("a chunk then a source that leaves the function alone")
        .v1("function M.f() return 'v1' end
            function M.g() return 'g1' end")
        .named("a.lua")
        .chunk("function M.f() return 'chunk' end")
        .named("b.lua")
        .edit("'g1'", "'g2'")
        .gives("M.f(), M.g()", "chunk g2"),
    case("a chunk then a source that changes the same function")
        .v1("function M.f() return 'v1' end")
        .named("a.lua")
        .chunk("function M.f() return 'chunk' end")
        .named("b.lua")
        .edit("'v1'", "'v2'")
        .says("a.lua")
        .gives("M.f()", "v2"),
    case("a source then a chunk then a source")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end
            function M.other() return 'v1' end")
        .named("a.lua")
        .edit(
            "n = n + 1 return n end",
            "n = n + 10 return n end\nlocal step = 5\nfunction M.step() return step end",
        )
        .gives("M.inc()", "10")
        .named("b.lua")
        .chunk("step = 7\nfunction M.inc() n = n + step return n end")
        .gives("M.inc(), M.step()", "17 7")
        .named("a.lua")
        .edit("'v1'", "'v2'")
        .gives("M.inc(), M.step(), M.other()", "24 7 v2"),
    case("a chunk that replaces a function which a source has added")
        .v1("function M.f() return 'v1' end")
        .named("a.lua")
        .edit(
            "function M.f() return 'v1' end",
            "local function help() return 'help a' end\nfunction M.f() return help() end",
        )
        .gives("M.f()", "help a")
        .named("b.lua")
        .chunk("function help() return 'help b' end")
        .gives("M.f()", "help b"),
    case("a source after a chunk that has added a function of the same name")
        .v1("function M.f() return 'v1' end")
        .named("a.lua")
        .chunk("function M.extra() return 'chunk' end\nfunction M.f() return M.extra() end")
        .gives("M.f()", "chunk")
        .named("b.lua")
        .edit(
            "function M.f() return 'v1' end",
            "function M.extra() return 'source' end\nfunction M.f() return 'v2 ' .. M.extra() end",
        )
        .gives("M.f()", "v2 source"),
    case("a state that three patches share")
        .v1("local log = {}
            function M.note(x) log[#log + 1] = x return #log end
            function M.all() return table.concat(log, ' ') end")
        .run("M.note 'one'")
        .named("a.lua")
        .chunk("function M.note(x) log[#log + 1] = 'a' .. x return #log end")
        .run("M.note 'two'")
        .named("b.lua")
        .chunk("function M.note(x) log[#log + 1] = 'b' .. x return #log end")
        .run("M.note 'three'")
        .gives("M.all()", "one atwo bthree"),
    case("a failed patch between two good ones")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end")
        .named("a.lua")
        .chunk("function M.inc() n = n + 10 return n end")
        .gives("M.inc()", "10")
        .named("b.lua")
        .chunk("n = 1000 function M.inc() return 'never' end error 'on purpose'")
        .failed("b.lua:1: on purpose")
        .gives("M.inc()", "20")
        .named("c.lua")
        .chunk("function M.inc() n = n + 100 return n end")
        .gives("M.inc()", "120"),
    case("ten versions")
        .v1("local n = 0
            function M.f() n = n + 1 return n end
            HOLDS = { M.f }")
        .swap(
            "function M.f() n = n + 1 return n end",
            "function M.f() n = n + 1 return n, 2 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 2 end",
            "function M.f() n = n + 1 return n, 3 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 3 end",
            "function M.f() n = n + 1 return n, 4 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 4 end",
            "function M.f() n = n + 1 return n, 5 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 5 end",
            "function M.f() n = n + 1 return n, 6 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 6 end",
            "function M.f() n = n + 1 return n, 7 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 7 end",
            "function M.f() n = n + 1 return n, 8 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 8 end",
            "function M.f() n = n + 1 return n, 9 end",
        )
        .swap(
            "function M.f() n = n + 1 return n, 9 end",
            "function M.f() n = n + 1 return n, 10 end",
        )
        .gives("M.f()", "1 10")
        .gives("HOLDS[1]()", "2 10"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
