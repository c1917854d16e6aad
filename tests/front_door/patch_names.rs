//! What the names in a patch mean: it reads as if it were pasted at the end of the service's file.

use crate::harness::Project;
use crate::harness::svc::{apply, apply_well};

/// Declares one thing of every kind; `show` tells what each is worth now.
const KINDS: &str = r#"
local skynet = require "skynet"
local tool = require "tool"

local first_argument = ...
local twice = "first"
local twice = "second"
local LIMIT <const> = 10
local NAME <const> = "constant"
local TABLE <const> = {}
local Class = {}
Class.__index = Class

function Class.new()
	return setmetatable({ n = 1 }, Class)
end

function Class:method()
	return "old " .. self.n
end

local object = Class.new()
local kept_method = object.method

do
	local hidden = "in a block"
	function get_hidden()
		return hidden
	end
end

function a_global()
	return "old global"
end

local kept_global, kept_tool = a_global, tool.fn
local handlers = { function() return "old first" end, named = function() return "old named" end }

local function show()
	return {
		argument = first_argument,
		twice = twice,
		limit = LIMIT,
		name = NAME,
		table = TABLE.added,
		method = object:method() .. ", " .. kept_method(object),
		global = a_global() .. ", " .. kept_global(),
		tool = tool.fn() .. ", " .. kept_tool(),
		handlers = handlers[1]() .. ", " .. handlers.named(),
		late = get_late(),
		fresh = rawget(_G, "fresh"),
	}
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what)
		skynet.retpack(tostring(show()[what]))
	end)
end)

local late = "declared after start"

function get_late()
	return late
end
"#;

const TOOL: &str = "local M = {}\n\nfunction M.fn()\n\treturn \"old tool\"\nend\n\nreturn M\n";

/// A patch, what to look at then, and what it must be worth.
const ROWS: [(&str, &str, &str); 16] = [
    ("first_argument = \"patched\"", "argument", "patched"),
    ("twice = twice .. \" patched\"", "twice", "second patched"),
    ("fresh = LIMIT + 1", "fresh", "11"),
    ("fresh = NAME .. \"!\"", "fresh", "constant!"),
    ("TABLE.added = \"added\"", "table", "added"),
    (
        "function Class:method() return \"new \" .. self.n end",
        "method",
        "new 1, new 1",
    ),
    (
        "function a_global() return \"new global\" end",
        "global",
        "new global, new global",
    ),
    (
        "local function helper() return \"helped\" end a_global = function() return helper() end",
        "global",
        "helped, helped",
    ),
    (
        "function tool.fn() return \"new tool\" end",
        "tool",
        "new tool, new tool",
    ),
    (
        "handlers[1] = function() return \"new first\" end handlers.named = function() return \"new named\" end",
        "handlers",
        "new first, new named",
    ),
    ("late = late .. \", patched\"", "late", "declared after start, patched"),
    (
        "local late = \"the patch's own\" fresh = late",
        "fresh",
        "the patch's own",
    ),
    ("fresh = tostring(rawget(_G, \"twice\"))", "fresh", "nil"),
    (
        "#!/usr/bin/env lua\nfresh = \"after a shebang\"",
        "fresh",
        "after a shebang",
    ),
    ("fresh = select(\"#\", ...)", "fresh", "0"),
    (
        "for k in pairs { from = 1 } do fresh = k end goto done ::done::",
        "fresh",
        "from",
    ),
];

#[test]
fn names_are_those_at_the_end_of_the_services_file() {
    let project = Project::with_svc().service("svc", KINDS).file("lualib/tool.lua", TOOL);
    let mut node = project.start();
    node.wait_line("ready");
    for (patch, what, worth) in ROWS {
        apply_well(&project, &mut node, format!("{patch}\n"));
        assert_eq!(node.ask(".svc", &format!("\"{what}\"")), worth, "{patch}");
    }
}

#[test]
fn a_constant_cannot_be_assigned() {
    let project = Project::with_svc().service("svc", KINDS).file("lualib/tool.lua", TOOL);
    let mut node = project.start();
    node.wait_line("ready");
    for (patch, name) in [("LIMIT = 5\n", "LIMIT"), ("TABLE = nil\n", "TABLE")] {
        let summary = apply(&project, &mut node, patch);
        assert!(summary.starts_with("rejected: hotfix/svc/x.lua:1: "), "{summary}");
        assert!(summary.contains(name), "the constant is named: {summary}");
    }
    assert_eq!(node.ask(".svc", "\"limit\""), "10");
}
