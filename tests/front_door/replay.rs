//! A restart of the node: what was active is applied again, in its order, and nothing else is.

use std::thread;
use std::time::Duration;

use crate::harness::svc::{GREETING, apply, apply_well, greet, running};
use crate::harness::{Mark, Node, Project, QUIET};

/// Starts the node again, after the way it ended.
fn restart(project: &Project, arguments: &[&str]) -> Node {
    let mut node = project.start_with(arguments);
    node.wait_line("ready");
    node
}

/// Waits until the letterbox of `svc` is empty, so that what was applied is archived.
fn settle(project: &Project, node: &mut Node, name: &str) {
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", name));
}

fn note(value: &str) -> String {
    format!("seen[#seen + 1] = \"{value}\"\n")
}

#[test]
fn after_a_clean_stop_too() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    assert_eq!(node.stop(), 0);
    assert_eq!(greet(&restart(&project, &[])), "<good day you>");
}

#[test]
fn no_replay_starts_from_the_source() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    settle(&project, &mut node, "x.lua");
    node.kill9();
    let mut node = restart(&project, &["--no-replay"]);
    assert_eq!(greet(&node), "<hello you>");
    node.kill9();
    // The flag is for one run.
    assert_eq!(greet(&restart(&project, &[])), "<good day you>");
}

#[test]
fn the_config_may_switch_it_off() {
    let project = Project::with_svc().set("hotfix", "replay", "false");
    let mut node = restart(&project, &[]);
    apply_well(&project, &mut node, GREETING);
    settle(&project, &mut node, "x.lua");
    node.kill9();
    assert_eq!(greet(&restart(&project, &[])), "<hello you>");
}

#[test]
fn the_newest_version_of_each_name_in_the_order_of_applying() {
    let (project, mut node) = running();
    for (name, value) in [("z", "z1"), ("a", "a1"), ("m", "m1"), ("z", "z2")] {
        let mark = node.mark();
        let name = format!("{name}.lua");
        project.drop_file("svc", &name, note(value));
        node.wait_summary(mark, &format!("svc/{name}"));
        settle(&project, &mut node, &name);
    }
    assert_eq!(node.ask(".svc", "\"seen\""), "z1 a1 m1 z2");
    node.kill9();
    assert_eq!(restart(&project, &[]).ask(".svc", "\"seen\""), "a1 m1 z2");
}

#[test]
fn what_failed_or_had_no_effect_or_was_for_one_handle_is_not_replayed() {
    let (project, mut node) = running();
    let rejected = apply(&project, &mut node, "x = = 1\n");
    assert!(rejected.starts_with("rejected: "), "{rejected}");
    let failed = apply(&project, &mut node, note("failed") + "error \"on purpose\"\n");
    assert!(failed.starts_with("failed and undone: "), "{failed}");
    let idle = apply(&project, &mut node, "local nothing = 1\n");
    assert!(idle.starts_with("had no effect: "), "{idle}");
    settle(&project, &mut node, "x.lua");
    project.write("one.lua", note("one handle"));
    node.console().cmd("inject .svc one.lua").succeeded();
    assert_eq!(node.ask(".svc", "\"seen\""), "one handle");
    node.kill9();

    let mut node = restart(&project, &[]);
    assert_eq!(node.ask(".svc", "\"seen\""), "");
    node.stays_quiet(Mark::START, "[hotfix] svc/");
}

#[test]
fn a_patch_whose_source_has_changed_since_is_retired() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    settle(&project, &mut node, "x.lua");
    assert_eq!(node.stop(), 0);
    let fixed = crate::harness::svc::SVC.replace("hello ", "fixed ");
    project.write("services/svc.lua", fixed);
    let mut node = restart(&project, &[]);
    assert_eq!(greet(&node), "<fixed you>");
    node.wait_line("svc/x.lua");
    node.wait_until("it in the journal", |_| {
        project.journal().iter().any(|line| line["event"] == "retired")
    });
}

#[test]
fn later_instances_get_the_replayed_patch_too() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    settle(&project, &mut node, "x.lua");
    node.kill9();
    let node = restart(&project, &[]);
    assert_eq!(node.ask(".svc", "\"spawn\",\"svc\""), "<good day child>");
}

#[test]
fn a_crash_right_after_the_drop_loses_nothing_and_applies_nothing_twice() {
    for round in 0..5 {
        let (project, mut node) = running();
        project.drop_file("svc", "x.lua", note("once"));
        if round > 0 {
            // Each round crashes a little later on the patch's way.
            node.wait_summary(Mark::START, "svc/x.lua");
        }
        if round > 2 {
            settle(&project, &mut node, "x.lua");
        }
        node.kill9();
        let mut node = restart(&project, &[]);
        node.wait_until("the patch to be live and archived", |node| {
            node.ask(".svc", "\"seen\"") == "once"
                && !project.is_waiting("svc", "x.lua")
                && project.archived_patches("svc").len() == 1
        });
        thread::sleep(QUIET);
        assert_eq!(node.ask(".svc", "\"seen\""), "once", "round {round}");
        assert_eq!(project.archived_patches("svc").len(), 1, "round {round}");
    }
}

#[test]
fn crashes_at_any_moment_lose_nothing_and_repeat_nothing() {
    const ROUNDS: u64 = 20;
    let project = Project::with_svc();
    for round in 0..ROUNDS {
        let mut node = restart(&project, &[]);
        project.drop_file("svc", &format!("f{round}.lua"), note(&round.to_string()));
        // Each round ends at another moment of the patch's way; where exactly does not matter.
        thread::sleep(Duration::from_millis(round * 2));
        node.kill9();
    }
    let mut node = restart(&project, &[]);
    let expected: Vec<u64> = (0..ROUNDS).collect();
    node.wait_until("every patch to be live once", |node| {
        let seen = node.ask(".svc", "\"seen\"");
        let mut seen: Vec<u64> = seen.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        seen.sort_unstable();
        seen == expected
    });
    node.wait_until("every file to be archived once", |_| {
        (0..ROUNDS).all(|round| !project.is_waiting("svc", &format!("f{round}.lua")))
            && project.archived_patches("svc").len() == expected.len()
    });
    let applied = project
        .journal()
        .iter()
        .filter(|line| line["event"] == "applied")
        .count();
    assert_eq!(applied, expected.len(), "applied, as the journal counts");
}
