//! `check`: what a patch would do, said without doing it.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("check names the function that a chunk would replace")
        .v1("function M.f() return 'v1' end")
        .write("@@.lua", "function M.f() return 'v2' end\n")
        .console("check @@ @@.lua", "M.f")
        .gives("M.f()", "v1"),
    case("check executes no statement")
        .v1("local n = 1
            function M.n() return n, RAN, M.f end")
        .write("@@.lua", "RAN = true\nn = 2\nprint 'executed'\nfunction M.f() end\nlocal t = setmetatable({}, { __gc = function() RAN = true end })\n")
        .console("check @@ @@.lua", "")
        .gives("M.n()", "1 nil nil"),
    case("check of a text that does not compile is an error with its line")
        .v1("function M.f() return 'v1' end")
        .write("@@.lua", "function M.f() return 'v2' end\nx = = 1\n")
        .console_error("check @@ @@.lua", "@@.lua:2:")
        .gives("M.f()", "v1"),
    case("check of a file that is not there is an error")
        .v1("function M.f() return 'v1' end")
        .console_error("check @@ not_there_@@.lua", "not_there_@@.lua"),
    case("check of an endless patch comes back")
        .v1("function M.f() return 'v1' end")
        .write("@@.lua", "while true do pcall(function() while true do end end) end\n")
        .console("check @@ @@.lua", "")
        .gives("M.f()", "v1"),
    case("check of an assigned constant is an error")
        .v1("local MAX <const> = 1\nfunction M.f() return MAX end")
        .write("@@.lua", "MAX = 2\n")
        .console_error("check @@ @@.lua", "MAX"),
    case("check of a source names what would be replaced and what would not")
        .v1("NUMBER = 1
            local MAX, used = 10, 0
            function M.use() used = used + 1 return used, MAX end
            function M.gone() return 'v1' end
            function M.same() return 'same' end")
        .write_edit("@@.lua", "return used, MAX end", "return used, MAX, 'v2' end")
        .console("check @@ @@.lua", "M.use")
        .write_edit("@@.lua", "function M.gone() return 'v1' end\n", "")
        .console_error("check @@ @@.lua", "M.gone")
        .write_edit("@@.lua", "NUMBER = 1", "NUMBER = 2")
        .console_error("check @@ @@.lua", "needs a restart")
        .write_edit("@@.lua", "MAX, used = 10, 0", "MAX, used = 20, 0")
        .console("check @@ @@.lua", "MAX")
        .gives("M.use()", "1 10")
        .gives("M.gone(), NUMBER", "v1 1"),
    case("check of a source runs no initialiser")
        .v1("function M.f() return RAN end")
        .write_edit("@@.lua", "function M.f() return RAN end", "local x = (function() RAN = true end)()\nfunction M.f() return RAN, x end")
        .console("check @@ @@.lua", "M.f")
        .gives("M.f()", "nil"),
    case("check says where an old body is in flight")
        .v1("function M.slow() skynet.wait('slow') return 'v1' end")
        .run("skynet.fork(M.slow)")
        .write("@@.lua", "function M.slow() return 'v2' end\n")
        .console("check @@ @@.lua", "@@.lua:4"),
    case("a check names the definition whose place only a run would tell")
        .v1("function M.f() return 'v1' end")
        .write("@@.lua", "\nfunction nobody_knows.f() end\n")
        .console("check @@ @@.lua", "@@.lua:2"),
    case("a check is no apply")
        .v1("function M.f() return 'v1' end")
        .write("@@.lua", "function M.f() return 'v2' end\n")
        .console("check @@ @@.lua", "M.f")
        .console("check @@ @@.lua", "M.f")
        .chunk("function M.f() return 'v2' end")
        .gives("M.f()", "v2"),
];

#[test]
fn of_chunks() {
    run(CASES, Form::Chunk);
}

#[test]
fn of_sources() {
    run(CASES, Form::Source);
}
