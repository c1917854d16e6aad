//! The console's `rollback`: what ran before a patch runs again, in every instance and in the books, or nothing is done.

use serde_json::Value;

use crate::harness::svc::{GREETING, SVC, apply, apply_well, greet, running};
use crate::harness::{Mark, Node, Project};

/// What `rollback ARGUMENTS` answers, which must be an OK.
#[track_caller]
fn rolled_back(node: &Node, arguments: &str) -> Vec<String> {
    node.console().cmd(&format!("rollback {arguments}")).succeeded()
}

/// What `rollback ARGUMENTS` answers, which must be an Error.
#[track_caller]
fn refused(node: &Node, arguments: &str) -> String {
    node.console().cmd(&format!("rollback {arguments}")).failed()
}

/// Drops a patch under a name of its own, which must be applied.
#[track_caller]
fn drop_well(project: &Project, node: &mut Node, name: &str, patch: &str) {
    let mark = node.mark();
    project.drop_file("svc", name, patch);
    let summary = node.wait_summary(mark, &format!("svc/{name}"));
    assert!(summary.starts_with("applied to "), "{summary}");
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", name));
}

/// Whether `.svc` knows a command.
fn has(node: &Node, command: &str) -> String {
    node.ask(".svc", &format!("\"has\",\"{command}\""))
}

/// What a newly started instance answers to `greet`.
fn greet_of_new(node: &Node) -> String {
    node.ask(".svc", "\"spawn\",\"svc\"")
}

/// A project with two instances of `svc`, `.svc1` and `.svc2`.
fn two_running() -> (Project, Node) {
    let project = Project::empty().service("svc", SVC).service(
        "main",
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            for i = 1, 2 do
                skynet.name(".svc" .. i, skynet.newservice "svc")
            end
            print "ready"
        end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

/// Ends the node as a crash does, once what was dropped is in the books, and starts it again.
fn restart(project: &Project, node: &mut Node) -> Node {
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
    node.kill9();
    let mut node = project.start();
    node.wait_line("ready");
    node
}

/// The journal's lines of rollbacks.
fn rollbacks(project: &Project) -> Vec<Value> {
    let lines = project.journal().into_iter();
    lines.filter(|line| line["event"] == "rolled-back").collect()
}

#[test]
fn the_latest_patch_goes_and_what_ran_before_runs() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
    let mark = node.mark();
    let lines = rolled_back(&node, "svc");
    assert!(
        lines[0].starts_with("[hotfix] svc/x.lua rolled back in 1 of 1 instance: 1 function"),
        "{lines:?}"
    );
    assert!(lines[0].contains("(patch 1"), "{lines:?}");
    // The diff goes the other way.
    assert!(
        lines
            .iter()
            .any(|line| line == "+\treturn decorate(\"hello \" .. name)"),
        "{lines:?}"
    );
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(greet_of_new(&node), "<hello child>");
    node.wait_line_since(mark, "[hotfix] svc/x.lua rolled back in 1 of 1 instance: ");
    let journal = rollbacks(&project);
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert_eq!((&journal[0]["id"], &journal[0]["name"]), (&1.into(), &"x.lua".into()));
    assert!(
        journal[0]["by"].as_str().is_some_and(|by| by.starts_with("127.0.0.1:")),
        "{journal:?}"
    );
    assert_eq!(journal[0]["instances"].as_array().map(Vec::len), Some(1), "{journal:?}");
    let history = node.console().cmd("history svc").succeeded().join("\n");
    assert!(history.contains("rolled back"), "{history}");
}

#[test]
fn state_is_kept() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "function command.add(n) total = total + 2 * n; return total end\n",
    );
    assert_eq!(node.ask(".svc", "\"add\",5"), "10");
    rolled_back(&node, "svc");
    assert_eq!(node.ask(".svc", "\"add\",1"), "11");
}

#[test]
fn what_it_added_goes_and_what_it_wrote_stays() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "function command.added() return 1 end\nfunction added_global() end\nseen[#seen + 1] = \"written\"\n",
    );
    assert_eq!(has(&node, "added"), "true");
    rolled_back(&node, "svc");
    assert_eq!(has(&node, "added"), "false");
    assert_eq!(node.ask(".svc", "\"eval\",\"return added_global\""), "nil");
    assert_eq!(node.ask(".svc", "\"seen\""), "written");
}

#[test]
fn by_its_number_an_earlier_one_goes_and_the_others_stay() {
    let (project, mut node) = running();
    drop_well(&project, &mut node, "a.lua", GREETING);
    drop_well(
        &project,
        &mut node,
        "b.lua",
        "function command.label() return \"patched\" end\n",
    );
    rolled_back(&node, "svc 1");
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(node.ask(".svc", "\"label\""), "patched");
    assert_eq!(greet_of_new(&node), "<hello child>");
    rolled_back(&node, "svc");
    assert_eq!(node.ask(".svc", "\"label\""), "old");
}

#[test]
fn all_of_them_return_to_the_source() {
    let (project, mut node) = running();
    drop_well(&project, &mut node, "a.lua", GREETING);
    drop_well(
        &project,
        &mut node,
        "b.lua",
        "function command.label() return \"patched\" end\n",
    );
    drop_well(&project, &mut node, "a.lua", &GREETING.replace("day", "night"));
    let lines = rolled_back(&node, "svc --all");
    assert!(
        lines[0].starts_with("[hotfix] svc rolled back in 1 of 1 instance: "),
        "{lines:?}"
    );
    assert!(lines[0].contains("patches 3, 2, 1"), "{lines:?}");
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(node.ask(".svc", "\"label\""), "old");
    assert_eq!(greet_of_new(&node), "<hello child>");
    assert!(refused(&node, "svc").contains("no patch of svc is live"));
    assert!(refused(&node, "svc --all").contains("no patch of svc is live"));
    let mut node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<hello you>");
    node.stays_quiet(Mark::START, "replayed");
}

#[test]
fn one_that_a_later_one_has_built_upon_is_refused_and_nothing_is_done() {
    let (project, mut node) = two_running();
    drop_well(&project, &mut node, "a.lua", GREETING);
    drop_well(&project, &mut node, "b.lua", &GREETING.replace("day", "night"));
    let said = refused(&node, "svc 1");
    assert!(said.contains("svc/a.lua not rolled back: "), "{said}");
    assert!(said.contains("command.greet"), "the reason names the function: {said}");
    for name in [".svc1", ".svc2"] {
        assert_eq!(node.ask(name, "\"greet\",\"you\""), "<good night you>");
    }
    assert_eq!(rollbacks(&project), Vec::<Value>::new());
    // In the other order it goes.
    rolled_back(&node, "svc 2");
    assert_eq!(node.ask(".svc2", "\"greet\",\"you\""), "<good day you>");
    rolled_back(&node, "svc 1");
    assert_eq!(node.ask(".svc1", "\"greet\",\"you\""), "<hello you>");
}

#[test]
fn of_a_new_version_the_one_before_it_stands_again() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    apply_well(&project, &mut node, GREETING.replace("day", "night"));
    // This one never had the first version.
    assert_eq!(greet_of_new(&node), "<good night child>");
    let young = node.console().cmd("list").succeeded().pop().expect("the new instance");
    let young = young.split('\t').next().unwrap_or_default().to_owned();
    let lines = rolled_back(&node, "svc");
    assert!(
        lines[0].starts_with("[hotfix] svc/x.lua rolled back in 2 of 2 instances: "),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("patch 1, the version before it, stands again")),
        "{lines:?}"
    );
    assert_eq!(greet(&node), "<good day you>");
    assert_eq!(node.ask(&young, "\"greet\",\"you\""), "<good day you>");
    assert_eq!(greet_of_new(&node), "<good day child>");
    let mut node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<good day you>");
    rolled_back(&node, "svc");
    assert_eq!(greet(&node), "<hello you>");
    let node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<hello you>");
}

#[test]
fn the_superseded_version_cannot_go_before_the_new_one() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    apply_well(&project, &mut node, GREETING.replace("day", "night"));
    let said = refused(&node, "svc 1");
    assert!(
        said.contains("patch 1 (svc/x.lua) is not live: patch 2 is a newer version of it"),
        "{said}"
    );
    assert_eq!(greet(&node), "<good night you>");
}

#[test]
fn instances_that_started_later_are_rolled_back_too() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet_of_new(&node), "<good day child>");
    let young = node.console().cmd("list").succeeded().pop().expect("the new instance");
    let young = young.split('\t').next().unwrap_or_default().to_owned();
    let lines = rolled_back(&node, "svc");
    assert!(
        lines[0].starts_with("[hotfix] svc/x.lua rolled back in 2 of 2 instances: "),
        "{lines:?}"
    );
    assert_eq!(node.ask(&young, "\"greet\",\"you\""), "<hello you>");
}

#[test]
fn a_replayed_patch_can_be_rolled_back() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    let mut node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<good day you>");
    rolled_back(&node, "svc");
    assert_eq!(greet(&node), "<hello you>");
    let node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<hello you>", "what was rolled back is never replayed");
}

#[test]
fn without_an_instance_only_the_books_change() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    node.console().cmd("kill .svc").succeeded();
    let lines = rolled_back(&node, "svc");
    assert!(
        lines[0].starts_with("[hotfix] svc/x.lua rolled back: no instance is running"),
        "{lines:?}"
    );
    node.console().cmd("start svc").succeeded();
    let young = node.console().cmd("list").succeeded().pop().expect("the new instance");
    let young = young.split('\t').next().unwrap_or_default().to_owned();
    assert_eq!(node.ask(&young, "\"greet\",\"you\""), "<hello you>");
    assert_eq!(rollbacks(&project).len(), 1);
    let node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<hello you>");
}

#[test]
fn what_is_not_live_is_refused_by_name() {
    let (project, mut node) = running();
    assert!(refused(&node, "svc").contains("no patch of svc is live"));
    assert!(refused(&node, "nosuchservice").contains("no patch of nosuchservice is live"));
    apply(&project, &mut node, "x = = 1\n");
    apply(&project, &mut node, "error \"on purpose\"\n");
    apply_well(&project, &mut node, GREETING);
    for (arguments, said) in [
        ("svc 1", "patch 1 (svc/x.lua) is not live: it was rejected"),
        ("svc 2", "patch 2 (svc/x.lua) is not live: it failed and was undone"),
        ("svc 9", "there is no patch 9"),
        ("svc 0", "there is no patch 0"),
        ("main 3", "patch 3 is one of svc, not of main"),
        ("svc nine", "Usage: rollback SERVICE [ID | --all]"),
        ("svc -1", "Usage: rollback SERVICE [ID | --all]"),
        ("svc 3 4", "Usage: rollback SERVICE [ID | --all]"),
        ("", "Usage: rollback SERVICE [ID | --all]"),
    ] {
        let reply = refused(&node, arguments);
        assert!(reply.contains(said), "{arguments}: {reply}");
    }
    assert_eq!(greet(&node), "<good day you>");
    rolled_back(&node, "svc 3");
    let said = refused(&node, "svc 3");
    assert!(
        said.contains("patch 3 (svc/x.lua) is not live: it was rolled back already"),
        "{said}"
    );
}

#[test]
fn one_for_one_handle_goes_by_its_number_and_there_alone() {
    let (project, mut node) = two_running();
    drop_well(
        &project,
        &mut node,
        "a.lua",
        "function command.label() return \"patched\" end\n",
    );
    project.write("p.lua", GREETING);
    node.console().cmd("inject .svc1 p.lua").succeeded();
    let lines = rolled_back(&node, "svc 2");
    assert!(
        lines[0].starts_with("[hotfix] svc/p.lua rolled back in 1 of 1 instance: "),
        "{lines:?}"
    );
    assert_eq!(node.ask(".svc1", "\"greet\",\"you\""), "<hello you>");
    assert_eq!(node.ask(".svc1", "\"label\""), "patched");
    // Without a number the latest is meant that all have.
    node.console().cmd("inject .svc1 p.lua").succeeded();
    let lines = rolled_back(&node, "svc");
    assert!(
        lines[0].starts_with("[hotfix] svc/a.lua rolled back in 2 of 2 instances: "),
        "{lines:?}"
    );
    assert_eq!(node.ask(".svc1", "\"greet\",\"you\""), "<good day you>");
    node.console().cmd("kill .svc1").succeeded();
    let said = refused(&node, "svc 3");
    assert!(said.contains("the one instance that it was for has ended"), "{said}");
}

#[test]
fn two_rounds_of_the_same_patch() {
    let (project, mut node) = running();
    for round in 1..=2 {
        apply_well(&project, &mut node, GREETING);
        assert_eq!(greet(&node), "<good day you>", "round {round}");
        rolled_back(&node, "svc");
        assert_eq!(greet(&node), "<hello you>", "round {round}");
    }
    assert_eq!(rollbacks(&project).len(), 2);
    apply_well(&project, &mut node, GREETING);
    let node = restart(&project, &mut node);
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn a_service_with_a_slash_in_its_name() {
    let project = Project::empty().service("game/svc", SVC).service(
        "main",
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            skynet.name(".svc", skynet.newservice "game/svc")
            print "ready"
        end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    for spelled in ["game/svc", "game.svc"] {
        let mark = node.mark();
        project.drop_file("game.svc", "x.lua", GREETING);
        node.wait_summary(mark, "game.svc/x.lua");
        assert_eq!(greet(&node), "<good day you>");
        let lines = rolled_back(&node, spelled);
        assert!(
            lines[0].starts_with("[hotfix] game.svc/x.lua rolled back in 1 of 1 instance: "),
            "{lines:?}"
        );
        assert_eq!(greet(&node), "<hello you>");
    }
}
