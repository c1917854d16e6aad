//! Dev mode without a terminal: saved sources are live in whoever has loaded them, state kept, and what is said of it.

mod all_day;
mod begun;
mod keys;

use std::fs;

use crate::harness::svc::SVC;
use crate::harness::{Mark, Node, Project, hotlua};

/// An agent with state, a timer, and a module.
const AGENT: &str = r#"local skynet = require "skynet"
local util = require "util"

local id = ...
local ticks, started = 0, 1
local command = {}

local function tick()
    ticks = ticks + 1
    skynet.timeout(1, tick)
end

function command.hello(name)
    return util.greet(name) .. " from " .. id
end

function command.ticks()
    return ticks
end

function command.started()
    return started
end

function command.fail()
    error("on purpose")
end

skynet.start(function()
    skynet.timeout(1, tick)
    skynet.dispatch("lua", function(_, _, name, ...)
        skynet.retpack(command[name](...))
    end)
end)
"#;

const UTIL: &str = "local M = {}\n\nfunction M.greet(name)\n    return \"hello \" .. name\nend\n\nreturn M\n";

fn project(number: u32) -> Project {
    let main = r#"local skynet = require "skynet"
require "skynet.manager"
local util = require "util"
skynet.start(function()
    for i = 1, NUMBER do
        skynet.name(".a" .. i, skynet.newservice("agent", i))
    end
    skynet.register ".main"
    skynet.dispatch("lua", function() skynet.retpack(util.greet "main") end)
    print "ready"
end)
"#;
    Project::empty()
        .service("main", &main.replace("NUMBER", &number.to_string()))
        .service("agent", AGENT)
        .file("lualib/util.lua", UTIL)
}

fn dev(project: &Project) -> Node {
    let mut node = project.spawn(&["dev"]);
    node.wait_for_console();
    node.wait_line("ready");
    node.wait_line("[dev] saved files of services, lualib, hotfix are applied");
    node
}

/// Writes several files as git does: it holds its lock meanwhile.
fn check_out(project: &Project, files: &[(&str, &str)]) {
    let lock = project.write(".git/index.lock", "");
    for (path, text) in files {
        project.write(path, text);
    }
    fs::remove_file(lock).expect("unlocked");
}

/// Waits for the next line of dev mode's own after `mark` that is about `file`; gives what follows the name.
fn said(node: &mut Node, mark: Mark, file: &str) -> String {
    let head = format!("[dev] {file}");
    let line = node.wait_line_since(mark, &head);
    line.strip_prefix(&head)
        .unwrap_or(&line)
        .trim_start_matches(": ")
        .to_owned()
}

/// Saves a file and gives what is said of it.
fn save(project: &Project, node: &mut Node, path: &str, text: &str) -> String {
    let mark = node.mark();
    project.write(path, text);
    said(node, mark, path)
}

fn hello(node: &Node, name: &str) -> String {
    node.ask(name, "\"hello\",\"you\"")
}

fn ticks(node: &Node, name: &str) -> u64 {
    node.ask(name, "\"ticks\"").parse().expect("a number")
}

#[test]
fn a_saved_module_is_live_in_every_service_that_has_loaded_it() {
    let project = project(5);
    let mut node = dev(&project);
    let line = save(
        &project,
        &mut node,
        "lualib/util.lua",
        &UTIL.replace("hello", "good day"),
    );
    assert!(
        line.starts_with(
            "1 function, 5 holders in 5 of 5 instances of agent; 1 function, 1 holder in 1 of 1 instance of main; "
        ),
        "{line}"
    );
    assert_eq!(hello(&node, ".a3"), "good day you from 3");
    assert_eq!(node.ask(".main", "\"x\""), "good day main");
    let lines = node.lines().join("\n");
    let diff = "--- lualib/util.lua\n+++ lualib/util.lua\n@@ -1,7 +1,7 @@\n local M = {}\n \n function M.greet(name)\n-    return \"hello \" .. name\n+    return \"good day \" .. name\n end\n";
    assert_eq!(lines.matches(diff).count(), 1, "the diff stands once below: {lines}");
}

#[test]
fn ten_saves_keep_state_and_timers() {
    let project = project(3);
    let mut node = dev(&project);
    let mut last = 0;
    for round in 0..10 {
        let text = AGENT.replace("\" from \"", &format!("\" in round {round} from \""));
        let line = save(&project, &mut node, "services/agent.lua", &text);
        assert!(
            line.starts_with("1 function, 3 holders in 3 of 3 instances of agent; "),
            "{line}"
        );
        assert_eq!(hello(&node, ".a2"), format!("hello you in round {round} from 2"));
        let now = ticks(&node, ".a2");
        assert!(now >= last, "{now} after {last}");
        node.wait_until("the timer to go on", |node| ticks(node, ".a2") > now);
        last = now;
    }
}

#[test]
fn a_mistake_is_shown_with_its_line_and_the_last_good_code_stays() {
    let project = project(2);
    let mut node = dev(&project);
    let mark = node.mark();
    project.write(
        "services/agent.lua",
        AGENT.replace("ticks = ticks + 1", "ticks = = ticks + 1"),
    );
    node.wait_line_since(mark, "[dev] services/agent.lua:9: unexpected symbol near '='");
    node.wait_line_since(
        mark,
        "[dev] agent runs on with the last good code; save again to try again",
    );
    let lines = node.lines_since(mark).join("\n");
    assert!(
        lines.contains("  9 |     ticks = = ticks + 1\n    |             ^\n"),
        "{lines}"
    );
    assert!(!lines.contains("+++ "), "no diff of what is not applied");
    assert_eq!(hello(&node, ".a1"), "hello you from 1");
    let line = save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" of \""),
    );
    assert!(line.starts_with("1 function"), "{line}");
    assert_eq!(hello(&node, ".a1"), "hello you of 1");
    // Not text at all.
    let mark = node.mark();
    project.write("services/agent.lua", b"\x1bLua\x55".as_slice());
    node.wait_line_since(mark, "[dev] services/agent.lua: this is compiled Lua");
    assert_eq!(hello(&node, ".a1"), "hello you of 1");
}

#[test]
fn a_slip_of_the_keyboard_is_told_before_it_runs() {
    let project = project(1);
    let mut node = dev(&project);
    let mark = node.mark();
    let slip = AGENT.replace("    return started\n", "    return startd\n");
    save(&project, &mut node, "services/agent.lua", &slip);
    node.wait_line_since(
        mark,
        "warning: services/agent.lua:22: `startd` is read, but no such global has ever been set",
    );
    // What the text sets itself, what was read before, and what there is, are none.
    let mark = node.mark();
    let fine = slip.replace(
        "    return ticks\n",
        "    cache = cache or {}\n    return math.floor(ticks)\n",
    );
    save(&project, &mut node, "services/agent.lua", &fine);
    node.wait_line_since(mark, "+++ services/agent.lua");
    assert!(
        !node.lines_since(mark).iter().any(|line| line.contains("warning")),
        "{:?}",
        node.lines_since(mark)
    );
}

#[test]
fn what_runs_once_is_said_with_its_lines_and_restarted_in_place() {
    let project = project(2);
    let mut node = dev(&project);
    let mark = node.mark();
    let changed = AGENT.replace("started = 0, 1", "started = 0, 2").replace(
        "    skynet.timeout(1, tick)\n    skynet.dispatch",
        "    started = 3\n    skynet.timeout(1, tick)\n    skynet.dispatch",
    );
    project.write("services/agent.lua", &changed);
    let line = node.wait_line_since(mark, "[dev] agent needs a restart: services/agent.lua:30");
    assert!(line.contains("restart` on the console restarts it in place"), "{line}");
    node.console().cmd("restart agent").succeeded();
    assert_eq!(node.ask(".a1", "\"started\""), "3");
}

#[test]
fn errors_name_the_lines_of_the_saved_text_also_in_functions_that_only_moved() {
    let project = project(1);
    let mut node = dev(&project);
    let line = save(
        &project,
        &mut node,
        "services/agent.lua",
        &format!("-- one\n-- two\n-- three\n{AGENT}"),
    );
    assert!(
        line.starts_with("nothing to apply to 1 instance of agent: only layout or comments; "),
        "{line}"
    );
    let mark = node.mark();
    node.console().cmd("call .a1 \"fail\"").failed();
    node.wait_line_since(mark, "services/agent.lua:29: on purpose");
    // A comment inside, and a function above that grows.
    let text = AGENT
        .replace("    error(", "    -- why?\n    error(")
        .replace("    return ticks\n", "    local now = ticks\n    return now\n");
    save(&project, &mut node, "services/agent.lua", &text);
    let mark = node.mark();
    node.console().cmd("call .a1 \"fail\"").failed();
    node.wait_line_since(mark, "services/agent.lua:28: on purpose");
    node.console().cmd("rollback agent").succeeded();
    let mark = node.mark();
    node.console().cmd("call .a1 \"fail\"").failed();
    node.wait_line_since(mark, "services/agent.lua:26: on purpose");
}

#[test]
fn files_saved_together_are_one_patch_all_or_nothing() {
    let project = project(2).file(".git/HEAD", "");
    let mut node = dev(&project);
    // The new agent needs the new module.
    let util = UTIL.replace(
        "return M\n",
        "function M.bye(name)\n    return \"bye \" .. name\nend\n\nreturn M\n",
    );
    let agent = AGENT.replace("util.greet(name)", "util.bye(name)");
    let mark = node.mark();
    check_out(&project, &[("lualib/util.lua", &util), ("services/agent.lua", &agent)]);
    let line = said(&mut node, mark, "lualib/util.lua, services/agent.lua");
    assert!(line.contains("in 2 of 2 instances of agent"), "{line}");
    assert_eq!(hello(&node, ".a1"), "bye you from 1");
    // One of the two is wrong: neither is applied to who has loaded both; the other service gets its own.
    let mark = node.mark();
    let words = util.replace("hello ", "hi ").replace("bye ", "so long ");
    let wrong = agent.replace("return ticks", "return return ticks");
    check_out(&project, &[("lualib/util.lua", &words), ("services/agent.lua", &wrong)]);
    node.wait_line_since(mark, "[dev] services/agent.lua:18: ");
    node.wait_line_since(mark, "[dev] agent runs on with the last good code");
    assert_eq!(hello(&node, ".a1"), "bye you from 1");
    assert_eq!(node.ask(".main", "\"x\""), "hi main");
    // Once it is mended, all of it comes.
    let mark = node.mark();
    project.write("services/agent.lua", agent.replace("return ticks", "return ticks + 0"));
    node.wait_line_since(mark, "in 2 of 2 instances of agent");
    assert_eq!(hello(&node, ".a1"), "so long you from 1", "the module, too");
}

#[test]
fn new_and_deleted_files_and_modules_required_later_are_seen() {
    let project = project(1);
    let mut node = dev(&project);
    let mark = node.mark();
    project.write(
        "lualib/deep/er/late.lua",
        "return { word = function() return \"one\" end }\n",
    );
    node.wait_line_since(mark, "[dev] new: lualib/deep/er/late.lua");
    let text = AGENT.replace(
        "return util.greet(name)",
        "return require(\"deep.er.late\").word() .. util.greet(name)",
    );
    save(&project, &mut node, "services/agent.lua", &text);
    assert_eq!(hello(&node, ".a1"), "onehello you from 1");
    let line = save(
        &project,
        &mut node,
        "lualib/deep/er/late.lua",
        "return { word = function() return \"two\" end }\n",
    );
    assert!(line.contains("in 1 of 1 instance of agent"), "{line}");
    assert_eq!(hello(&node, ".a1"), "twohello you from 1");
    let mark = node.mark();
    project.write("services/fresh.lua", SVC);
    node.wait_line_since(mark, "[dev] new: services/fresh.lua");
    node.console().cmd("start fresh").succeeded();
    let mark = node.mark();
    fs::rename(project.path("services/agent.lua"), project.path("services/renamed.lua")).expect("renamed");
    node.wait_line_since(
        mark,
        "[dev] gone: services/agent.lua; what was loaded of it runs on in 1 instance of agent",
    );
    assert_eq!(hello(&node, ".a1"), "twohello you from 1");
    fs::rename(project.path("services/renamed.lua"), project.path("services/agent.lua")).expect("renamed");
    node.wait_line_since(mark, "[dev] gone: services/renamed.lua");
    let mark = node.mark();
    project.write("lualib/unused.lua", "return 1\n");
    node.wait_line_since(mark, "[dev] new: lualib/unused.lua");
    project.write("lualib/unused.lua", "return 2\n");
    node.wait_line_since(mark, "[dev] lualib/unused.lua: no service that runs has loaded it");
}

#[test]
fn a_module_from_outside_of_the_trees_is_watched_as_well() {
    let project = project(1).file("vendor/ext.lua", "return { word = function() return \"one\" end }\n");
    let text = format!(
        "package.path = package.path .. \";vendor/?.lua\"\nlocal ext = require \"ext\"\n{}",
        AGENT.replace("return util.greet(name)", "return ext.word() .. util.greet(name)")
    );
    project.write("services/agent.lua", &text);
    let mut node = dev(&project);
    assert_eq!(hello(&node, ".a1"), "onehello you from 1");
    let line = save(
        &project,
        &mut node,
        "vendor/ext.lua",
        "return { word = function() return \"two\" end }\n",
    );
    assert!(line.contains("in 1 of 1 instance of agent"), "{line}");
    assert_eq!(hello(&node, ".a1"), "twohello you from 1");
}

#[test]
fn patches_are_dropped_as_ever_and_stay_in_the_letterbox() {
    let project = project(1);
    let mut node = dev(&project);
    let mark = node.mark();
    let file = project.drop_file("agent", "x.lua", "function command.hello() return \"patched\" end\n");
    node.wait_summary(mark, "agent/x.lua");
    assert_eq!(hello(&node, ".a1"), "patched");
    assert!(file.exists(), "dev mode keeps it");
    let line = save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" of \""),
    );
    assert!(line.contains("in 1 of 1 instance of agent"), "{line}");
    assert_eq!(hello(&node, ".a1"), "hello you of 1", "the source has the last word");
}

#[test]
fn a_save_is_in_the_history_and_can_be_taken_back_and_is_no_patch_after_a_restart() {
    let project = project(2);
    let mut node = dev(&project);
    let line = save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" of \""),
    );
    assert!(line.ends_with("(patch 1)"), "{line}");
    let shown = hotlua(&project, &["show", "1"]).stdout;
    assert!(
        shown.starts_with("patch 1: agent/services.agent.lua\n") && shown.contains("\n+++ services/agent.lua\n"),
        "{shown}"
    );
    assert_eq!(hotlua(&project, &["rollback", "agent"]).code, 0);
    assert_eq!(hello(&node, ".a1"), "hello you from 1");
    let again = AGENT.replace("\" from \"", "\" of \"");
    save(&project, &mut node, "services/agent.lua", &again);
    assert_eq!(hello(&node, ".a1"), "hello you of 1", "the same text, saved once more");
    save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" off \""),
    );
    assert_eq!(hello(&node, ".a1"), "hello you off 1");
    // What starts now reads the file itself.
    assert_eq!(node.stop(), 0);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(hello(&node, ".a1"), "hello you off 1");
    assert!(
        !node
            .lines()
            .iter()
            .any(|line| line.contains("replayed") || line.contains("retired")),
        "{:?}",
        node.lines()
    );
    assert_eq!(
        hotlua(&project, &["list", "--json"])
            .stdout
            .matches("\"patch\"")
            .count(),
        0,
        "no patch is live"
    );
}

#[test]
fn what_was_saved_while_a_service_started_is_caught_up_with() {
    let project = project(1);
    let slow = AGENT.replace(
        "    skynet.timeout(1, tick)\n    skynet.dispatch",
        "    print \"starting\"\n    skynet.sleep(300)\n    skynet.dispatch",
    );
    project.write("services/agent.lua", &slow);
    let mut node = project.spawn(&["dev"]);
    node.wait_for_console();
    node.wait_line("starting");
    project.write("services/agent.lua", slow.replace("\" from \"", "\" of \""));
    node.wait_line("in 1 of 1 instance of agent");
    node.wait_line("ready");
    assert_eq!(hello(&node, ".a1"), "hello you of 1");
}

#[test]
fn a_frozen_service_takes_no_save() {
    let project = project(1);
    let mut node = dev(&project);
    node.console().cmd("freeze agent -- demo").succeeded();
    let mark = node.mark();
    project.write("services/agent.lua", AGENT.replace("\" from \"", "\" of \""));
    node.wait_line_since(mark, "agent is frozen since ");
    assert_eq!(hello(&node, ".a1"), "hello you from 1");
    node.console().cmd("unfreeze agent").succeeded();
    save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" off \""),
    );
    assert_eq!(hello(&node, ".a1"), "hello you off 1");
}

#[test]
fn a_node_in_production_refuses_dev_mode() {
    let project = project(1).set("node", "profile", "\"production\"");
    let refused = hotlua(&project, &["dev"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .stdout
            .contains("`hotlua dev` is refused: [node] profile = \"production\""),
        "{refused:?}"
    );
}
