//! Instances that start while something else happens: what runs in them is what runs in their peers.

use crate::harness::svc::{GREETING, SVC, running};
use crate::harness::{Mark, Node, Project, hotlua};

/// `svc`, whose start function does something first.
fn starting_with(first: &str) -> String {
    let with = SVC.replace("skynet.start(function()", &format!("skynet.start(function()\n{first}"));
    format!("local late = ...\n{with}")
}

const BUSY: &str = "skynet.yield() local till = os.clock() + 0.1 while os.clock() < till do end";

/// Keeps an instance busy until there is a file `go`.
const HOLD: &str = "repeat local file = io.open 'go' until file file:close() return 1";

/// Starts an instance by the console; its address.
fn start(node: &Node) -> String {
    let said = node.console().cmd("start svc").succeeded().join("\n");
    said.split(['\t', ' ', '\n']).next().unwrap_or_default().to_owned()
}

fn greet(node: &Node, address: &str) -> String {
    node.ask(address, "\"greet\",\"you\"")
}

#[test]
fn a_file_that_waited_for_its_first_instance_is_for_all_that_follow() {
    let project = Project::empty()
        .service("main", "require('skynet').start(function() print 'ready' end)\n")
        .service("svc", &starting_with(BUSY));
    let mut node = project.start();
    node.wait_line("ready");
    project.drop_file("svc", "x.lua", GREETING);
    node.wait_line("waiting: no instance of svc is running");
    let first = start(&node);
    node.wait_until("the file to be archived", |_| !project.is_waiting("svc", "x.lua"));
    let second = start(&node);
    for address in [&first, &second] {
        assert_eq!(greet(&node, address), "<good day you>", "{address}");
    }
}

#[test]
fn a_rollback_during_a_start_takes_nothing_else_from_it() {
    let project = Project::with_svc().service("svc", &starting_with("if late then skynet.sleep(100) end"));
    let mut node = project.start();
    node.wait_line("ready");
    for (name, text) in [
        ("x.lua", "function command.greet() return 'one' end\n"),
        ("y.lua", "function command.label() return 'two' end\n"),
        ("x.lua", "function command.greet() return 'three' end\n"),
    ] {
        let mark = node.mark();
        project.drop_file("svc", name, text);
        node.wait_summary(mark, &format!("svc/{name}"));
        node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", name));
    }
    let young = std::thread::scope(|scope| {
        let mut console = node.console();
        let starting = scope.spawn(move || console.cmd("start svc late").succeeded().join("\n"));
        let is_there = |node: &Node| {
            node.console()
                .cmd("list")
                .succeeded()
                .iter()
                .any(|row| row.contains("svc late"))
        };
        while !is_there(&node) {}
        node.console().cmd("rollback svc").succeeded();
        let said = starting.join().expect("it starts");
        said.split(['\t', ' ', '\n']).next().unwrap_or_default().to_owned()
    });
    for address in [".svc", &young] {
        assert_eq!(greet(&node, address), "one", "{address}");
        assert_eq!(node.ask(address, "\"label\""), "two", "{address}");
    }
}

#[test]
fn a_patch_that_is_decided_late_reaches_whoever_has_started_meanwhile() {
    let (project, mut node) = running();
    let mut busy = node.console();
    busy.send(format!("call .svc \"eval\",\"{HOLD}\"\n"));
    node.wait_until("the instance to be busy", |node| {
        let rows = node.console().cmd("stat").text();
        !rows.is_empty()
    });
    project.drop_file("svc", "x.lua", GREETING);
    let summary = node.wait_summary(Mark::START, "svc/x.lua");
    assert!(summary.starts_with("timed out: "), "{summary}");
    let young = start(&node);
    assert_eq!(greet(&node, &young), "<hello you>");
    let mark = node.mark();
    project.write("go", "");
    node.wait_line_since(mark, "applied to the new instance");
    for address in [".svc", &young] {
        assert_eq!(greet(&node, address), "<good day you>", "{address}");
    }
}

#[test]
fn a_patch_that_is_pending_in_an_instance_that_is_killed_is_for_the_next() {
    let (project, mut node) = running();
    let mut busy = node.console();
    busy.send("call .svc \"eval\",\"while true do end\"\n");
    project.drop_file("svc", "x.lua", GREETING);
    let summary = node.wait_summary(Mark::START, "svc/x.lua");
    assert!(summary.starts_with("timed out: "), "{summary}");
    node.console().cmd("kill .svc").succeeded();
    node.wait_line("svc/x.lua waiting: no instance of svc is running");
    let young = start(&node);
    node.wait_until("the patch to be live", |node| greet(node, &young) == "<good day you>");
}

#[test]
fn who_was_late_is_not_behind() {
    let (project, mut node) = running();
    let young = start(&node);
    let mut busy = node.console();
    busy.send(format!("call {young} \"eval\",\"{HOLD}\"\n"));
    project.drop_file("svc", "x.lua", GREETING);
    let summary = node.wait_summary(Mark::START, "svc/x.lua");
    assert!(summary.starts_with("applied to 1 of 2 instances"), "{summary}");
    let is_behind = |_: &Node| hotlua(&project, &["list"]).stdout.contains("behind");
    assert!(is_behind(&node));
    let mark = node.mark();
    project.write("go", "");
    node.wait_line_since(mark, "late in");
    node.wait_until("nobody to be behind", |node| !is_behind(node));
    assert_eq!(greet(&node, &young), "<good day you>");
}
