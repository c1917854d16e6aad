//! The keys of dev mode, on a terminal of its own.

use std::fs;
use std::io::Write;

use super::{AGENT, UTIL, hello, project, ticks};
use crate::harness::{Node, Project};

/// Dev mode on a terminal, with its keys.
pub(super) fn on_terminal(project: &Project) -> (Node, impl FnMut(&str)) {
    let (mut node, mut keyboard) = Node::on_terminal(&project.path("."), &["dev"]);
    node.wait_for_console();
    node.wait_line("keys: r restart, R restart all, d diff, l instances, u undo, q quit");
    (node, move |keys: &str| {
        keyboard.write_all(keys.as_bytes()).expect("typed")
    })
}

#[test]
fn keys_show_take_back_and_restart() {
    let project = project(3);
    let (mut node, mut press) = on_terminal(&project);
    let mark = node.mark();
    let long: String = (0..100).map(|number| format!("-- {number}\n")).collect();
    let changed = AGENT.replace("\" from \"", "\" of \"").replace(
        "    skynet.timeout(1, tick)\n    skynet",
        "    ticks = 1000\n    skynet",
    );
    project.write("services/agent.lua", long + &changed);
    node.wait_line_since(mark, "more (d shows all)");
    node.wait_line_since(mark, "agent needs a restart: ");
    node.wait_line_since(mark, "r restarts it in place");
    let lines = node.lines_since(mark).join("\n");
    assert!(
        lines.contains("[dev] \x1b[32mservices/agent.lua: 1 function, 3 holders in 3 of 3 instances of agent"),
        "{lines}"
    );
    assert!(
        lines.contains("\x1b[32m+-- 0\x1b[0m") && !lines.contains("+-- 99"),
        "folded: {lines}"
    );
    let mark = node.mark();
    press("d");
    node.wait_line_since(mark, "+-- 99");
    press("l");
    node.wait_line_since(mark, "[dev] 4 instances");
    node.wait_line_since(mark, "agent  3 instances; ");
    node.wait_line_since(mark, "main   1 instance");
    assert_eq!(hello(&node, ".a1"), "hello you of 1");
    press("u");
    node.wait_line_since(mark, "[dev] undone: services/agent.lua; ");
    assert_eq!(hello(&node, ".a1"), "hello you from 1");
    press("l");
    node.wait_line_since(mark, " is behind: services/agent.lua");
    press("r");
    node.wait_line_since(
        mark,
        "[hotfix] agent restarted in place: 3 of 3 instances, without state",
    );
    assert_eq!(
        hello(&node, ".a1"),
        "hello you of 1",
        "a restart takes what is on the disk"
    );
    assert!(ticks(&node, ".a2") >= 1000);
    let mark = node.mark();
    press("u");
    node.wait_line_since(mark, "no save that could be taken back");
    press("x\n ");
    node.wait_line_since(mark, "keys: r restart");
    press("q");
    assert_eq!(node.wait_exit(), 0);
}

#[test]
fn a_key_restarts_everything() {
    let project = project(2);
    let (mut node, mut press) = on_terminal(&project);
    project.write(
        "services/main.lua",
        fs::read_to_string(project.path("services/main.lua"))
            .expect("main")
            .replace("print \"ready\"", "print \"anew\""),
    );
    node.wait_line("[dev] \x1b[33mmain needs a restart");
    let mark = node.mark();
    press("R");
    node.wait_line_since(mark, "anew");
    node.wait_line_since(mark, "[dev] restarted");
    assert_eq!(hello(&node, ".a2"), "hello you from 2");
    let services = node.console().cmd("list").text();
    assert_eq!(services.matches("snlua agent").count(), 2, "{services}");
    let mark = node.mark();
    project.write("lualib/util.lua", UTIL.replace("hello", "good day"));
    node.wait_line_since(mark, "in 2 of 2 instances of agent");
    // Once more, with something wrong: it is said, and the node stays.
    project.write("services/main.lua", "error \"broken\"");
    let mark = node.mark();
    press("R");
    node.wait_line_since(mark, "the start service `main` failed: ");
    project.write("services/main.lua", "print \"mended\"");
    press("R");
    node.wait_line_since(mark, "mended");
    node.signal(rustix::process::Signal::INT);
    assert_eq!(node.wait_exit(), 0);
}
