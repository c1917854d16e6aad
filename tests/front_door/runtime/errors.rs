//! Uncaught errors, in handlers, forks and at start: the author's own file, line and traceback.

use super::main_with;
use crate::harness::{Mark, Node, Project};

/// A service with one handler per way to fail. The line numbers matter to the tests.
const FAILING: &str = r#"local skynet = require "skynet"
local command = {}

function command.raise()
	local function inner()
		error "raised by the author"
	end
	inner()
end

function command.index()
	local nothing
	return nothing.field
end

function command.fork()
	skynet.fork(function()
		error "raised in a fork"
	end)
	skynet.retpack "forked"
end

function command.forget()
end

function command.later()
	skynet.sleep(1)
	error { code = 7 }
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		command[name]()
	end)
end)
"#;

fn failing() -> (Project, Node, String) {
    let project = main_with("\tskynet.name(\".failing\", skynet.newservice \"failing\")\n\tprint \"ready\"")
        .service("failing", FAILING);
    let mut node = project.start();
    node.wait_line("ready");
    let launch = node.wait_line("LAUNCH snlua failing");
    let (handle, _) = launch.split_once(' ').expect("a handle in front");
    let handle = handle.to_owned();
    (project, node, handle)
}

/// The lines from the first after `mark` that contains `first`, up to one that contains `last`.
fn block(node: &mut Node, mark: Mark, first: &str, last: &str) -> Vec<String> {
    node.wait_for(&format!("{first:?} … {last:?}"), |node| {
        let lines = node.lines_since(mark);
        let start = lines.iter().position(|line| line.contains(first))?;
        let length = lines[start..].iter().position(|line| line.contains(last))?;
        Some(lines[start..=start + length].to_vec())
    })
}

#[test]
fn an_uncaught_error_shows_the_authors_line_and_traceback() {
    let (_project, mut node, handle) = failing();
    let mark = node.mark();
    node.console().cmd("call .failing \"raise\"").failed();
    let lines = block(&mut node, mark, "lua call [", "services/failing.lua:33: in ");
    let head = format!("{handle} lua call [");
    assert!(lines[0].starts_with(&head), "{lines:#?}");
    assert!(
        lines[0].contains(" msgsz = ") && lines[0].contains("] error : "),
        "{lines:#?}"
    );
    assert!(
        lines[0].contains("services/failing.lua:6: raised by the author"),
        "{lines:#?}"
    );
    assert_eq!(lines[1], "stack traceback:");
    for frame in ["\tservices/failing.lua:6: in ", "\tservices/failing.lua:8: in "] {
        assert!(
            lines.iter().any(|line| line.starts_with(frame)),
            "{frame:?}: {lines:#?}"
        );
    }
    assert!(
        lines.iter().any(|line| line == "\t[C]: in global 'error'"),
        "{lines:#?}"
    );
}

#[test]
fn a_runtime_error_shows_its_line_too() {
    let (_project, mut node, _) = failing();
    let mark = node.mark();
    node.console().cmd("call .failing \"index\"").failed();
    let line = node.wait_line_since(mark, "services/failing.lua:13: ");
    assert!(
        line.contains("attempt to index a nil value (local 'nothing')"),
        "{line}"
    );
    let mark = node.mark();
    node.console().cmd("call .failing \"nosuch\"").failed();
    let line = node.wait_line_since(mark, "services/failing.lua:33: ");
    assert!(line.contains("attempt to call a nil value"), "{line}");
}

#[test]
fn an_error_in_a_fork_is_reported_and_the_service_lives_on() {
    let (_project, mut node, handle) = failing();
    assert_eq!(node.ask(".failing", "\"fork\""), "forked");
    let line = node.wait_line("raised in a fork");
    assert!(line.starts_with(&handle), "{line}");
    assert!(line.contains("services/failing.lua:18: "), "{line}");
    assert_eq!(node.ask(".failing", "\"fork\""), "forked");
}

#[test]
fn an_error_value_that_is_no_string_is_reported_somehow() {
    let (_project, mut node, handle) = failing();
    let mark = node.mark();
    node.console().cmd("call .failing \"later\"").failed();
    let line = node.wait_line_since(mark, "lua call [");
    assert!(line.starts_with(&handle), "{line}");
    assert_eq!(node.ask(".failing", "\"fork\""), "forked");
}

#[test]
fn a_forgotten_answer_is_said() {
    let (_project, mut node, handle) = failing();
    let mut console = node.console();
    console.send("call .failing \"forget\"\n");
    let line = node.wait_line("Maybe forgot response session ");
    assert!(line.starts_with(&handle), "{line}");
    assert!(line.ends_with(" : @services/failing.lua:32"), "{line}");
}

#[test]
fn a_start_function_that_raises_is_logged_and_the_service_ends() {
    let project = main_with("\tprint(pcall(skynet.newservice, \"bad\"))\n\tprint \"ready\"").service(
        "bad",
        "local skynet = require \"skynet\"\n\nskynet.start(function()\n\terror \"no start\"\nend)\n",
    );
    let mut node = project.start();
    node.wait_line("ready");
    let line = node.wait_line("init service failed: ");
    assert!(line.contains("services/bad.lua:4: no start"), "{line}");
    node.wait_line("\tservices/bad.lua:4: in ");
    let handle = line.split(' ').next().unwrap_or_default().to_owned();
    node.wait_line(&format!("{handle} KILL self"));
}

#[test]
fn a_script_that_does_not_load_says_why() {
    let project = main_with(
        "\tfor _, name in ipairs { \"broken\", \"raises\", \"nosuch\" } do pcall(skynet.newservice, name) end\n\tprint \"ready\"",
    )
    .service("broken", "local x =\nlocal y\n")
    .service("raises", "-- a comment\nerror \"in the main chunk\"\n");
    let mut node = project.start();
    node.wait_line("ready");
    for (said, also) in [
        ("services/broken.lua:2: ", "lua loader error"),
        ("services/raises.lua:2: in the main chunk", "lua loader error"),
        ("services/nosuch.lua", "cannot open"),
    ] {
        let line = node.wait_line(said);
        assert!(line.contains(also), "{line}");
    }
}

#[test]
fn a_start_service_that_raises_ends_the_node() {
    let project = main_with("\terror \"main fails\"");
    let mut node = project.spawn(&["run"]);
    assert_eq!(node.wait_exit(), 1);
    node.wait_line("services/main.lua:5: main fails");
}

#[test]
fn a_message_that_nobody_handles_is_said() {
    let project = main_with(
        "\tskynet.register_protocol { name = \"odd\", id = 77, pack = function(text) return text end }\n\
         \tskynet.send(skynet.newservice \"silent\", \"odd\", \"abc\")",
    )
    .service("silent", "require(\"skynet\").start(function() end)\n");
    let mut node = project.start();
    let line = node.wait_line("Unknown request (77): abc");
    let handle = line.split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(line, format!("{handle} Unknown request (77): abc"));
    let line = node.wait_line("Unknown session : 0 from 8");
    assert!(line.starts_with(&handle), "{line}");
}
