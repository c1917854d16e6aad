//! The console's `restart`, and what comes while the new code starts: messages, answers, timers, other orders, the end of the node.

use serde_json::Value;

use crate::harness::{Console, Node, Project, hotlua};

/// Starts `counter` (as `.c`) and `peer` (as `.peer`).
const MAIN: &str = r#"
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
    skynet.name(".peer", skynet.newservice "peer")
    skynet.name(".c", skynet.newservice "counter")
    print "ready"
end)"#;

/// Answers when it is let go.
const PEER: &str = r#"
local skynet = require "skynet"
local waiting = {}
local command = {}
function command.hold(from) waiting[#waiting + 1] = { skynet.response(), from } end
function command.held() skynet.retpack(#waiting) end
function command.flood(text)
    local sent = 0
    while sent < 1000 and pcall(skynet.send, ".c", "lua", "note", text) do sent = sent + 1 skynet.yield() end
    skynet.retpack(sent)
end
function command.release()
    for _, entry in ipairs(waiting) do
        -- A message and then the answer: whoever gets both gets them in this order.
        pcall(skynet.send, entry[2], "lua", "note", "message")
        entry[1](true, "answer")
    end
    waiting = {}
    skynet.retpack()
end
skynet.start(function()
    skynet.dispatch("lua", function(_, _, name, ...) command[name](...) end)
end)"#;

/// Counts, hands its count over, and can wait for `.peer`. `START` is replaced in what it is restarted with.
const COUNTER: &str = r#"
local skynet = require "skynet"
local hotfix = require "hotfix"
local count, notes = 0, {}
local command = {}
function command.add(n) count = count + n return count end
function command.count() return "old " .. count end
function command.note(text) notes[#notes + 1] = text end
function command.notes() return table.concat(notes, " ") end
function command.ask() command.note(skynet.call(".peer", "lua", "hold", skynet.self())) return "asked" end
function command.spin() print "spins" while not io.open "go" do end return "spun" end
function command.leave() skynet.exit() end
hotfix.save(function() return count end)
hotfix.restore(function(saved) count = saved end)
skynet.on_stop(function() print("stopped with " .. command.count()) end)
skynet.start(function()
    skynet.dispatch("lua", function(session, _, name, ...)
        if session == 0 then command[name](...) else skynet.retpack(command[name](...)) end
    end)
    -- START
end)
"#;

/// A start that waits until `.peer` lets it go.
const WAITS: &str = "skynet.call(\".peer\", \"lua\", \"hold\", skynet.self())";

fn project() -> Project {
    Project::empty()
        .service("main", MAIN)
        .service("peer", PEER)
        .service("counter", COUNTER)
}

fn running(project: &Project) -> Node {
    let mut node = project.start();
    node.wait_line("ready");
    node
}

/// Saves the service with other code, `start` in its start function.
fn save(project: &Project, start: &str) {
    let text = COUNTER.replace("\"old \"", "\"new \"").replace("-- START", start);
    project.write("services/counter.lua", text);
}

/// Asks for a restart whose start waits until `.peer` is asked to release it.
fn begin(node: &mut Node) -> Console {
    let mut console = node.console();
    console.send("restart counter\n");
    node.wait_until("the new code to wait for the peer", |node| {
        node.ask(".peer", "\"held\"") == "1"
    });
    console
}

fn release(node: &Node) {
    node.console().cmd("call .peer \"release\"").succeeded();
}

fn count(node: &Node) -> String {
    node.ask(".c", "\"count\"")
}

/// Clients that each ask `.c` to add 1, and wait.
fn adders(node: &Node, number: usize) -> Vec<Console> {
    let ask = |_| {
        let mut console = node.console();
        console.send("call .c \"add\",1\n");
        console
    };
    (0..number).map(ask).collect()
}

#[test]
fn requests_wait_for_the_state_even_if_the_new_code_takes_them_already() {
    let project = project();
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    save(&project, WAITS);
    let mut restarting = begin(&mut node);
    let mut adders = adders(&node, 20);
    release(&node);
    for adder in &mut adders {
        adder.reply().succeeded();
    }
    let said = restarting.reply().succeeded().join("\n");
    assert!(said.contains("1 of 1 instance, with state"), "{said}");
    assert_eq!(count(&node), "new 25");
}

#[test]
fn requests_that_came_before_a_start_failed_are_answered_by_the_old_code() {
    let project = project();
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    save(&project, &format!("{WAITS} error \"no start\""));
    let mut restarting = begin(&mut node);
    let mut adders = adders(&node, 20);
    release(&node);
    for adder in &mut adders {
        adder.reply().succeeded();
    }
    let said = restarting.reply().failed();
    assert!(said.contains("no start"), "{said}");
    assert_eq!(count(&node), "old 25");
}

#[test]
fn what_the_old_code_waits_for_comes_to_it_if_it_goes_on_and_to_nobody_if_not() {
    for (start, said, counted, notes) in [
        ("error \"no start\"", "runs on as before", "old 5", "message answer"),
        ("", "restarted in place", "new 5", "message"),
    ] {
        let project = project();
        let mut node = running(&project);
        node.ask(".c", "\"add\",5");
        let mut asking = node.console();
        asking.send("call .c \"ask\"\n");
        node.wait_until("the old code to wait for the peer", |node| {
            node.ask(".peer", "\"held\"") == "1"
        });
        // The new code waits for a timer: the answer to the old code comes meanwhile.
        save(
            &project,
            &format!("print \"starts\" while not io.open \"go\" do skynet.sleep(1) end {start}"),
        );
        let mark = node.mark();
        let mut restarting = node.console();
        restarting.send("restart counter\n");
        node.wait_line_since(mark, "starts");
        release(&node);
        project.write("go", "");
        let reply = restarting.reply().text();
        assert!(reply.contains(said), "{reply}");
        let asked = asking.reply();
        assert_eq!(asked.ok, !start.is_empty(), "{asked:?}");
        assert_eq!(count(&node), counted);
        assert_eq!(node.ask(".c", "\"notes\""), notes);
        assert_eq!(
            node.count(|line| line.contains("Unknown session")),
            0,
            "{:?}",
            node.lines()
        );
    }
}

#[test]
fn timers_forks_and_calls_of_the_old_code_to_itself_end_with_it() {
    let loops = r#"
        local function tick() print "old tick" skynet.timeout(1, tick) end
        skynet.timeout(1, tick)
        skynet.fork(function() while true do print "old fork" skynet.sleep(1) end end)"#;
    let text = COUNTER.replace("-- START", loops).replace(
        "function command.leave()",
        "function command.itself() return skynet.call(skynet.self(), \"lua\", \"ask\") end\nfunction command.leave()",
    );
    let project = project().service("counter", &text);
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    let mut asking = node.console();
    asking.send("call .c \"itself\"\n");
    node.wait_until("the call of a call to be under way", |node| {
        node.ask(".peer", "\"held\"") == "1"
    });
    project.write(
        "services/counter.lua",
        text.replace("old tick", "new tick").replace("old fork", "new fork"),
    );
    node.console().cmd("restart counter").succeeded();
    assert!(!asking.reply().ok);
    release(&node);
    let mark = node.mark();
    for _ in 0..2 {
        node.wait_line_since(mark, "new tick");
        node.wait_line_since(mark, "new fork");
    }
    assert_eq!(count(&node), "old 5");
    let since = node.lines_since(mark).join("\n");
    assert!(!since.contains("old tick") && !since.contains("old fork"), "{since}");
    assert!(!since.contains("Unknown session"), "{since}");
}

#[test]
fn a_start_may_call_its_own_service_and_be_called_by_what_it_starts() {
    let child = r#"
        local skynet = require "skynet"
        skynet.start(function() print("child hears " .. skynet.call(".c", "lua", "count")) end)"#;
    let project = project().service("child", child);
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    save(
        &project,
        "print(\"own \" .. skynet.call(skynet.self(), \"lua\", \"count\")) skynet.newservice \"child\"",
    );
    node.console().cmd("restart counter").succeeded();
    // They are part of the start, so there is no state yet.
    node.wait_line("own new 0");
    node.wait_line("child hears new 0");
    assert_eq!(count(&node), "new 5");
}

#[test]
fn what_a_failed_start_has_launched_ends_with_it() {
    let child = "local skynet = require \"skynet\" skynet.start(function() end)";
    let project = project().service("child", child);
    let node = running(&project);
    let before = node.console().cmd("list").text();
    save(&project, "skynet.newservice \"child\" error \"no start\"");
    let said = node.console().cmd("restart counter").failed();
    assert!(said.contains("no start"), "{said}");
    assert_eq!(node.console().cmd("list").text(), before);
    save(&project, "skynet.newservice \"child\"");
    node.console().cmd("restart counter").succeeded();
    assert!(node.console().cmd("list").text().contains("snlua child"));
}

#[test]
fn a_start_that_never_returns_is_told_and_the_old_code_goes_on() {
    for (start, place) in [
        ("skynet.wait()", "services/counter.lua:20: in"),
        ("while true do end", "services/counter.lua:20: in"),
        (
            "while true do pcall(function() while true do end end) end",
            "services/counter.lua:20: in",
        ),
        (
            "table.sort({ 1, 2, 3 }, function() while true do end end)",
            "services/counter.lua:20: in",
        ),
        (
            "coroutine.wrap(function() while true do end end)()",
            "services/counter.lua:20: in",
        ),
    ] {
        let project = project().set("hotfix", "restart_limit", "\"300ms\"");
        let node = running(&project);
        node.ask(".c", "\"add\",5");
        save(&project, start);
        let said = node.console().cmd("restart counter").failed();
        assert!(
            said.contains("its start function has not returned within 300ms"),
            "{start}: {said}"
        );
        assert!(said.contains(place), "{start}: {said}");
        assert_eq!(count(&node), "old 5", "{start}");
    }
}

#[test]
fn a_save_that_never_returns_is_told_and_the_code_goes_on() {
    let project = project().set("hotfix", "restart_limit", "\"300ms\"").service(
        "counter",
        &COUNTER.replace(
            "return count end)\nhotfix.restore",
            "while true do pcall(print) end end)\nhotfix.restore",
        ),
    );
    let node = running(&project);
    node.ask(".c", "\"add\",5");
    let said = node.console().cmd("restart counter").failed();
    assert!(
        said.contains("hotfix.save: ") && said.contains("hotfix.restart_limit"),
        "{said}"
    );
    assert_eq!(count(&node), "old 5");
}

#[test]
fn the_node_stops_the_old_code_while_the_new_one_starts() {
    let project = project();
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    save(&project, WAITS);
    let _restarting = begin(&mut node);
    assert_eq!(node.stop(), 0);
    assert_eq!(node.count(|line| line == "stopped with old 5"), 1, "{:?}", node.lines());
    assert_eq!(node.count(|line| line.contains("stopped with new")), 0);
}

#[test]
fn whoever_waits_for_a_service_that_ends_right_after_its_restart_is_told() {
    let project = project();
    let mut node = running(&project);
    save(&project, WAITS);
    let mut restarting = begin(&mut node);
    let mut leaving = node.console();
    leaving.send("call .c \"leave\"\n");
    // Some of them come before that, and are answered; nobody waits for ever.
    let mut adders = adders(&node, 20);
    release(&node);
    restarting.reply().succeeded();
    assert!(!leaving.reply().ok);
    for adder in &mut adders {
        let said = adder.reply();
        assert!(!said.ok || said.lines[0].starts_with("1\t"), "{said:?}");
    }
}

#[test]
fn callers_are_told_if_the_service_is_killed_while_it_starts() {
    let project = project();
    let mut node = running(&project);
    save(&project, WAITS);
    let mut restarting = begin(&mut node);
    let mut adders = adders(&node, 3);
    node.console().cmd("kill .c").succeeded();
    for adder in &mut adders {
        assert!(!adder.reply().ok);
    }
    let said = restarting.reply().failed();
    assert!(
        said.contains("it ended before it had answered") && !said.contains("runs on"),
        "{said}"
    );
}

#[test]
fn orders_that_came_while_a_service_was_busy_are_carried_out_in_their_order() {
    let project = project();
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    let mut spinning = node.console();
    spinning.send("call .c \"spin\"\n");
    node.wait_line("spins");
    save(&project, "skynet.sleep(1)");
    for _ in 0..2 {
        let said = node.console().cmd("restart counter").failed();
        assert!(said.contains("not restarted yet: it has been busy for 2 s"), "{said}");
    }
    project.drop_file(
        "counter",
        "x.lua",
        "function command.count() return \"patched \" .. count end",
    );
    node.wait_summary(crate::harness::Mark::START, "counter/x.lua");
    let mark = node.mark();
    project.write("go", "");
    node.wait_line_since(mark, "[hotfix] counter late in ");
    node.wait_line_since(mark, "counter/x.lua late in ");
    assert_eq!(count(&node), "patched 5");
    spinning.reply();
}

#[test]
fn a_save_function_that_comes_with_a_saved_file_is_the_one_that_saves() {
    let without = COUNTER.replace("hotfix.save(function() return count end)\n", "");
    let project = project().service("counter", &without);
    let mut node = running(&project);
    node.ask(".c", "\"add\",5");
    let mark = node.mark();
    project.drop_file("counter", "whole.lua", COUNTER);
    let said = node.wait_summary(mark, "counter/whole.lua");
    assert!(said.starts_with("applied"), "{said}");
    assert!(
        !node.lines_since(mark).join("\n").contains("needs a restart"),
        "{:?}",
        node.lines()
    );
    node.console().cmd("rollback counter").succeeded();
    let said = node.console().cmd("restart counter").succeeded().join("\n");
    assert!(said.contains("provides no hotfix.save"), "{said}");
    node.ask(".c", "\"add\",5");
    let mark = node.mark();
    project.drop_file("counter", "whole.lua", format!("{COUNTER}\n"));
    let said = node.wait_summary(mark, "counter/whole.lua");
    assert!(said.starts_with("applied"), "{said}");
    let said = node.console().cmd("restart counter").succeeded().join("\n");
    assert!(said.contains("with state"), "{said}");
    assert_eq!(count(&node), "old 5");
}

#[test]
fn what_waits_for_the_new_code_counts_as_what_waits() {
    let project = project().set("node", "mailbox_limit", "\"100 KiB\"");
    let mut node = running(&project);
    save(&project, WAITS);
    let mut restarting = begin(&mut node);
    let sent = node.ask(".peer", &format!("\"flood\",\"{}\"", "x".repeat(1000)));
    let sent: usize = sent.parse().expect("a number");
    assert!((90..=110).contains(&sent), "{sent}");
    release(&node);
    restarting.reply().succeeded();
    node.wait_until("everything to be handled", |node| {
        node.ask(".c", "\"notes\"").len() > sent * 1000
    });
    let listed: Value = serde_json::from_str(&hotlua(&project, &["list", "--json"]).stdout).expect("a document");
    let rows = listed["instances"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["queue"] == 0), "{listed}");
}
