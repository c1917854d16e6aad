//! Whole new texts: what is matched, what is kept, what only a restart can do, and several versions in a row.

use super::case::{Case, Form, case};
use super::driver::{run, service};
use super::nodes::{start, value};
use crate::harness::Project;

const CASES: &[Case] = &[
    case("a text that is the running one")
        .v1("function M.f() return 'v1' end SAVED = M.f")
        .original()
        .harmless()
        .gives("M.f(), SAVED == M.f", "v1 true"),
    case("comments blank lines and another layout change nothing")
        .v1("local n = 0
            function M.f(a) n = n + a return n end
            SAVED = M.f")
        .run("M.f(1)")
        .edit("local n = 0", "-- what it counts\n\nlocal n  =  0 ;")
        .also("function M.f(a) n = n + a return n end", "function M.f( a )\n  n = n + a -- more\n\n  return n\nend")
        .harmless()
        .gives("M.f(1), SAVED == M.f", "2 true"),
    case("functions that only moved are the same functions")
        .v1("function M.a() return 'a' end
            function M.b() return 'b1' end
            function M.c() return 'c' end
            SA, SC = M.a, M.c")
        .edit("function M.a() return 'a' end\n", "\n\n\n")
        .also("function M.b() return 'b1' end", "function M.b() return 'b2' end")
        .also("function M.c() return 'c' end", "function M.c() return 'c' end\nfunction M.a() return 'a' end")
        .gives("M.a(), M.b(), M.c(), SA == M.a, SC == M.c", "a b2 c true true")
        .says("1 function"),
    case("order and number change together")
        .v1("local bal = 0
            function M.deposit(n) bal = bal + n return bal end
            function M.withdraw(n) bal = bal - n return bal end
            D, W = M.deposit, M.withdraw")
        .run("M.deposit(100)")
        .edit(
            "function M.deposit(n) bal = bal + n return bal end\n            function M.withdraw(n) bal = bal - n return bal end",
            "function M.withdraw(n) bal = bal - n return bal end
            function M.audit() return bal end
            function M.deposit(n) bal = bal + n return bal, 'new' end M.x, M.y = function() return 1 end, function() return 2 end",
        )
        .gives("M.audit()", "100")
        .gives("M.deposit(1)", "101 new")
        .gives("W(1), W == M.withdraw, D == M.deposit, M.x(), M.y()", "100 true true 1 2"),
    case("a removed function is kept and reported")
        .v1("function M.old() return 'old' end
            function M.f() return 'v1' end
            HOLDS = { M.old }")
        .edit("function M.old() return 'old' end\n", "")
        .also("HOLDS = { M.old }", "HOLDS = { M.f }")
        .also("'v1'", "'v2'")
        .says("M.old")
        .gives("M.old(), HOLDS[1](), M.f()", "old old v2"),
    case("a renamed function")
        .v1("function M.old(x) return x end")
        .edit("function M.old(x) return x end", "function M.new(x) return x * 2 end")
        .says("M.old")
        .gives("M.old(4), M.new(4)", "4 8"),
    case("a renamed local function whose callers follow")
        .v1("local function calc(x) return x + 1 end
            function M.go(x) return calc(x) end
            KEPT = calc")
        .edit("local function calc(x) return x + 1 end", "local function compute(x) return x + 2 end")
        .also("return calc(x) end", "return compute(x) end")
        .also("KEPT = calc", "KEPT = compute")
        .gives("M.go(1), KEPT(1)", "3 2"),
    case("a renamed variable is a new one")
        .v1("local count = 0
            function M.inc() count = count + 1 return count end")
        .run("M.inc() M.inc()")
        .edit("local count = 0", "local number = 100")
        .also("count = count + 1 return count", "number = number + 1 return number")
        .says("count")
        .gives("M.inc()", "101"),
    case("a function becomes a callable table")
        .v1("M.rule = function(x) return 'v1', x end
            function M.f() return 'v1' end")
        .edit("M.rule = function(x) return 'v1', x end", "M.rule = setmetatable({}, { __call = function(_, x) return 'v1', x end })")
        .summary(&["applied to", "had no effect", "rejected", "failed and undone"])
        .says("M.rule")
        .gives("M.rule(5)", "v1 5"),
    case("a local function becomes a number")
        .v1("local rule = function(x) return x end
            function M.f() return type(rule) end")
        .edit("local rule = function(x) return x end", "local rule = 5")
        .summary(&["applied to", "had no effect", "rejected", "failed and undone"])
        .says("rule"),
    case("a local number becomes a function")
        .v1("local limit = 5
            function M.f() return type(limit) == 'function' and limit() or limit end")
        .edit("local limit = 5", "local limit = function() return 6 end")
        .summary(&["applied to", "had no effect", "rejected", "failed and undone"])
        .says("limit"),
    case("a loop that the start function began runs in its old body alone")
        .v1("TURNS = 0
            function M.f() return 'v1' end
            skynet.init(function() skynet.fork(function() while true do skynet.wait('turn') TURNS = TURNS + 1 end end) end)")
        .edit("TURNS = TURNS + 1 end", "TURNS = TURNS + 100 end")
        .summary(&["had no effect: "])
        .says("1 coroutine in the old body, services/@@.lua:6")
        .says("needs a restart")
        .run("skynet.wakeup 'turn'")
        .soon("TURNS", "1"),
    case("a new function in a block of the file, which needs nothing of the block")
        .v1("do local hidden = 1 function M.f() return hidden, 'v1' end end")
        .edit("'v1' end end", "'v2' end function M.g() return 'g' end end")
        .gives("M.f()", "1 v2")
        .gives("M.g()", "g")
        .silent("restart"),
    case("a new function in a block of the file that needs a variable of the block")
        .v1("do local hidden = 1 function M.f() return hidden, 'v1' end end")
        .edit("'v1' end end", "'v2' end function M.g() return hidden end end")
        .gives("M.f()", "1 v2")
        .gives("M.g()", "1")
        .silent("restart"),
    case("a top level statement that changed needs a restart")
        .v1("COUNT = (COUNT or 0) + 1
            function M.f() return 'v1' end")
        .edit("COUNT = (COUNT or 0) + 1", "COUNT = (COUNT or 0) + 10")
        .also("'v1'", "'v2'")
        .says("needs a restart")
        .says("x.lua:4")
        .gives("COUNT, M.f()", "1 v2"),
    case("a top level call that was added needs a restart")
        .v1("CALLS = 0
            function touch() CALLS = CALLS + 1 end
            function M.f() return 'v1' end")
        .edit("function M.f() return 'v1' end", "function M.f() return 'v2' end touch()")
        .says("needs a restart")
        .says(":6")
        .gives("CALLS, M.f()", "0 v2"),
    case("the body of start that changed needs a restart")
        .v1("function M.f() return 'v1' end")
        .edit("'v1'", "'v2'")
        .also("skynet.register \".@@\"", "skynet.register \".@@\" STARTED = 'v2'")
        .says("needs a restart")
        .says(":6")
        .gives("M.f(), STARTED", "v2 nil"),
    case("a whole text that only a restart can bring")
        .v1("NUMBER = 1")
        .edit("NUMBER = 1", "NUMBER = 2")
        .harmless()
        .says("needs a restart")
        .gives("NUMBER", "1"),
    case("unchanged top level code asks for nothing")
        .v1("COUNT = 1
            function M.f() return 'v1' end")
        .edit("COUNT = 1\n", "\n\n-- moved\nCOUNT = 1\n")
        .also("'v1'", "'v2'")
        .silent("restart")
        .gives("M.f()", "v2"),
    case("a module of the library is required anew")
        .v1("function M.f() return 'v1' end")
        .lib("extra_@@", "LOADED_EXTRA = (LOADED_EXTRA or 0) + 1\nreturn { twice = function(x) return x * 2 end }")
        .edit("function M.f() return 'v1' end", "local extra = require 'extra_@@'\nfunction M.f() return extra.twice(21) end")
        .gives("M.f(), LOADED_EXTRA", "42 1"),
    case("a required module that does not exist undoes all")
        .v1("function M.f() return 'v1' end")
        .edit("function M.f() return 'v1' end", "local extra = require 'no_such_module_@@'\nfunction M.f() return extra end")
        .refused("no_such_module_@@")
        .gives("M.f()", "v1"),
    case("three versions and back to the first")
        .v1("local n = 0
            function M.inc() n = n + 1 return n, 'v1' end
            SAVED = M.inc")
        .gives("M.inc()", "1 v1")
        .edit("n = n + 1 return n, 'v1'", "n = n + 10 return n, 'v2'")
        .gives("M.inc()", "11 v2")
        .edit("n = n + 10 return n, 'v2'", "n = n + 100 return n, 'v3'")
        .gives("M.inc()", "111 v3")
        .original()
        .gives("M.inc()", "112 v1")
        .gives("SAVED == M.inc", "true")
        .edit("n = n + 1 return n, 'v1'", "n = n + 10 return n, 'v2'")
        .gives("M.inc()", "122 v2"),
    case("functions that come and go over three versions")
        .v1("function M.a() return 'a1' end")
        .edit("function M.a() return 'a1' end", "function M.a() return 'a2' end function M.b() return 'b2' end")
        .gives("M.a(), M.b()", "a2 b2")
        .edit("function M.a() return 'a2' end function M.b() return 'b2' end", "function M.b() return 'b3' end function M.c() return 'c3' end")
        .gives("M.a(), M.b(), M.c()", "a2 b3 c3")
        .edit("function M.b() return 'b3' end", "function M.a() return 'a4' end function M.b() return 'b3' end")
        .gives("M.a(), M.b(), M.c()", "a4 b3 c3"),
    case("a text with a syntax error is rejected with its line")
        .v1("function M.f() return 'v1' end")
        .edit("return 'v1' end", "return 'v2' en")
        .rejected("@@/x.lua:")
        .gives("M.f()", "v1")
        .edit("return 'v2' en", "return 'v2' end")
        .gives("M.f()", "v2"),
    case("one call more between equal calls")
        .v1("LIST = {}
            local function add(f) LIST[#LIST + 1] = f end
            add(function() return 'one' end)
            add(function() return 'two' end)")
        .edit("add(function() return 'one' end)", "add(function() return 'one' end)\nadd(function() return 'between' end)")
        .summary(&["applied to", "had no effect", "rejected", "failed and undone"])
        .gives("LIST[1](), LIST[2](), #LIST", "one two 2"),
    case("the diff shows the functions that were replaced")
        .v1("function M.f() return 'v1' end
            function M.g() return 'same' end")
        .edit("return 'v1' end", "return 'v2' end")
        .diff("-function M.f() return 'v1' end")
        .diff("+function M.f() return 'v2' end"),
    case("a value that is computed where it was a literal")
        .v1("local base = 2
            function M.f() return base end
            function M.set(x) base = x end")
        .edit("local base = 2", "local base = 1 + 1 + tonumber('3')")
        .harmless()
        .says("base")
        .gives("M.f()", "2"),
    case("a new function of the file that old ones call")
        .v1("function M.f(x) return x end")
        .edit(
            "function M.f(x) return x end",
            "local function double(x) return x * 2 end\nlocal function quad(x) return double(double(x)) end\nfunction M.f(x) return quad(x) end",
        )
        .gives("M.f(3)", "12"),
    case("new local tables and what they hold")
        .v1("function M.f() return 'v1' end")
        .edit(
            "function M.f() return 'v1' end",
            "local queue, names = {}, { 'a', 'b', n = 2 }\nfunction M.f(x) queue[#queue + 1] = x return #queue, names.n, names[2] end",
        )
        .gives("M.f(1)", "1 2 b")
        .gives("M.f(1)", "2 2 b"),
];

#[test]
fn source_patches() {
    run(CASES, Form::Source);
}

#[test]
fn an_error_in_a_function_that_only_moved_names_the_file_that_it_runs_from() {
    let body = "function M.fail() error 'on purpose' end\nfunction M.f() return 'v1' end";
    let project = Project::empty().service("mover", &service("mover", body));
    let mut node = start(&project, &["mover"]);
    let moved = format!("-- one\n-- two\n-- three\n{}", body.replace("v1", "v2"));
    project.drop_file("mover", "x.lua", service("mover", &moved));
    let summary = node.wait_summary(crate::harness::Mark::START, "mover/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(value(&node, "mover", "M.f()"), "v2");
    let mark = node.mark();
    node.console().cmd("call .mover \"M.fail()\"").failed();
    // It was not replaced, and the service's own file is as it was.
    let line = node.wait_line_since(mark, "on purpose");
    assert!(line.contains("services/mover.lua:4: on purpose"), "{line}");
}

#[test]
fn a_local_alias_of_start_is_recognised() {
    let text = |version: &str| {
        service(
            "alias",
            &format!("local begin = skynet.start\nfunction M.f() return '{version}' end"),
        )
        .replace("skynet.start(function", "begin(function")
    };
    let project = Project::empty().service("alias", &text("v1"));
    let mut node = start(&project, &["alias"]);
    node.ask(".alias", "\"KEPT = M\"");
    project.drop_file("alias", "new.lua", text("v2"));
    let summary = node.wait_summary(crate::harness::Mark::START, "alias/new.lua");
    assert!(
        summary.starts_with("applied to 1 of 1 instance: 1 function"),
        "{summary}"
    );
    // Run as a chunk it would have made another table `M`.
    assert_eq!(value(&node, "alias", "M.f(), KEPT == M"), "v2 true");
}

#[test]
fn a_file_that_only_mentions_start_is_a_chunk() {
    let project = Project::empty().service("mention", &service("mention", "function M.f() return 'v1' end"));
    let mut node = start(&project, &["mention"]);
    let patch = "-- skynet.start(function() end)\nlocal text = 'skynet.start(function() end)'\n\
                 function M.f() return 'v2' end\nfunction M.later() skynet.start(function() end) end\n";
    project.drop_file("mention", "x.lua", patch);
    let summary = node.wait_summary(crate::harness::Mark::START, "mention/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(value(&node, "mention", "M.f(), type(M.later)"), "v2 function");
}
