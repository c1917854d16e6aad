//! The module `hotfix`: data is migrated once, a patch is verified, it says goodbye, and a service may refuse.

use super::case::{Case, Form, case};
use super::driver::run;

const CASES: &[Case] = &[
    case("migrate runs once inside the transaction")
        .v1("RUNS = 0
            local players = { { gold = 1 }, { gold = 2 } }
            function M.worth(i) return players[i].gold end")
        .chunk(
            "local hotfix = require 'hotfix'
            hotfix.migrate(function()
              RUNS = RUNS + 1
              for _, p in ipairs(players) do p.coin, p.gold = p.gold * 100, nil end
            end)
            function M.worth(i) return players[i].coin, players[i].gold end",
        )
        .gives("RUNS", "1")
        .gives("M.worth(1)", "100 nil")
        .gives("M.worth(2)", "200 nil"),
    case("a migration that raises undoes all")
        .v1("local rows = {}
            for i = 1, 100 do rows[i] = { n = i } end
            function M.sum() local s = 0 for _, r in ipairs(rows) do s = s + r.n end return s, 'v1' end")
        .chunk(
            "local hotfix = require 'hotfix'
            function M.sum() return 'new' end
            hotfix.migrate(function()
              for i, r in ipairs(rows) do
                r.n = r.n * 1000
                if i == 60 then error 'bad row' end
              end
            end)",
        )
        .failed("@@/x.lua:6: bad row")
        .gives("M.sum()", "5050 v1"),
    case("a migration that waits undoes all")
        .v1("local n = 1
            function M.n() return n end")
        .chunk("local hotfix = require 'hotfix'\nhotfix.migrate(function() n = 2 skynet.sleep(1) end)")
        .failed("may not wait")
        .gives("M.n()", "1"),
    case("the same bytes again do not migrate again")
        .v1("RUNS = 0")
        .chunk("require 'hotfix'.migrate(function() RUNS = RUNS + 1 end)")
        .chunk("require 'hotfix'.migrate(function() RUNS = RUNS + 1 end)")
        .unchanged()
        .gives("RUNS", "1"),
    case("a verification sees the new code and agrees")
        .v1("function M.f() return 1 end
            function M.g() return M.f() end")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 2 end\nhotfix.verify(function() SEEN = M.g() return SEEN == 2 end)")
        .gives("M.f(), SEEN", "2 2"),
    case("a verification that says false undoes all")
        .v1("local n = 1
            function M.f() return n end
            SAVED = M.f")
        .chunk("local hotfix = require 'hotfix'\nn = 5\nfunction M.f() return n * 2 end\nhotfix.verify(function() return M.f() == 11 end)")
        .failed("verif")
        .gives("M.f(), SAVED == M.f", "1 true"),
    case("a verification that raises undoes all")
        .v1("function M.f() return 'v1' end")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 'v2' end\nhotfix.verify(function()\n  error 'not good enough'\nend)")
        .failed("@@/x.lua:4: not good enough")
        .gives("M.f()", "v1"),
    case("a verification after a migration undoes the migration")
        .v1("local rows = { 1, 2, 3 }
            function M.rows() return table.concat(rows, ' ') end")
        .chunk("local hotfix = require 'hotfix'\nhotfix.migrate(function() rows[2] = 20 rows[4] = 40 end)\nhotfix.verify(function() return #rows == 3 end)")
        .failed("")
        .gives("M.rows()", "1 2 3"),
    case("a verification that does not end undoes all")
        .v1("function M.f() return 'v1' end")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 'v2' end\nhotfix.verify(function() while true do pcall(error) end end)")
        .failed("")
        .gives("M.f()", "v1"),
    case("a patch that is superseded says goodbye")
        .v1("LOG = {}
            function M.f() return 'v1' end")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 'a' end\nhotfix.on_unload(function() LOG[#LOG + 1] = 'bye a' end)")
        .gives("#LOG, M.f()", "0 a")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 'b' end\nhotfix.on_unload(function() LOG[#LOG + 1] = 'bye b' end)")
        .gives("#LOG, LOG[1], M.f()", "1 bye a b"),
    case("another patch does not unload it")
        .v1("LOG = {}
            function M.f() return 'v1' end
            function M.g() return 'v1' end")
        .named("a.lua")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 'a' end\nhotfix.on_unload(function() LOG[#LOG + 1] = 'bye a' end)")
        .named("b.lua")
        .chunk("function M.g() return 'b' end")
        .gives("#LOG, M.f(), M.g()", "0 a b"),
    case("a patch that is rolled back says goodbye")
        .v1("LOG = {}
            function M.f() return 'v1' end")
        .chunk("local hotfix = require 'hotfix'\nfunction M.f() return 'a' end\nhotfix.on_unload(function() LOG[#LOG + 1] = 'bye a' end)")
        .gives("#LOG", "0")
        .rollback()
        .gives("#LOG, LOG[1], M.f()", "1 bye a v1"),
    case("a patch that failed says no goodbye")
        .v1("LOG = {}")
        .chunk("local hotfix = require 'hotfix'\nhotfix.on_unload(function() LOG[#LOG + 1] = 'bye' end)\nerror 'on purpose'")
        .failed("on purpose")
        .gives("#LOG", "0")
        .chunk("DONE = true")
        .gives("#LOG, DONE", "0 true"),
    case("a service that may not be reloaded refuses by name")
        .v1("require 'hotfix'.reloadable(false)
            function M.f() return 'v1' end")
        .swap("function M.f() return 'v1' end", "function M.f() return 'v2' end")
        .refused("reloadable")
        .gives("M.f()", "v1"),
    case("a service that may be reloaded again")
        .v1("local hotfix = require 'hotfix'
            hotfix.reloadable(false)
            function M.allow() hotfix.reloadable(true) end
            function M.f() return 'v1' end")
        .swap("function M.f() return 'v1' end", "function M.f() return 'v2' end")
        .refused("reloadable")
        .run("M.allow()")
        .named("again.lua")
        .swap("function M.f() return 'v2' end", "function M.f() return 'v3' end")
        .gives("M.f()", "v3"),
];

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}
