//! Services that never return: they keep a thread, nobody else's.

use std::time::{Duration, Instant};

use crate::harness::svc::{GREETING, SVC, apply, apply_well, greet, running};
use crate::harness::{Node, Project};

const MAIN: &str = r#"
local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	skynet.name(".svc", skynet.newservice("svc"))
	for _ = 1, 4 do
		skynet.newservice("loop")
	end
	print "ready"
end)
"#;

const LOOP: &str = r#"
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function() while true do end end)
	skynet.timeout(1, function()
		print "looping"
		while true do end
	end)
end)
"#;

#[test]
fn services_that_never_return_keep_neither_patches_nor_messages_from_others() {
    let project = Project::empty()
        .set("node", "threads", "2")
        .service("main", MAIN)
        .service("svc", SVC)
        .service("loop", LOOP);
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_until("all four to loop", |node| node.count(|line| line == "looping") == 4);
    assert_eq!(greet(&node), "<hello you>");
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
    node.wait_line("maybe in an endless loop");
    assert_eq!(node.stop(), 0, "a node with stuck services stops in order");
}

/// A project with `.svc`, and a second instance of `svc` that loops from its first message on.
fn one_of_two_loops(project: Project) -> (Project, Node) {
    let looping = SVC.replace(
        "local command = {}",
        "local command = { loop = function() while true do end end }",
    );
    let project = project.service("svc", &looping).service(
        "main",
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            skynet.name(".svc", skynet.newservice "svc")
            skynet.send(skynet.newservice "svc", "lua", "loop")
            print "ready"
        end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

#[test]
fn a_stuck_instance_is_told_within_two_seconds_and_the_others_go_on() {
    let (project, mut node) = one_of_two_loops(Project::empty().set("node", "threads", "2"));
    let began = Instant::now();
    let summary = apply(&project, &mut node, GREETING);
    assert!(summary.starts_with("applied to 1 of 2 instances: "), "{summary}");
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    node.wait_line("timed out: it has been busy for 2 s; the patch is pending there");
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn a_rollback_does_not_wait_for_a_stuck_instance_either() {
    let (project, mut node) = one_of_two_loops(Project::empty().set("node", "threads", "2"));
    apply(&project, &mut node, GREETING);
    let began = Instant::now();
    let said = node.console().cmd("rollback svc").failed();
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    assert!(said.contains("rolled back in 1 of 2 instances: "), "{said}");
    assert!(said.contains("the rollback is pending there"), "{said}");
    assert_eq!(greet(&node), "<hello you>");
}

#[test]
fn a_patch_that_may_take_its_time_is_not_stuck() {
    let project = Project::with_svc().set("hotfix", "time_limit", "\"30s\"");
    let mut node = project.start();
    node.wait_line("ready");
    let patch = format!("local till = os.time() + 4\nwhile os.time() < till do end\n{GREETING}");
    apply_well(&project, &mut node, patch);
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn a_patch_in_one_long_c_call_is_told_as_stuck_there() {
    let (project, mut node) = running();
    let patch = "string.find(string.rep(\"a\", 60), string.rep(\"a*\", 30) .. \"b\")\n";
    let began = Instant::now();
    let summary = apply(&project, &mut node, patch);
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    assert!(
        summary.starts_with("timed out: it is stuck inside the patch"),
        "{summary}"
    );
    assert!(summary.contains("it cannot be interrupted there"), "{summary}");
}

#[test]
fn a_busy_instance_gets_its_patch_late_and_the_books_say_so() {
    let busy = SVC.replace(
        "local command = {}",
        "local command = { busy = function() local till = os.time() + 5 while os.time() < till do end end }",
    );
    let project = Project::with_svc().service("svc", &busy).service(
        "main",
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            skynet.name(".svc", skynet.newservice "svc")
            skynet.send(".svc", "lua", "busy")
            print "ready"
        end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    let summary = apply(&project, &mut node, GREETING);
    assert!(
        summary.starts_with("timed out: it has been busy for 2 s; the patch is pending there"),
        "{summary}"
    );
    assert!(project.is_waiting("svc", "x.lua"));
    node.wait_line("[hotfix] svc/x.lua late in :");
    assert_eq!(greet(&node), "<good day you>");
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
    assert_eq!(node.ask(".svc", "\"spawn\",\"svc\""), "<good day child>");
    node.kill9();
    let mut node = project.start();
    node.wait_line("replayed to the new instance");
}

#[test]
fn a_long_c_call_that_ends_after_the_time_limit_is_undone() {
    let project = Project::with_svc().set("hotfix", "time_limit", "\"10ms\"");
    let mut node = project.start();
    node.wait_line("ready");
    let patch = format!(
        "{GREETING}\nstring.find(string.rep(\"a\", 19), string.rep(\"a?\", 19) .. string.rep(\"a\", 19) .. \"b\")\n"
    );
    let summary = apply(&project, &mut node, &patch);
    assert!(summary.starts_with("failed and undone: "), "{summary}");
    assert!(
        summary.contains("it ran longer than hotfix.time_limit (10ms)"),
        "{summary}"
    );
    assert_eq!(greet(&node), "<hello you>");
}

/// Sends one message, then goes on for as long as there is no file `go`.
const BUSY: &str = r#"
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, to)
		skynet.send(to, "lua")
		local file
		repeat file = io.open "go" until file
		file:close()
		print "went"
	end)
end)
"#;

#[test]
fn whoever_a_busy_service_has_sent_something_does_not_wait_for_it() {
    for threads in ["1", "2"] {
        let project = Project::empty()
            .set("node", "threads", threads)
            .service("busy", BUSY)
            .service(
                "told",
                r#"
                local skynet = require "skynet"
                skynet.start(function() skynet.dispatch("lua", function() print "told" end) end)
                "#,
            )
            .service(
                "main",
                r#"
                local skynet = require "skynet"
                skynet.start(function() skynet.send(skynet.newservice "busy", "lua", skynet.newservice "told") end)
                "#,
            );
        let mut node = project.start();
        node.wait_line("told");
        project.write("go", "");
        node.wait_line("went");
        assert_eq!(node.stop(), 0);
    }
}

#[test]
fn two_that_keep_each_other_busy_leave_others_their_turn() {
    let project = Project::empty()
        .set("node", "threads", "1")
        .service(
            "echo",
            r#"
            local skynet = require "skynet"
            skynet.start(function() skynet.dispatch("lua", function(...) skynet.retpack(...) end) end)
            "#,
        )
        .service(
            "main",
            r#"
            local skynet = require "skynet"
            require "skynet.manager"
            skynet.start(function()
                local busy, idle = skynet.newservice "echo", skynet.newservice "echo"
                skynet.name(".idle", idle)
                skynet.fork(function() while true do skynet.call(busy, "lua") end end)
                print "ready"
            end)
            "#,
        );
    let mut node = project.start();
    node.wait_line("ready");
    for _ in 0..20 {
        node.ask(".idle", "\"answers\"");
    }
    assert_eq!(node.stop(), 0);
}
