//! The console: the services that its tests look at, and readers of its replies.

mod commands;
mod hostile;
mod services;

use crate::harness::{Console, Node, Project, Reply};

/// A service with something to show for every command.
pub const TARGET: &str = r#"
local skynet = require "skynet"

local command = {}
local count = 0

function command.add(n)
	count = count + n
	return count
end

function command.echo(...)
	return ...
end

function command.fail()
	error "target fails"
end

function command.garbage()
	for i = 1, 1000 do
		command[i] = { string.rep("x", 100) .. i }
	end
	for i = 1, 1000 do
		command[i] = nil
	end
end

function command.spin()
	print "spinning"
	while true do
	end
end

function command.forever()
	skynet.wait()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
	skynet.info_func(function()
		return { count = count, nested = { 1, 2 } }
	end)
end)
"#;

/// The start service of these tests: `.target` and `.other` run, and one unique service.
const MAIN: &str = r#"
local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	skynet.name(".target", skynet.newservice("target", "a", "b"))
	skynet.name(".other", skynet.newservice "target")
	print "ready"
end)
"#;

/// Does not come up; the argument says in which way.
const BAD: &str = r#"
local skynet = require "skynet"
local how = ...
skynet.start(function()
	if how == "exit" then
		skynet.exit()
	end
	error "does not start"
end)
"#;

pub fn project() -> Project {
    Project::empty()
        .service("main", MAIN)
        .service("target", TARGET)
        .service("bad", BAD)
        .set("env", "answer", "42")
}

pub fn running(project: &Project) -> (Node, Console) {
    let mut node = project.start();
    node.wait_line("ready");
    let console = node.console();
    (node, console)
}

/// The handle in the row of `list` that ends in `what`.
pub fn handle_of(console: &mut Console, what: &str) -> String {
    let rows = console.cmd("list").succeeded();
    let row = rows.iter().find(|row| row.ends_with(what));
    let (handle, _) = row.and_then(|row| row.split_once('\t')).expect(what);
    handle.to_owned()
}

pub fn reply(lines: &[&str], ok: bool) -> Reply {
    Reply {
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        ok,
    }
}
