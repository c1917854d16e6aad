//! How the node begins and ends: signals, exit codes, and one clear error for each thing that
//! can be wrong at start.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::harness::svc::running;
use crate::harness::{Node, Project};

/// Runs the binary to its end; gives the exit code and all that it printed.
fn finish(project: &Project, arguments: &[&str]) -> (i32, String) {
    let mut node = project.spawn(arguments);
    let code = node.wait_exit();
    (code, node.lines().join("\n"))
}

fn idle_project() -> Project {
    Project::empty().service("main", "require(\"skynet\").start(function() print \"ready\" end)\n")
}

#[test]
fn sigterm_and_sigint_are_clean_stops() {
    for signal in [Signal::TERM, Signal::INT] {
        let (_project, mut node) = running();
        let mut console = node.console();
        node.signal(signal);
        assert_eq!(node.wait_exit(), 0, "{signal:?}");
        assert_eq!(console.line(), None, "the console's connections are closed");
    }
}

#[test]
fn a_stop_does_not_wait_for_services_that_wait() {
    let project = Project::empty().service(
        "main",
        r#"
        local skynet = require "skynet"
        skynet.start(function()
            for _ = 1, 100 do
                skynet.fork(skynet.wait)
                skynet.timeout(100000, print)
            end
            print "ready"
        end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_stop_does_not_wait_for_a_service_that_never_returns() {
    let project = Project::empty().service(
        "main",
        "require(\"skynet\").start(function() print \"ready\" while true do end end)\n",
    );
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.stop(), 0);
}

#[test]
fn everything_printed_before_the_end_is_there() {
    let project = Project::empty().service(
        "main",
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            for i = 1, 2000 do
                print("line " .. i)
            end
            skynet.abort()
        end)"#,
    );
    let mut node = project.spawn(&["run"]);
    assert_eq!(node.wait_exit(), 0);
    assert_eq!(node.count(|line| line.starts_with("line ")), 2000);
    assert_eq!(node.count(|line| line == "line 2000"), 1);
}

#[test]
fn no_argument_means_run() {
    let project = idle_project();
    let mut node = project.spawn(&[]);
    node.wait_for_console();
    node.wait_line("ready");
    assert_eq!(node.stop(), 0);
}

#[test]
fn config_may_stand_on_either_side_of_the_subcommand() {
    let project = idle_project();
    let elsewhere = tempfile::tempdir().expect("another directory");
    let config = project.path("config.toml");
    let config = config.to_str().expect("a UTF-8 path");
    for arguments in [["--config", config, "run"], ["run", "--config", config]] {
        let mut node = Node::spawn(elsewhere.path(), &arguments);
        node.wait_line("ready");
        assert_eq!(node.stop(), 0);
    }
    assert!(project.path("archive").exists(), "paths are relative to the file");
}

#[test]
fn the_same_port_can_be_used_again_at_once() {
    let project = idle_project();
    let address = project.start().address().to_owned();
    let project = project.set("console", "listen", &format!("\"{address}\""));
    for _ in 0..2 {
        let mut node = project.start();
        assert!(node.console().cmd("list").ok);
        assert_eq!(node.stop(), 0);
    }
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("its address").to_string();
    let project = idle_project().set("console", "listen", &format!("\"{address}\""));
    let (code, said) = finish(&project, &["run"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(said.contains("in use"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn without_a_console_nothing_listens() {
    let project = idle_project().set("console", "listen", "\"\"");
    let mut node = project.spawn(&["run"]);
    node.wait_line("ready");
    assert_eq!(node.count(|line| line.contains("console listening")), 0);
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_missing_start_service_is_one_clear_error() {
    let project = Project::empty();
    let (code, said) = finish(&project, &["run"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("services/main.lua"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_missing_config_says_what_to_do() {
    let empty = tempfile::tempdir().expect("an empty directory");
    for arguments in [&["run"][..], &[], &["run", "--config", "nosuch.toml"]] {
        let mut node = Node::spawn(empty.path(), arguments);
        let code = node.wait_exit();
        let said = node.lines().join("\n");
        assert_eq!(code, 64, "{said}");
        let file = arguments.get(2).unwrap_or(&"config.toml");
        assert!(said.contains(file) && said.contains("--config"), "{said}");
    }
}

#[test]
fn a_bad_config_names_file_line_and_key() {
    for (text, line, key) in [
        ("[node]\nstrat = \"main\"\n", 2, "strat"),
        ("[nod]\nstart = \"main\"\n", 1, "nod"),
        ("[node]\n\nthreads = \"two\"\n", 3, "threads"),
        ("[node]\nthreads = -1\n", 2, "threads"),
        ("[node]\nthreads = 1000000\n", 2, "threads"),
        ("[node]\nstart = \"\"\n", 2, "start"),
        ("[node]\nprofile = \"prod\"\n", 2, "profile"),
        ("[paths]\nservices = \"services/?.lua\"\n", 2, "services"),
        ("[hotfix]\nmax_size = \"lots\"\n", 2, "max_size"),
        ("[hotfix]\ntime_limit = \"soon\"\n", 2, "time_limit"),
        ("[hotfix]\nafter_apply = \"burn\"\n", 2, "after_apply"),
        ("[console]\nlisten = \"nowhere\"\n", 2, "listen"),
        ("[console]\nlisten = \"0.0.0.0:8000\"\n", 2, "token"),
        ("[log]\nformat = \"xml\"\n", 2, "format"),
        ("[env]\nlist = [1, 2]\n", 2, "list"),
        ("[node]\nstart = \"main\"\nstart = \"other\"\n", 3, "start"),
        ("[node\n", 1, ""),
    ] {
        let project = idle_project().file("config.toml", text);
        let (code, said) = finish(&project, &["run"]);
        assert_eq!(code, 64, "{text}: {said}");
        assert!(said.contains(&format!("config.toml:{line}")), "{text}: {said}");
        assert!(said.contains(key), "{text}: {said}");
        assert_eq!(said.matches("config.toml:").count(), 1, "said once: {said}");
    }
}

#[test]
fn a_config_that_is_no_text_is_an_error_too() {
    let project = idle_project().file("config.toml", b"[node]\nstart = \"\xff\xfe\"\n");
    let (code, said) = finish(&project, &["run"]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("config.toml"), "{said}");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let project = idle_project();
    for arguments in [
        &["nosuch"][..],
        &["run", "--nosuch"],
        &["run", "surplus"],
        &["--config"],
    ] {
        let (code, said) = finish(&project, arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains("error: "), "{arguments:?}: {said}");
    }
}

#[test]
fn help_and_version_are_successes() {
    let project = idle_project();
    let (code, said) = finish(&project, &["--help"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("run") && said.contains("--config"), "{said}");
    let (code, said) = finish(&project, &["--version"]);
    assert_eq!(
        (code, said.as_str()),
        (0, concat!("hotlua ", env!("CARGO_PKG_VERSION")))
    );
}
