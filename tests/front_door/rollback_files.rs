//! Files of patches that were rolled back: saved anew they are new patches, left where they are they are nothing.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::harness::svc::{GREETING, apply_well, greet, running};
use crate::harness::{Mark, Node, Project, QUIET};

/// Longer than the watcher's sweep may take to come round.
const AFTER_A_SWEEP: Duration = Duration::from_secs(4);

/// A project that keeps its files, with `svc` patched and rolled back.
fn kept_and_rolled_back() -> (Project, Node) {
    let project = Project::with_svc().set("hotfix", "after_apply", "\"keep\"");
    let mut node = project.start();
    node.wait_line("ready");
    apply_well(&project, &mut node, GREETING);
    node.console().cmd("rollback svc").succeeded();
    assert!(project.is_waiting("svc", "x.lua"));
    (project, node)
}

#[test]
fn a_kept_file_is_not_applied_again_until_it_is_saved_anew() {
    let (project, mut node) = kept_and_rolled_back();
    thread::sleep(AFTER_A_SWEEP);
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(node.summaries("svc/x.lua").len(), 1);
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn nor_does_a_restart_apply_it() {
    let (project, mut node) = kept_and_rolled_back();
    node.kill9();
    let mut node = project.start();
    node.wait_line("hotfix/svc/x.lua stays where it is: its patch was rolled back");
    thread::sleep(QUIET);
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(node.summaries("svc/x.lua"), Vec::<String>::new());
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn one_that_was_saved_while_the_node_was_down_is_applied() {
    let (project, mut node) = kept_and_rolled_back();
    node.kill9();
    thread::sleep(Duration::from_millis(50));
    project.drop_file("svc", "x.lua", GREETING);
    let mut node = project.start();
    let summary = node.wait_summary(Mark::START, "svc/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn a_moved_file_is_a_new_drop_however_old_it_is() {
    let (project, mut node) = running();
    let old = project.write("x.lua", GREETING);
    let copy = project.write("copy.lua", GREETING);
    fs::rename(&old, project.drop_file("svc", "x.lua", "")).expect("the first drop");
    let first = node.wait_summary(Mark::START, "svc/x.lua");
    assert!(first.starts_with("applied to 1 of 1 instance: "), "{first}");
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
    node.console().cmd("rollback svc").succeeded();
    let mark = node.mark();
    fs::rename(&copy, project.path("hotfix/svc/x.lua")).expect("the second drop");
    let second = node.wait_summary(mark, "svc/x.lua");
    assert!(second.starts_with("applied to 1 of 1 instance: "), "{second}");
    assert_eq!(greet(&node), "<good day you>");
}
