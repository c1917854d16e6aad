//! The console's `check`: what a patch would do to the services that run, without a trace of it afterwards.

use std::thread;

use crate::harness::svc::{GREETING, SVC, apply_well, greet, running};
use crate::harness::{Node, Project, QUIET};

/// What `check ARGUMENTS` answers, which must be an OK.
#[track_caller]
fn checked(node: &Node, arguments: &str) -> Vec<String> {
    node.console().cmd(&format!("check {arguments}")).succeeded()
}

/// What `check ARGUMENTS` answers, which must be an Error.
#[track_caller]
fn refused(node: &Node, arguments: &str) -> String {
    node.console().cmd(&format!("check {arguments}")).failed()
}

#[test]
fn a_good_patch_is_told_with_its_diff_and_not_applied() {
    let (project, node) = running();
    project.write("p.lua", GREETING);
    for address in ["svc", ".svc"] {
        let lines = checked(&node, &format!("{address} p.lua"));
        assert!(
            lines[0].starts_with("[check] svc/p.lua would be applied to 1 of 1 instance: 1 function"),
            "{lines:?}"
        );
        for line in [
            "-\treturn decorate(\"hello \" .. name)",
            &format!("+{}", GREETING.trim_end()),
        ] {
            assert!(lines.iter().any(|l| l == line), "{line:?} is not in {lines:?}");
        }
        assert_eq!(greet(&node), "<hello you>");
    }
}

#[test]
fn nothing_of_the_patch_is_executed() {
    let (project, mut node) = running();
    project.write(
        "p.lua",
        "print \"I ran\"\ntotal = total + 1\nnews = 1\nseen[#seen + 1] = \"ran\"\nfunction command.added() return 1 end\n",
    );
    let mark = node.mark();
    let lines = node.console().cmd("check svc p.lua").lines;
    assert!(!lines.iter().any(|line| line == "I ran"), "{lines:?}");
    node.stays_quiet(mark, "I ran");
    assert_eq!(node.ask(".svc", "\"add\",0"), "0");
    assert_eq!(node.ask(".svc", "\"seen\""), "");
    assert_eq!(node.ask(".svc", "\"eval\",\"return news\""), "nil");
    assert_eq!(node.ask(".svc", "\"has\",\"added\""), "false");
}

#[test]
fn an_endless_loop_is_not_run_either() {
    let (project, node) = running();
    project.write("p.lua", format!("{GREETING}while true do end\n"));
    let lines = node.console().cmd("check svc p.lua").lines;
    assert!(lines[0].starts_with("[check] svc/p.lua would "), "{lines:?}");
    assert_eq!(greet(&node), "<hello you>");
}

#[test]
fn what_would_be_rejected_is_an_error_with_its_line() {
    let (project, node) = running();
    project.write("p.lua", format!("{GREETING}x = = 1\n"));
    let said = refused(&node, "svc p.lua");
    assert!(said.starts_with("[check] svc/p.lua would be rejected: "), "{said}");
    assert!(said.contains("p.lua:2: "), "{said}");
    project.write("compiled.lua", b"\x1bLua\0\0");
    let said = refused(&node, "svc compiled.lua");
    assert!(
        said.starts_with("[check] svc/compiled.lua would be rejected: "),
        "{said}"
    );
}

#[test]
fn wrong_requests_are_those_of_inject() {
    let (project, node) = running();
    project.write("p.lua", GREETING);
    for (arguments, said) in [
        ("svc missing.lua", "missing.lua"),
        ("nosuchservice p.lua", "nosuchservice"),
        (".nobody p.lua", "nobody"),
        (":00000999 p.lua", "999"),
        ("svc services", "services"),
        ("svc", "Usage: check "),
        ("", "Usage: check "),
    ] {
        let reply = refused(&node, arguments);
        assert!(reply.contains(said), "{arguments}: {reply}");
    }
}

#[test]
fn nothing_is_written_down() {
    let (project, mut node) = running();
    project.write("p.lua", GREETING);
    project.write("bad.lua", "x = = 1\n");
    let mark = node.mark();
    for file in ["p.lua", "bad.lua"] {
        // Which of the two it is does not matter here.
        let _ = node.console().cmd(&format!("check svc {file}"));
    }
    node.stays_quiet(mark, "[hotfix]");
    assert_eq!(node.console().cmd("history").succeeded(), Vec::<String>::new());
    assert_eq!(project.journal().len(), 0);
    assert_eq!(project.archived("svc"), Vec::<String>::new());
    assert!(project.path("p.lua").exists());
    // The next patch is the first one.
    let summary = apply_well(&project, &mut node, GREETING);
    assert!(summary.contains("(patch 1, "), "{summary}");
}

#[test]
fn bytes_that_are_live_would_be_unchanged() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    project.write("x.lua", GREETING);
    let said = node.console().cmd("check svc x.lua").text();
    assert!(said.starts_with("[check] svc/x.lua would be unchanged: "), "{said}");
}

#[test]
fn a_new_version_is_compared_with_what_runs() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    project.write("x.lua", GREETING.replace("day", "night"));
    let lines = checked(&node, "svc x.lua");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with('-') && line.contains("good day")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with('+') && line.contains("good night")),
        "{lines:?}"
    );
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn every_instance_is_asked() {
    let project = Project::empty().service("svc", SVC).service(
        "main",
        r#"
        local skynet = require "skynet"
        skynet.start(function()
            for _ = 1, 3 do skynet.newservice "svc" end
            print "ready"
        end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    project.write("p.lua", GREETING);
    let lines = checked(&node, "svc p.lua");
    assert!(
        lines[0].starts_with("[check] svc/p.lua would be applied to 3 of 3 instances: 1 function"),
        "{lines:?}"
    );
}

#[test]
fn it_waits_for_its_turn_and_leaves_the_service_free() {
    let (project, node) = running();
    project.write("p.lua", GREETING);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    checked(&node, "svc p.lua");
                }
            });
        }
    });
    thread::sleep(QUIET / 10);
    assert_eq!(greet(&node), "<hello you>");
    node.console().cmd("inject svc p.lua").succeeded();
    assert_eq!(greet(&node), "<good day you>");
}
