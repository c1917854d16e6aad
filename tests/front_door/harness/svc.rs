//! The service that most tests patch, and how they patch it.

use std::path::Path;

use super::node::Node;
use super::project::Project;

/// A start service that starts `svc` once, under the name `.svc`, and prints `ready`.
const START_ONE: &str = r#"
local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	skynet.name(".svc", skynet.newservice "svc")
	print "ready"
end)
"#;

/// `services/svc.lua`: state in locals, tables and a global, and commands to look at all of it.
pub const SVC: &str = r#"local skynet = require "skynet"

local seen = {}
local total = 0
local label = "old"
local command = {}

local function decorate(text)
	return "<" .. text .. ">"
end

function command.greet(name)
	return decorate("hello " .. name)
end

function command.add(n)
	total = total + n
	return total
end

function command.seen()
	return table.concat(seen, " ")
end

function command.label()
	return label
end

function command.eval(source)
	return tostring(load(source)())
end

function command.has(name)
	return tostring(command[name] ~= nil)
end

function command.spawn(name)
	local started = skynet.newservice(name)
	return skynet.call(started, "lua", "greet", "child")
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
"#;

/// A patch for `svc`: one line that replaces one function.
pub const GREETING: &str = "function command.greet(name) return decorate(\"good day \" .. name) end\n";

impl Project {
    /// A project that runs one instance of [`SVC`], named `.svc`.
    pub fn with_svc() -> Self {
        Self::with_svc_in(&std::env::temp_dir())
    }

    /// The same in a directory of one's choice.
    pub fn with_svc_in(base: &Path) -> Self {
        Self::empty_in(base).service("main", START_ONE).service("svc", SVC)
    }
}

/// A project with one running instance of [`SVC`].
pub fn running() -> (Project, Node) {
    let project = Project::with_svc();
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

/// Drops a patch for `svc` under the name `x.lua` and waits for what is said of it.
pub fn apply(project: &Project, node: &mut Node, patch: impl AsRef<[u8]>) -> String {
    let mark = node.mark();
    project.drop_file("svc", "x.lua", patch);
    node.wait_summary(mark, "svc/x.lua")
}

/// As [`apply`], for a patch that must be applied to the one instance.
#[track_caller]
pub fn apply_well(project: &Project, node: &mut Node, patch: impl AsRef<[u8]>) -> String {
    let summary = apply(project, node, patch);
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    summary
}

/// What `.svc` answers to `greet`: `<hello you>` until it is patched.
pub fn greet(node: &Node) -> String {
    node.ask(".svc", "\"greet\",\"you\"")
}
