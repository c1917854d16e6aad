//! Patches that are refused, raise, wait, or run away: the error names the author's file and line,
//! and the service is as it was before.

use crate::harness::Project;
use crate::harness::svc::{GREETING, apply, apply_well, greet, running};

#[test]
fn a_syntax_error_is_named_and_the_file_stays() {
    let (project, mut node) = running();
    let broken = "-- a comment\nfunction command.greet(name) return name .. end\n";
    let summary = apply(&project, &mut node, broken);
    assert!(summary.starts_with("rejected: hotfix/svc/x.lua:2: "), "{summary}");
    assert_eq!(greet(&node), "<hello you>");
    assert!(project.is_waiting("svc", "x.lua"));
    assert_eq!(project.archived_patches("svc").len(), 0);

    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
}

#[test]
fn a_rejected_file_is_not_tried_again_and_again() {
    let (project, mut node) = running();
    apply(&project, &mut node, "return (\n");
    let mark = node.mark();
    node.stays_quiet(mark, "svc/x.lua");
}

#[test]
fn a_patch_that_raises_is_named_undone_and_stays() {
    let (project, mut node) = running();
    assert_eq!(node.ask(".svc", "\"add\",7"), "7");
    let mark = node.mark();
    let summary = apply(
        &project,
        &mut node,
        "seen[#seen + 1] = \"dirty\"\n\
         label = \"dirty\"\n\
         total = -1\n\
         DIRTY_GLOBAL = true\n\
         print = nil\n\
         string.rep = nil\n\
         function command.greet() return \"dirty\" end\n\
         function command.fresh() return \"dirty\" end\n\
         function decorate() return \"dirty\" end\n\
         command.add = nil\n\
         local function fail() error \"on purpose\" end\n\
         fail()\n",
    );
    assert!(
        summary.starts_with("failed and undone: hotfix/svc/x.lua:11: on purpose"),
        "{summary}"
    );
    node.wait_line_since(mark, "stack traceback:");
    node.wait_line_since(mark, "hotfix/svc/x.lua:12: in main chunk");

    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(node.ask(".svc", "\"seen\""), "");
    assert_eq!(node.ask(".svc", "\"label\""), "old");
    assert_eq!(node.ask(".svc", "\"add\",1"), "8");
    assert_eq!(node.ask(".svc", "\"has\",\"fresh\""), "false");
    for (name, there) in [("DIRTY_GLOBAL", "true"), ("print", "false"), ("string.rep", "false")] {
        let asked = format!("\"eval\",\"return {name} == nil\"");
        assert_eq!(node.ask(".svc", &asked), there, "{name}");
    }
    assert!(project.is_waiting("svc", "x.lua"));
}

#[test]
fn a_raising_patch_corrected_in_place_applies() {
    let (project, mut node) = running();
    let failed = apply(&project, &mut node, "seen[1] = \"x\"\nno_such_table.field = 1\n");
    assert!(
        failed.starts_with("failed and undone: hotfix/svc/x.lua:2: "),
        "{failed}"
    );
    apply_well(&project, &mut node, "seen[1] = \"x\"\n");
    assert_eq!(node.ask(".svc", "\"seen\""), "x");
}

#[test]
fn a_patch_may_not_wait() {
    let (project, mut node) = running();
    let summary = apply(
        &project,
        &mut node,
        "label = \"half\"\nskynet.sleep(1)\nseen[1] = \"x\"\n",
    );
    assert!(summary.starts_with("failed and undone: "), "{summary}");
    assert!(summary.contains("hotfix/svc/x.lua:2:"), "{summary}");
    assert!(summary.contains("may not wait"), "{summary}");
    assert_eq!(node.ask(".svc", "\"label\""), "old");
    assert_eq!(node.ask(".svc", "\"seen\""), "");
}

#[test]
fn what_a_failed_patch_forked_and_sent_never_leaves() {
    let (project, mut node) = running();
    let summary = apply(
        &project,
        &mut node,
        "skynet.fork(function() seen[#seen + 1] = \"fork\" end)\n\
         skynet.timeout(0, function() seen[#seen + 1] = \"timer\" end)\n\
         skynet.send(skynet.self(), \"lua\", \"eval\", \"SENT = true\")\n\
         error \"on purpose\"\n",
    );
    assert!(summary.starts_with("failed and undone: "), "{summary}");
    let mark = node.mark();
    node.stays_quiet(mark, "svc/x.lua");
    assert_eq!(node.ask(".svc", "\"seen\""), "");
    assert_eq!(node.ask(".svc", "\"eval\",\"return SENT\""), "nil");
}

#[test]
fn an_endless_patch_is_stopped_and_undone() {
    let (project, mut node) = running();
    for endless in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "xpcall(function() while true do end end, function() while true do end end)",
        "local function again() return again() end again()",
        "repeat until pcall(error)",
        "debug.sethook() while true do end",
        "pcall(debug.sethook) while true do end",
        "table.sort({ 1, 2, 3 }, function() while true do pcall(function() while true do end end) end end)",
        "local c <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
        "for _ in function() return 1 end do end",
        "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do pcall(function() return t[1] end) end",
    ] {
        let summary = apply(&project, &mut node, format!("label = \"half\"\n{endless}\n"));
        assert!(summary.starts_with("failed and undone: "), "{endless}: {summary}");
        assert_eq!(node.ask(".svc", "\"label\""), "old", "{endless}");
    }
}

#[test]
fn a_patch_that_devours_memory_is_stopped_and_undone() {
    // However slow the machine is, it is the memory that gives out first.
    let project = Project::with_svc().set("hotfix", "time_limit", "\"60s\"");
    let mut node = project.start();
    node.wait_line("ready");
    for greedy in [
        "local hoard = {} while true do hoard[#hoard + 1] = string.rep(\"x\", 100000) .. #hoard end",
        "local much = string.rep(\"x\", 1000000) while true do print(much) end",
        "local skynet, much = require \"skynet\", string.rep(\"x\", 1000000) while true do skynet.send(skynet.self(), \"lua\", much) end",
        "local skynet = require \"skynet\" while true do skynet.timeout(100, print) end",
    ] {
        let summary = apply(&project, &mut node, format!("label = \"half\"\n{greedy}\n"));
        assert!(summary.starts_with("failed and undone: "), "{greedy}: {summary}");
        assert!(summary.contains("hotfix.memory_limit"), "{greedy}: {summary}");
        assert_eq!(node.ask(".svc", "\"label\""), "old", "{greedy}");
    }
}

#[test]
fn look_alikes_from_a_web_page_are_named() {
    let (project, mut node) = running();
    for (text, said) in [
        ("function\u{a0}command.greet(name) return name end\n", "U+00A0"),
        ("label = \u{201c}new\u{201d}\n", "U+201C"),
        ("label =\u{3000}\"new\"\n", "U+3000"),
        ("la\u{200b}bel = \"new\"\n", "U+200B"),
    ] {
        let summary = apply(&project, &mut node, format!("-- line one\n{text}"));
        assert!(summary.starts_with("rejected: hotfix/svc/x.lua:2: "), "{summary}");
        assert!(summary.contains(said), "{said} is not named: {summary}");
        assert_eq!(node.ask(".svc", "\"label\""), "old");
    }
}

#[test]
fn bytecode_is_refused() {
    let (project, mut node) = running();
    let summary = apply(&project, &mut node, b"\x1bLua\x55\x00 and so on\n");
    assert!(summary.starts_with("rejected: hotfix/svc/x.lua"), "{summary}");
    assert_eq!(greet(&node), "<hello you>");
}

#[test]
fn what_no_parser_survives_is_refused_with_its_line() {
    let (project, mut node) = running();
    let chain = format!("local n = 1\nn = 1{}", " + 1".repeat(20_000));
    let calls = format!("label = decorate{}", "()".repeat(20_000));
    let nested = format!("\n\nlabel = {}", "{".repeat(20_000));
    for (text, line) in [(chain, 2), (calls, 1), (nested, 3)] {
        let summary = apply(&project, &mut node, text);
        let place = format!("rejected: hotfix/svc/x.lua:{line}: ");
        assert!(summary.starts_with(&place), "{summary}");
    }
    apply_well(&project, &mut node, GREETING);
}

#[test]
fn nothing_of_a_patch_that_was_undone_runs_later() {
    let (project, mut node) = running();
    for (name, ghost) in [
        ("a.lua", "command.label = function() return 'ghost' end print 'a ghost'"),
        ("b.lua", "while true do end"),
    ] {
        let patch = format!("setmetatable({{}}, {{ __gc = function(...) {ghost} end }})\nerror 'as meant'\n");
        let mark = node.mark();
        project.drop_file("svc", name, patch);
        assert!(
            node.wait_summary(mark, &format!("svc/{name}"))
                .starts_with("failed and undone: ")
        );
        node.ask(".svc", "\"eval\",\"collectgarbage() collectgarbage() return 1\"");
        assert_eq!(node.ask(".svc", "\"label\""), "old");
    }
    assert_eq!(node.count(|line| line.contains("a ghost")), 0);
}
