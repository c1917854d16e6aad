//! Bad patches: whatever they do, it ends, all of it is undone, and the service answers its next message.

use super::case::{Case, Form, case};
use super::driver::{run, run_with, service};
use super::nodes::{start, value};
use crate::harness::{Mark, Project};

/// State that a patch can spoil, and one function that shows it.
const STATE: &str = "local n, label, list = 1, 'old', { 1, 2, 3 }
function M.inc() n = n + 1 return n end
function M.show() return n, label, #list, M.inc == SAVED, rawget(_G, 'DIRTY') end
SAVED = M.inc
function M.list() return list end";

const INTACT: &str = "1 old 3 true nil";

const CASES: &[Case] = &[
    case("raises after a function was replaced")
        .v1(STATE)
        .chunk("M.inc = function() return 2 end\nerror 'boom'")
        .failed("@@/x.lua:2: boom")
        .gives("M.show()", INTACT),
    case("raises after everything was touched")
        .v1(STATE)
        .chunk("n, label, list, DIRTY = 9, 'new', {}, true\nfunction M.inc() end\nfunction M.more() end\nlist[1] = 5\nlocal t = nil\nt.x = 1")
        .failed("@@/x.lua:6: ")
        .gives("M.show()", INTACT)
        .gives("M.more", "nil"),
    case("raises after five hundred rows were migrated")
        .v1("players = {}
            for id = 1, 1000 do players[id] = { gold = id, name = 'p' .. id } end
            function M.sum() local gold, coin, names = 0, 0, 0 for _, p in pairs(players) do gold = gold + (p.gold or 0) coin = coin + (p.coin or 0) names = names + #p.name end return gold, coin, names end")
        .run("FIRST = players[1]")
        .chunk("function M.sum() return 'new' end\nlocal done = 0\nfor id, p in pairs(players) do\n  p.coin, p.gold = p.gold, nil\n  p.name = 'x'\n  done = done + 1\n  if done == 500 then error 'bad row' end\nend")
        .failed("@@/x.lua:7: bad row")
        .gives("M.sum()", "500500 0 3893")
        .gives("FIRST == players[1], FIRST.gold, FIRST.coin", "true 1 nil"),
    case("raises after rows were removed and added while iterating")
        .v1("rows = {}
            for i = 1, 200 do rows['k' .. i] = i end
            function M.count() local n, s = 0, 0 for _, v in pairs(rows) do n = n + 1 s = s + v end return n, s end")
        .chunk("for k in pairs(rows) do rows[k] = nil end\nfor i = 1, 300 do rows[i] = i end\nsetmetatable(rows, { __index = error })\nerror { code = 1 }")
        .failed("")
        .gives("M.count()", "200 20100")
        .gives("getmetatable(rows)", "nil"),
    case("says that the service is not reloadable and fails")
        .v1(STATE)
        .chunk("require('hotfix').reloadable(false)\nerror 'boom'")
        .failed("@@/x.lua:2: boom")
        .chunk("function M.inc() return 'new' end")
        .gives("M.inc()", "new"),
    case("does not compile")
        .v1(STATE)
        .chunk("label = 'new'\nfor i = 1, 3 do print(i) end\nfunction M.inc( return end")
        .rejected("@@/x.lua:3: ")
        .gives("M.show()", INTACT),
    case("assigns the variable of a loop")
        .v1(STATE)
        .chunk("label = 'new'\nfor i = 1, 3 do\n  i = i + 1\nend")
        .rejected("@@/x.lua:3: ")
        .gives("M.show()", INTACT),
    case("uses a name that a declaration of globals forbids")
        .v1(STATE)
        .chunk("global none_of_yours\nfunction f()\n  return some_other_name\nend")
        .rejected("@@/x.lua:2: ")
        .gives("M.show()", INTACT),
    case("jumps to a label that is not there")
        .v1(STATE)
        .chunk("label = 'new'\ngoto nowhere")
        .rejected("@@/x.lua:2: ")
        .gives("M.show()", INTACT),
    case("ends a block that it has not begun")
        .v1(STATE)
        .chunk("label = 'new'\nend\nlabel = 'newer'")
        .rejected("@@/x.lua:2: ")
        .gives("M.show()", INTACT),
    case("closes the function around it and opens another")
        .v1(STATE)
        .chunk("label = 'new' end, function()")
        .rejected("@@/x.lua:1: ")
        .gives("M.show()", INTACT),
    case("a string without its end")
        .v1(STATE)
        .chunk("label = 'new'\nlabel = 'newer")
        .rejected("@@/x.lua:2: ")
        .gives("M.show()", INTACT),
    case("an error object that is shown without end")
        .v1(STATE)
        .chunk("label = 'new'\nerror(setmetatable({}, { __tostring = function() while true do end end }))")
        .failed("ran longer than hotfix.time_limit")
        .gives("M.show()", INTACT),
    case("an error object that cannot be shown")
        .v1(STATE)
        .chunk("label = 'new'\nerror(setmetatable({}, { __tostring = function() return {} end }))")
        .failed("an error object that cannot be shown")
        .gives("M.show()", INTACT),
    case("waits in the middle")
        .v1(STATE)
        .chunk("M.inc = function() return 'half' end\nskynet.sleep(100)\nlabel = 'new'")
        .failed("@@/x.lua:2:")
        .says("may not wait")
        .gives("M.show()", INTACT),
    case("yields by hand")
        .v1(STATE)
        .chunk("label = 'half'\ncoroutine.yield()")
        .failed("yield")
        .gives("M.show()", INTACT),
    case("waits inside a protected call")
        .v1(STATE)
        .chunk("label = 'half'\nlocal ok, why = pcall(skynet.sleep, 1)\nif not ok then error(why, 0) end")
        .failed("may not wait")
        .gives("M.show()", INTACT),
    case("calls its own service")
        .v1(STATE)
        .chunk("label = 'half'\nskynet.call(skynet.self(), 'lua', 'return 1')")
        .failed("@@/x.lua:2:")
        .gives("M.show()", INTACT),
    case("starts another service and waits for it")
        .v1(STATE)
        .chunk("label = 'half'\nskynet.newservice 'main'")
        .failed("@@/x.lua:2:")
        .gives("M.show()", INTACT),
    case("ends the service")
        .v1(STATE)
        .chunk("label = 'half'\nskynet.exit()")
        .failed("")
        .gives("M.show()", INTACT),
    case("ends the process")
        .v1(STATE)
        .chunk("label = 'half'\nos.exit(3)")
        .failed("")
        .gives("M.show()", INTACT),
    case("assigns a constant")
        .v1("local MAX <const> = 10\nfunction M.max() return MAX end")
        .chunk("MAX = 20")
        .rejected("MAX")
        .gives("M.max()", "10"),
    case("an initialiser of a new local that raises")
        .v1(STATE)
        .edit("function M.inc() n = n + 1 return n end", "local bad = nil + 1\nfunction M.inc() return 'new', bad end")
        .failed("@@/x.lua:")
        .gives("M.show()", INTACT),
    case("an initialiser of a new local that raises after another has run")
        .v1(STATE)
        .edit(
            "function M.inc() n = n + 1 return n end",
            "local good = (function() label = 'half' return 1 end)()\nlocal bad = good.x.y\nfunction M.inc() return good, bad end",
        )
        .failed("@@/x.lua:")
        .gives("M.show()", INTACT),
];

/// Code that does not end, or takes all there is.
const GREEDY: &[Case] = &[
    endless("a loop", "while true do end"),
    endless(
        "a loop that protects itself",
        "while true do pcall(function() while true do end end) end",
    ),
    endless("a protected call of nothing for ever", "repeat until pcall(error)"),
    endless(
        "a loop in a coroutine",
        "coroutine.wrap(function() while true do end end)()",
    ),
    endless(
        "a loop in coroutines in coroutines",
        "local function deep(n) if n == 0 then while true do pcall(error) end end return coroutine.wrap(function() deep(n - 1) end)() end while true do pcall(deep, 20) end",
    ),
    endless(
        "a loop in a message handler",
        "xpcall(error, function() while true do end end)",
    ),
    endless(
        "a handler that raises for ever",
        "local function h() error(h) end while true do xpcall(h, h) end",
    ),
    endless(
        "a loop in a closer",
        "do local c <close> = setmetatable({}, { __close = function() while true do end end }) end",
    ),
    endless(
        "a loop in a closer after a loop",
        "local c <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
    ),
    endless(
        "a loop in an index",
        "local t = setmetatable({}, { __index = function(t, k) while true do end end }) t.x = t.y",
    ),
    endless(
        "a loop in a comparison",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
    ),
    endless(
        "a loop in a replacement",
        "('x'):gsub('x', function() while true do end end)",
    ),
    endless(
        "a loop in the text of a value",
        "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
    ),
    endless("an iterator without an end", "for _ in function() return 1 end do end"),
    endless(
        "a tail call without an end",
        "local function again() return again() end again()",
    ),
    endless("a jump without an end", "::again:: goto again"),
    endless("a loop without hooks", "debug.sethook() while true do end"),
    endless(
        "a loop that takes hooks away again and again",
        "while true do pcall(debug.sethook) pcall(function() while true do debug.sethook() end end) end",
    ),
    endless("a load without an end", "load(function() return ' ' end)"),
    endless(
        "a loop in a finalizer",
        "setmetatable({}, { __gc = function() while true do end end }) collectgarbage() collectgarbage() while true do end",
    ),
    greedy("a string of two hundred million", "local s = ('x'):rep(2e8)"),
    greedy(
        "a string that is copied",
        "local s = ('x'):rep(1e6) local t = {} while true do t[#t + 1] = s .. #t end",
    ),
    greedy("a table that grows", "local t = {} while true do t[#t + 1] = {} end"),
    greedy(
        "a table of tables in a protected call",
        "local t = {} while true do pcall(function() while true do t[#t + 1] = { t, {} } end end) end",
    ),
    greedy(
        "a buffer that grows",
        "local t = {} for i = 1, 1e7 do t[i] = 'row ' .. i end local s = table.concat(t) .. table.concat(t)",
    ),
    greedy(
        "a table made large at once",
        "local t = table.create and table.create(1e9) or ('x'):rep(2e9)",
    ),
    greedy(
        "closures without an end",
        "local f = print while true do local g = f f = function() return g end end",
    ),
    greedy(
        "coroutines without an end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    ),
    endless(
        "a recursion that is no tail call",
        "local function deep() return 1 + deep() end while true do pcall(deep) end",
    ),
];

const fn endless(name: &'static str, patch: &'static str) -> Case {
    case(name)
        .v1(STATE)
        .run("M.before = collectgarbage 'count'")
        .chunk(patch)
        .failed("")
        .gives("M.show()", INTACT)
}

const fn greedy(name: &'static str, patch: &'static str) -> Case {
    endless(name, patch)
        .run("collectgarbage() collectgarbage()")
        .gives("collectgarbage 'count' < M.before + 8 * 1024", "true")
}

#[test]
fn chunk_patches() {
    run(CASES, Form::Chunk);
}

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}

#[test]
fn what_does_not_end() {
    run_with(GREEDY, Form::Chunk, |project| {
        project
            .set("hotfix", "time_limit", "\"500ms\"")
            .set("hotfix", "memory_limit", "\"32 MiB\"")
    });
}

#[test]
fn stuck_in_c_is_reported_and_others_go_on() {
    let body = "function M.f() return 'v1' end";
    let project = Project::empty()
        .service("victim", &service("victim", body))
        .service("other", &service("other", body));
    let mut node = start(&project, &["victim", "other"]);
    let search = "(('a'):rep(28)):find(('a?'):rep(28) .. ('a'):rep(28) .. 'b')\n";
    project.drop_file("victim", "x.lua", search);
    node.wait_until("a word about the service that is stuck", |node| {
        let says = |line: &String| {
            let named = line.contains("victim/x.lua") || line.contains("of victim");
            named && ["stuck", "timed out: "].iter().any(|word| line.contains(word))
        };
        node.lines().iter().any(says)
    });
    assert_eq!(value(&node, "other", "M.f()"), "v1");
    project.drop_file("other", "x.lua", "function M.f() return 'v2' end\n");
    let summary = node.wait_summary(Mark::START, "other/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(value(&node, "other", "M.f()"), "v2");
}
