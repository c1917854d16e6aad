//! The console's `inject`: the same engine and the same report as for a dropped file, by hand.

use std::process::Command;

use crate::harness::svc::{GREETING, SVC, greet, running};
use crate::harness::{Node, Project};

/// The handle behind `.svc`, as `list` shows it.
fn handle(node: &Node) -> String {
    let list = node.console().cmd("list").succeeded();
    let row = list.iter().find(|row| row.ends_with("\tsnlua svc"));
    let (handle, _) = row.and_then(|row| row.split_once('\t')).expect("svc runs");
    handle.to_owned()
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

#[test]
fn by_every_form_of_address() {
    let (project, node) = running();
    let handle = handle(&node);
    let bare = handle.trim_start_matches([':', '0']).to_owned();
    for (i, address) in [handle.clone(), bare, ".svc".to_owned(), "svc".to_owned()]
        .into_iter()
        .enumerate()
    {
        project.write("p.lua", format!("label = \"round {i}\"\n"));
        let reply = node.console().cmd(&format!("inject {address} p.lua")).succeeded();
        assert!(
            reply.iter().any(|line| line.contains("applied to 1 of 1 instance: ")),
            "{address}: {reply:?}"
        );
        assert_eq!(node.ask(".svc", "\"label\""), format!("round {i}"));
    }
}

#[test]
fn the_reply_is_what_the_patch_printed_then_the_report() {
    let (project, node) = running();
    project.write("p.lua", "print(\"one\", 2, nil)\nprint(...)\nlabel = \"new\"\n");
    let reply = node.console().cmd("inject .svc p.lua first second").succeeded();
    assert_eq!(reply[..2], ["one\t2\tnil", "first\tsecond"], "{reply:?}");
    assert!(reply[2].contains("applied to 1 of 1 instance: "), "{reply:?}");
}

#[test]
fn upvalue_tables_of_the_handler_are_in_underscore_p() {
    let (project, node) = running();
    project.write(
        "p.lua",
        "for _, name in ipairs { \"command\", \"skynet\" } do print(name, type(_P.lua[name])) end\nprint(type(_U))\n",
    );
    let reply = node.console().cmd("inject .svc p.lua").succeeded();
    assert_eq!(reply[..3], ["command\ttable", "skynet\ttable", "table"], "{reply:?}");
}

#[test]
fn failures_are_errors() {
    let (project, node) = running();
    project.write(
        "raises.lua",
        "print(\"before\")\nlabel = \"half\"\nerror \"on purpose\"\n",
    );
    project.write("broken.lua", "label = \"half\"\nx = = 1\n");
    project.write("big.lua", vec![b' '; 3 << 20]);
    let pipe = Command::new("mkfifo").arg(project.path("pipe.lua")).status();
    assert!(pipe.expect("mkfifo starts").success());
    for (command, said) in [
        ("inject .svc missing.lua", "missing.lua"),
        ("inject .svc raises.lua", "raises.lua:3: on purpose"),
        ("inject .svc raises.lua", "before"),
        ("inject .svc broken.lua", "broken.lua:2: "),
        ("inject .nobody broken.lua", "nobody"),
        ("inject :00000999 broken.lua", "999"),
        ("inject nosuchservice broken.lua", "nosuchservice"),
        ("inject .svc services", "services"),
        ("inject .svc pipe.lua", "pipe.lua"),
        ("inject .svc big.lua", "max_size"),
        ("inject .svc", ""),
        ("inject", ""),
    ] {
        let reply = node.console().cmd(command).failed();
        assert!(!reply.trim().is_empty(), "{command}: no reason given");
        assert!(reply.contains(said), "{command}: {reply}");
        assert_eq!(node.ask(".svc", "\"label\""), "old", "{command}");
    }
}

#[test]
fn a_failure_says_no_rust_or_library_internals() {
    let (project, node) = running();
    project.write("raises.lua", "error { code = 1 }\n");
    let reply = node.console().cmd("inject .svc raises.lua").failed();
    assert!(!reply.contains("src/"), "{reply}");
    assert!(!reply.contains("panicked"), "{reply}");
}

#[test]
fn it_is_logged_and_archived_with_the_peer() {
    let (project, mut node) = running();
    project.write("p.lua", GREETING);
    let mark = node.mark();
    node.console().cmd("inject .svc p.lua").succeeded();
    node.wait_line_since(mark, "[hotfix] svc/p.lua applied to 1 of 1 instance: ");
    node.wait_until("the archived copy", |_| project.archived_patches("svc").len() == 1);
    assert!(project.path("p.lua").exists(), "the injected file stays where it is");
    let entry = node.wait_for("the journal's line", |_| project.journal().pop());
    assert_eq!(entry["event"], "applied");
    assert_eq!(entry["name"], "p.lua");
    let by = entry["by"].as_str().unwrap_or_default();
    assert!(by.starts_with("127.0.0.1:"), "{entry}");
}

#[test]
fn by_service_name_it_reaches_all_and_later_ones() {
    let (project, node) = two_running();
    project.write("p.lua", GREETING);
    let reply = node.console().cmd("inject svc p.lua").succeeded();
    assert!(
        reply.iter().any(|line| line.contains("applied to 2 of 2 instances: ")),
        "{reply:?}"
    );
    for name in [".svc1", ".svc2"] {
        assert_eq!(node.ask(name, "\"greet\",\"you\""), "<good day you>");
    }
    assert_eq!(node.ask(".svc1", "\"spawn\",\"svc\""), "<good day child>");
}

#[test]
fn into_one_handle_it_stays_with_that_instance() {
    let (project, node) = two_running();
    project.write("p.lua", GREETING);
    node.console().cmd("inject .svc1 p.lua").succeeded();
    assert_eq!(node.ask(".svc1", "\"greet\",\"you\""), "<good day you>");
    assert_eq!(node.ask(".svc2", "\"greet\",\"you\""), "<hello you>");
    assert_eq!(node.ask(".svc1", "\"spawn\",\"svc\""), "<hello child>");
}

#[test]
fn the_same_bytes_run_again_and_it_says_so() {
    let (project, node) = running();
    project.write("p.lua", "seen[#seen + 1] = \"run\"\n");
    node.console().cmd("inject .svc p.lua").succeeded();
    let reply = node.console().cmd("inject .svc p.lua").succeeded().join("\n");
    assert!(reply.contains("live already"), "{reply}");
    assert_eq!(node.ask(".svc", "\"seen\""), "run run");
}

#[test]
fn the_path_is_relative_to_the_config_file() {
    let project = Project::with_svc().file("patches/p.lua", GREETING);
    let elsewhere = tempfile::tempdir().expect("another directory");
    let config = project.path("config.toml");
    let config = config.to_str().expect("a UTF-8 path");
    let mut node = Node::spawn(elsewhere.path(), &["run", "--config", config]);
    node.wait_for_console();
    node.wait_line("ready");
    node.console().cmd("inject .svc patches/p.lua").succeeded();
    assert_eq!(greet(&node), "<good day you>");
}
