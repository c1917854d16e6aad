//! Commands about the node and all services, and the exact form of their replies.

use super::{project, reply, running};
use crate::harness::Console;

/// Holds that every row reads `:HANDLE<TAB>…` for exactly the services that `list` shows.
fn rows_of_all_services(console: &mut Console, command: &str) -> Vec<String> {
    let handles = |rows: &[String]| -> Vec<String> {
        let handle = |row: &String| row.split('\t').next().unwrap_or_default().to_owned();
        rows.iter().map(handle).collect()
    };
    let listed = handles(&console.cmd("list").succeeded());
    let rows = console.cmd(command).succeeded();
    assert_eq!(handles(&rows), listed, "{command}: {rows:?}");
    rows
}

#[test]
fn an_unknown_command() {
    let project = project();
    let (_node, mut console) = running(&project);
    let expected = reply(&["Invalid command, type help for command list", ""], false);
    assert_eq!(console.cmd("nosuchcmd"), expected);
    assert_eq!(console.cmd("LIST"), expected, "commands are lower case");
}

#[test]
fn help_names_every_command_in_order() {
    let project = project();
    let (_node, mut console) = running(&project);
    let lines = console.cmd("help").succeeded();
    let names: Vec<&str> = lines
        .iter()
        .map(|line| line.split('\t').next().unwrap_or_default())
        .collect();
    for name in [
        "call",
        "check",
        "clearcache",
        "exit",
        "gc",
        "getenv",
        "help",
        "history",
        "info",
        "inject",
        "kill",
        "list",
        "mem",
        "ping",
        "rollback",
        "service",
        "setenv",
        "start",
        "stat",
        "task",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    assert!(lines.iter().all(|line| line.contains('\t')), "{lines:?}");
}

#[test]
fn list_shows_the_services_and_nothing_of_the_node_itself() {
    let project = project();
    let (_node, mut console) = running(&project);
    let rows = console.cmd("list").succeeded();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[0], ":00000008\tsnlua main");
    assert!(rows[1].ends_with("\tsnlua target a b"), "{rows:?}");
    assert!(rows[2].ends_with("\tsnlua target"), "{rows:?}");
    assert!(
        rows.iter().all(|row| row.len() > 10 && row.starts_with(":0000")),
        "{rows:?}"
    );
}

#[test]
fn stat_shows_four_figures_of_every_service() {
    let project = project();
    let (_node, mut console) = running(&project);
    for row in rows_of_all_services(&mut console, "stat") {
        let keys: Vec<&str> = row
            .split('\t')
            .skip(1)
            .map(|pair| pair.split(':').next().unwrap_or_default())
            .collect();
        assert_eq!(keys, ["cpu", "message", "mqlen", "task"], "{row}");
    }
}

#[test]
fn mem_and_gc_show_kilobytes() {
    let project = project();
    let (_node, mut console) = running(&project);
    for command in ["mem", "gc"] {
        for row in rows_of_all_services(&mut console, command) {
            let figure = row.split(['\t', ' ']).nth(1).unwrap_or_default();
            assert!(figure.parse::<f64>().is_ok_and(|kb| kb > 1.0), "{row}");
            assert!(row.contains(" Kb (snlua ") && row.ends_with(')'), "{row}");
        }
    }
}

#[test]
fn gc_collects() {
    let project = project();
    let (_node, mut console) = running(&project);
    let kilobytes = |console: &mut Console, command: &str| -> f64 {
        let rows = console.cmd(command).succeeded();
        let row = rows.iter().find(|row| row.ends_with("(snlua target a b)"));
        let row = row.expect("the target's row");
        row.split(['\t', ' ']).nth(1).and_then(|kb| kb.parse().ok()).expect(row)
    };
    console.cmd("gc").succeeded();
    console.call(".target", "\"garbage\"");
    let before = kilobytes(&mut console, "mem");
    let after = kilobytes(&mut console, "gc");
    assert!(after < before, "{before} Kb before, {after} Kb after");
}

#[test]
fn getenv_and_setenv() {
    let project = project();
    let (_node, mut console) = running(&project);
    assert_eq!(console.cmd("getenv answer"), reply(&["answer\t42"], true));
    assert_eq!(console.cmd("setenv fresh 1"), reply(&[], true));
    assert_eq!(console.cmd("getenv fresh"), reply(&["fresh\t1"], true));
    let said = console.cmd("setenv answer 43").failed();
    assert!(said.contains("Can't setenv exist key : answer"), "{said}");
    for command in ["setenv", "setenv key", "getenv"] {
        let said = console.cmd(command).failed();
        assert!(!said.trim().is_empty(), "{command}: no reason given");
    }
}

#[test]
fn service_and_clearcache_answer() {
    let project = project();
    let (_node, mut console) = running(&project);
    assert_eq!(console.cmd("service"), reply(&[], true));
    assert_eq!(console.cmd("clearcache"), reply(&[], true));
}

#[test]
fn clients_are_logged_as_they_come_and_go() {
    let project = project();
    let (mut node, console) = running(&project);
    drop(console);
    node.wait_line(" connected");
    node.wait_line(" disconnect");
}
