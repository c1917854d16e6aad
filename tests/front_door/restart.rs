//! The console's `restart`: a service begins anew from its files, under its handle; state that it hands over is kept; what fails leaves
//! the old code as it was.

use crate::harness::{Node, Project};

/// A counter that hands its state over.
const COUNTER: &str = r#"
local skynet = require "skynet"
local hotfix = require "hotfix"
local id = ...
local count, ticks = 0, 0
local command = {}
function command.add(n) count = count + n return count end
function command.text() return "old " .. id .. " " .. count end
function command.slow() skynet.sleep(100000) return "late" end
function command.ask(who) return skynet.call(who, "lua", "text") end
hotfix.save(function() return count, { deep = { "x" } } end)
hotfix.restore(function(saved, more) count = saved assert(more.deep[1] == "x") end)
local function tick() ticks = ticks + 1 skynet.timeout(1, tick) end
skynet.start(function()
    skynet.timeout(1, tick)
    skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
end)
"#;

/// `main` starts so many of them, named `.c1` and so on.
fn counters(number: u32, text: &str) -> (Project, Node) {
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            for i = 1, NUMBER do
                skynet.name(".c" .. i, skynet.newservice("counter", i))
            end
            skynet.register ".main"
            skynet.dispatch("lua", function() skynet.retpack "here" end)
            print "ready"
        end)"#;
    let main = main.replace("NUMBER", &number.to_string());
    let project = Project::empty().service("main", &main).service("counter", text);
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

#[track_caller]
fn restarted(node: &Node) -> String {
    node.console().cmd("restart counter").succeeded().join("\n")
}

#[track_caller]
fn not_restarted(node: &Node) -> String {
    node.console().cmd("restart counter").failed()
}

fn text(node: &Node, name: &str) -> String {
    node.ask(name, "\"text\"")
}

#[test]
fn every_instance_has_the_new_code_its_name_and_its_state() {
    let (project, node) = counters(100, COUNTER);
    for number in 1..=100 {
        node.ask(&format!(".c{number}"), &format!("\"add\",{number}"));
    }
    let before = node.console().cmd("list").text();
    project.write("services/counter.lua", COUNTER.replace("\"old \"", "\"new \""));
    let said = restarted(&node);
    assert!(
        said.starts_with("[hotfix] counter restarted in place: 100 of 100 instances, with state, "),
        "{said}"
    );
    for number in 1..=100 {
        assert_eq!(text(&node, &format!(".c{number}")), format!("new {number} {number}"));
    }
    assert_eq!(node.console().cmd("list").text(), before, "handles and arguments");
}

#[test]
fn without_save_or_restore_it_begins_without_state_and_says_so() {
    let without_save = COUNTER.replace("hotfix.save(", "local _ = (");
    let without_restore = COUNTER.replace("hotfix.restore(", "local _ = (");
    for (before, after, why) in [
        (
            &without_save,
            COUNTER,
            "without state: the service provides no hotfix.save",
        ),
        (
            &COUNTER.to_owned(),
            without_restore.as_str(),
            "without state: the new code provides no hotfix.restore",
        ),
    ] {
        let (project, node) = counters(1, before);
        node.ask(".c1", "\"add\",5");
        project.write("services/counter.lua", after);
        let said = restarted(&node);
        assert!(
            said.contains("1 of 1 instance, without state") && said.contains(why),
            "{said}"
        );
        assert_eq!(text(&node, ".c1"), "old 1 0");
    }
}

#[test]
fn what_fails_leaves_the_old_code_as_it_was() {
    for (edit, why) in [
        (("local command", "local = command"), "services/counter.lua:6: "),
        (
            ("skynet.timeout(1, tick)\n", "error \"no start\"\n"),
            "services/counter.lua:15: no start",
        ),
        (
            ("count = saved", "error \"no restore\""),
            "services/counter.lua:12: no restore",
        ),
        (
            ("local id = ...", "error \"no script\""),
            "services/counter.lua:4: no script",
        ),
        (("skynet.timeout(1, tick)\n", "skynet.exit()\n"), "it ended itself"),
        (
            ("local id = ...", "local id = ... require \"nothere\""),
            "module 'nothere' not found",
        ),
    ] {
        let (project, node) = counters(1, COUNTER);
        node.ask(".c1", "\"add\",5");
        project.write(
            "services/counter.lua",
            COUNTER.replace("\"old \"", "\"new \"").replace(edit.0, edit.1),
        );
        let said = not_restarted(&node);
        assert!(said.contains("not restarted, it runs on as before: "), "{said}");
        assert!(said.contains(why), "{said} for {edit:?}");
        assert_eq!(text(&node, ".c1"), "old 1 5", "{edit:?}");
        // It can be tried again.
        project.write("services/counter.lua", COUNTER.replace("\"old \"", "\"new \""));
        restarted(&node);
        assert_eq!(text(&node, ".c1"), "new 1 5");
    }
}

#[test]
fn each_instance_that_did_not_start_is_told_with_its_own_reason() {
    let (project, node) = counters(4, COUNTER);
    let edited = COUNTER.replace("\"old \"", "\"new \"").replace(
        "    skynet.timeout(1, tick)\n",
        "    if id == \"2\" then error \"not two\" elseif id == \"4\" then error \"not four\" end\n",
    );
    project.write("services/counter.lua", edited);
    let lines = node.console().cmd("restart counter").failed();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(
        lines[0].starts_with("[hotfix] counter restarted in place: 2 of 4 instances, with state, "),
        "{lines:?}"
    );
    for why in ["not two", "not four"] {
        let told = format!("not restarted, it runs on as before: services/counter.lua:15: {why}");
        let place = lines.iter().position(|line| line.ends_with(&told));
        let place = place.unwrap_or_else(|| panic!("{told} in {lines:?}"));
        assert!(lines[place].starts_with("  :0000000"), "{lines:?}");
    }
    // They failed in the same place, which is shown once.
    let traces = lines.iter().filter(|line| **line == "stack traceback:");
    assert_eq!(traces.count(), 1, "{lines:?}");
    let texts: Vec<String> = (1..=4).map(|number| text(&node, &format!(".c{number}"))).collect();
    assert_eq!(texts, ["new 1 0", "old 2 0", "new 3 0", "old 4 0"]);
    let journal = project.journal();
    let event = journal.iter().rfind(|line| line["event"] == "restarted");
    let instances = event.map(|event| event["instances"].to_string()).unwrap_or_default();
    assert!(
        instances.contains("not two") && instances.contains("not four"),
        "{instances}"
    );
}

#[test]
fn a_save_that_raises_or_returns_what_cannot_be_packed_is_a_refusal() {
    for (save, why) in [
        ("error \"not now\"", "hotfix.save: services/counter.lua:11: not now"),
        ("return print", "hotfix.save: "),
        ("skynet.sleep(1)", "hotfix.save: "),
    ] {
        let broken = COUNTER.replace("return count, { deep = { \"x\" } }", save);
        let (_project, node) = counters(1, &broken);
        node.ask(".c1", "\"add\",5");
        let said = not_restarted(&node);
        assert!(said.contains(why), "{said}");
        assert_eq!(text(&node, ".c1"), "old 1 5");
    }
}

#[test]
fn a_start_may_wait_and_requests_wait_for_it() {
    let slow = COUNTER.replace("\"old \"", "\"new \"").replace(
        "    skynet.timeout(1, tick)\n",
        "    skynet.sleep(50) assert(skynet.call(\".main\", \"lua\"))\n",
    );
    let (project, node) = counters(2, COUNTER);
    node.ask(".c1", "\"add\",5");
    project.write("services/counter.lua", &slow);
    let mut console = node.console();
    console.send("restart counter\n");
    let mut others: Vec<_> = (0..20).map(|_| node.console()).collect();
    for other in &mut others {
        other.send("call .c1 \"add\",1\n");
    }
    for other in &mut others {
        other.reply().succeeded();
    }
    let said = console.reply();
    assert!(said.lines[0].contains("restarted in place: "), "{said:?}");
    assert_eq!(text(&node, ".c1"), "new 1 25");
}

#[test]
fn callers_of_the_old_code_get_an_error_and_its_timers_are_silent() {
    let (project, mut node) = counters(2, COUNTER);
    let mut waiting = node.console();
    waiting.send("call .c1 \"slow\"\n");
    let mut through = node.console();
    through.send("call .c2 \"add\",1\n");
    through.reply().succeeded();
    node.wait_until("the slow call to be under way", |node| {
        node.console()
            .cmd("task .c1")
            .text()
            .contains("services/counter.lua:9: ")
    });
    project.write("services/counter.lua", COUNTER.replace("\"old \"", "\"new \""));
    let mark = node.mark();
    restarted(&node);
    let said = waiting.reply();
    assert!(!said.ok, "{said:?}");
    assert_eq!(text(&node, ".c2"), "new 2 1");
    node.stays_quiet(mark, "error");
}

#[test]
fn dropped_patches_come_again_unless_the_source_has_changed() {
    let (project, mut node) = counters(1, COUNTER);
    let mark = node.mark();
    project.drop_file(
        "counter",
        "x.lua",
        "function command.text() return \"patched \" .. count end",
    );
    node.wait_summary(mark, "counter/x.lua");
    node.ask(".c1", "\"add\",5");
    restarted(&node);
    assert_eq!(text(&node, ".c1"), "patched 5", "the source is the same");
    let mark = node.mark();
    project.write("services/counter.lua", COUNTER.replace("\"old \"", "\"new \""));
    restarted(&node);
    node.wait_line_since(mark, "retired");
    assert_eq!(text(&node, ".c1"), "new 1 5");
    let mark = node.mark();
    project.drop_file(
        "counter",
        "y.lua",
        "function command.text() return \"again \" .. count end",
    );
    node.wait_summary(mark, "counter/y.lua");
    assert_eq!(text(&node, ".c1"), "again 5");
    node.console().cmd("rollback counter").succeeded();
    assert_eq!(text(&node, ".c1"), "new 1 5");
}

#[test]
fn a_patched_save_function_is_the_one_that_saves() {
    let (project, mut node) = counters(1, COUNTER);
    node.ask(".c1", "\"add\",5");
    let mark = node.mark();
    let changed = COUNTER.replace("return count, {", "return count * 10, {");
    project.drop_file("counter", "whole.lua", changed.as_bytes());
    let said = node.wait_summary(mark, "counter/whole.lua");
    assert!(said.starts_with("applied"), "{said}");
    restarted(&node);
    assert_eq!(text(&node, ".c1"), "old 1 50");
}

#[test]
fn what_makes_no_sense_is_refused_and_the_books_tell_of_the_rest() {
    let (project, node) = counters(1, COUNTER);
    let mut console = node.console();
    assert!(console.cmd("restart").failed().starts_with("Need a service"));
    assert_eq!(
        console.cmd("restart nothere").failed(),
        "no instance of nothere is running"
    );
    console.cmd("restart counter").succeeded();
    console.cmd("restart counter").succeeded();
    let journal = project.journal();
    let restarts = journal
        .iter()
        .filter(|line| line["event"] == "restarted" && line["service"] == "counter");
    assert_eq!(restarts.count(), 2);
    // Two at once come one after the other.
    let mut two = [node.console(), node.console()];
    two.iter_mut().for_each(|console| console.send("restart counter\n"));
    two.iter_mut().for_each(|console| drop(console.reply().succeeded()));
    assert_eq!(text(&node, ".c1"), "old 1 0");
    // A service that was killed while it began anew.
    console.cmd("kill .c1").succeeded();
    assert_eq!(
        console.cmd("restart counter").failed(),
        "no instance of counter is running"
    );
}
