//! Rollback: the code before comes back in every holder, the state since then stays.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("rollback keeps the count")
        .v1("local n = 0
            function M.inc() n = n + 1 return n, 'v1' end
            HOLDS = { M.inc }")
        .swap("function M.inc() n = n + 1 return n, 'v1' end", "function M.inc() n = n + 10 return n, 'v2' end")
        .run("M.inc() M.inc() M.inc()")
        .rollback()
        .gives("M.inc()", "31 v1")
        .gives("HOLDS[1] == M.inc, HOLDS[1]()", "true 32 v1"),
    case("rollback in fields keys upvalues and metatables")
        .v1("local function f() return 'v1' end
            local by = { [f] = 'key' }
            local wrap = function() return f() end
            OBJ = setmetatable({}, { __index = { f = f } })
            M.f, M.wrap = f, wrap
            function M.key() return by[f] end
            function M.keys() local n = 0 for _ in pairs(by) do n = n + 1 end return n end")
        .swap("local function f() return 'v1' end", "local function f() return 'v2' end")
        .gives("M.f(), M.wrap(), OBJ.f(), M.key()", "v2 v2 v2 key")
        .rollback()
        .gives("M.f(), M.wrap(), OBJ.f(), M.key(), M.keys()", "v1 v1 v1 key 1"),
    case("rollback reaches a pending timer and a sleeping loop")
        .v1("LOG = {}
            local function expire() LOG[#LOG + 1] = 'v1' end
            local function step() return 'v1' end
            function M.begin()
              skynet.timeout(1500, function() expire() end)
              skynet.fork(function() while true do skynet.sleep(1) STEP = step() end end)
            end")
        .run("M.begin()")
        .swap("local function expire() LOG[#LOG + 1] = 'v1' end", "local function expire() LOG[#LOG + 1] = 'v2' end")
        .also("local function step() return 'v1' end", "local function step() return 'v2' end")
        .soon("STEP", "v2")
        .rollback()
        .soon("STEP", "v1")
        .soon("LOG[1]", "v1"),
    case("rollback takes added functions and globals away")
        .v1("function M.f() return 'v1' end")
        .chunk("function M.f() return added() end\nfunction M.more() return 'more' end\nfunction added() return 'added' end")
        .gives("M.f(), M.more()", "added more")
        .rollback()
        .gives("M.f(), M.more, added", "v1 nil nil"),
    case("rollback returns a literal that nobody has touched since")
        .v1("local MAX, used = 10, 0
            function M.max() return MAX end
            function M.use() used = used + 1 return used end")
        .edit("local MAX, used = 10, 0", "local MAX, used = 20, 0")
        .run("M.use()")
        .gives("M.max()", "20")
        .rollback()
        .gives("M.max(), M.use()", "10 2"),
    case("rollback leaves a literal that was changed since")
        .v1("local MAX = 10
            function M.max() return MAX end")
        .edit("local MAX = 10", "local MAX = 20")
        .run("debug.setupvalue(M.max, 1, 25)")
        .rollback()
        .gives("M.max()", "25"),
    case("rollback of a constant")
        .v1("local MAX <const> = 10
            function M.max() return MAX end")
        .edit("<const> = 10", "<const> = 20")
        .gives("M.max()", "20")
        .rollback()
        .gives("M.max()", "10"),
    case("rollback keeps and lists what a patch has written")
        .v1("local rows = { 1, 2, 3 }
            function M.f() return 'v1', table.concat(rows, ' ') end")
        .chunk("rows[4] = 4\nfunction M.f() return 'v2', table.concat(rows, ' ') end")
        .gives("M.f()", "v2 1 2 3 4")
        .rollback()
        .gives("M.f()", "v1 1 2 3 4"),
    case("rollback of what a factory has made before and since")
        .v1("function M.mk(n) return function() n = n + 1 return 'v1', n end end
            A = M.mk(10)")
        .edit("return 'v1', n end end", "return 'v2', n end end")
        .run("B = M.mk(50) A() B()")
        .rollback()
        .gives("A()", "v1 12")
        .gives("B()", "v1 52")
        .gives("M.mk(0)()", "v1 1"),
    case("rollback of what is not patched")
        .v1("function M.f() return 'v1' end")
        .console_error("rollback @@", "")
        .gives("M.f()", "v1"),
    case("rollback of the latest of two leaves the first")
        .v1("function M.f() return 'v1' end
            function M.g() return 'v1' end")
        .named("a.lua")
        .chunk("function M.f() return 'a' end")
        .named("b.lua")
        .chunk("function M.g() return 'b' end")
        .rollback()
        .gives("M.f(), M.g()", "a v1")
        .rollback()
        .gives("M.f(), M.g()", "v1 v1"),
    case("rollback of the latest of two on one function brings the first back")
        .v1("local n = 0
            function M.f() n = n + 1 return 'v1', n end
            HOLDS = { M.f }")
        .named("a.lua")
        .chunk("function M.f() n = n + 1 return 'a', n end")
        .run("M.f()")
        .named("b.lua")
        .chunk("function M.f() n = n + 1 return 'b', n end")
        .run("M.f()")
        .rollback()
        .gives("M.f()", "a 3")
        .rollback()
        .gives("HOLDS[1]()", "v1 4"),
    case("everything goes, also what was made since of a function that two patches had")
        .v1("function M.mk() local n = 0 return function() n = n + 1 return n, 'v1' end end
            OLD = M.mk()")
        .run("OLD()")
        .named("a.lua")
        .chunk("function M.mk() local n = 0 return function() n = n + 1 return n, 'a' end end")
        .named("b.lua")
        .edit("return n, 'v1' end end", "return n, 'b' end end")
        .run("YOUNG = M.mk()")
        .run("YOUNG()")
        .gives("YOUNG()", "2 b")
        .console("rollback @@ --all", "")
        .gives("OLD()", "2 v1")
        .gives("YOUNG()", "3 v1")
        .gives("M.mk()()", "1 v1"),
    case("a service is reloadable again when the patch that forbade it goes")
        .v1("function M.f() return 'v1' end")
        .chunk("require 'hotfix'.reloadable(false) LOCKED = true")
        .console("rollback @@", "")
        .chunk("function M.f() return 'v2' end")
        .gives("M.f()", "v2"),
    case("rollback of everything returns to the source")
        .v1("local n = 0
            function M.f() n = n + 1 return 'v1', n end
            function M.g() return 'v1' end")
        .named("a.lua")
        .chunk("function M.f() n = n + 1 return 'a', n end function M.extra() end")
        .named("b.lua")
        .chunk("function M.f() n = n + 1 return 'b', n end")
        .named("c.lua")
        .edit("function M.g() return 'v1' end", "function M.g() return 'c' end")
        .run("M.f()")
        .console("rollback @@ --all", "")
        .gives("M.f()", "v1 2")
        .gives("M.g(), M.extra", "v1 nil"),
    case("rollback of several source versions one by one")
        .v1("local n = 0
            function M.f() n = n + 1 return 'v1', n end
            SAVED = { M.f }")
        .edit("return 'v1', n", "return 'v2', n")
        .run("M.f()")
        .edit("return 'v2', n", "return 'v3', n")
        .run("M.f()")
        .rollback()
        .gives("M.f()", "v2 3")
        .rollback()
        .gives("SAVED[1]()", "v1 4"),
    case("a patch can be applied again after its rollback")
        .v1("function M.f() return 'v1' end")
        .swap("function M.f() return 'v1' end", "function M.f() return 'v2' end")
        .rollback()
        .gives("M.f()", "v1")
        .named("again.lua")
        .swap("function M.f() return 'v2' end", "function M.f() return 'v3' end")
        .gives("M.f()", "v3")
        .rollback()
        .gives("M.f()", "v1"),
    case("rollback takes a new local's functions back")
        .v1("local n = 0
            function M.inc() n = n + 1 return n end")
        .edit("function M.inc() n = n + 1 return n end", "local step = 5\nfunction M.inc() n = n + step return n end\nfunction M.set(x) step = x end")
        .run("M.inc() M.set(7)")
        .rollback()
        .gives("M.inc(), M.set", "6 nil"),
    case("rollback of a module patch")
        .v1("local util = require 'util_@@'
            local clamp = util.clamp
            function M.f(x) return clamp(x) end")
        .lib("util_@@", "local M = {}\nfunction M.clamp(x) return 'v1', x end\nreturn M\n")
        .module("util_@@", "return 'v1', x end", "return 'v2', x end")
        .gives("M.f(1)", "v2 1")
        .rollback()
        .gives("M.f(1)", "v1 1"),
    case("rollback of a function in the middle of its body")
        .v1("function M.slow() skynet.wait('slow') return 'v1' end
            function M.begin() skynet.fork(function() GOT = M.slow() end) end")
        .swap(
            "function M.slow() skynet.wait('slow') return 'v1' end",
            "function M.slow() skynet.wait('slow') return 'v2' end",
        )
        .run("M.begin()")
        .rollback()
        .run("skynet.wakeup 'slow'")
        .soon("GOT", "v2")
        .run("M.begin()")
        .run("skynet.wakeup 'slow'")
        .soon("GOT", "v1"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
