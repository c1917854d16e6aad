//! All or nothing: whatever a patch has done before it fails, the service's whole state is as it
//! was. One table of harm; each row is applied, fails on purpose, and must leave no trace.

use crate::harness::Project;
use crate::harness::svc::{apply, apply_well, greet};

/// State of every kind, and one command that shows all of it.
const HOARD: &str = r#"
local skynet = require "skynet"

local list = { "a", "b", "c" }
local map = { x = { y = { z = "deep" } }, n = 1 }
local proxy = setmetatable({}, { __index = map })
local count, flag, nothing = 1, false, nil

local function bump()
	count = count + 1
	return count
end

local function factory()
	local n = 0
	return function()
		n = n + 1
		return n
	end
end

local first, second = factory(), factory()
first()
HOARD = { nested = { 1 } }

local command = {}
local original = bump
local original_dump

function command.dump()
	local _, n = debug.getupvalue(first, 1)
	local _, m = debug.getupvalue(second, 1)
	local parts = {
		"list", #list, list[1], list[2], list[3],
		"map", map.x.y.z, map.n, proxy.n, getmetatable(proxy).__index == map,
		"locals", count, flag, nothing, bump == original, command.dump == original_dump, command.fresh,
		"closures", n, m, debug.upvalueid(first, 1) ~= debug.upvalueid(second, 1),
		"globals", HOARD.nested[1], rawget(_G, "FRESH"), type(print), type(tostring),
		"libraries", string.trim, type(string.rep), type(table.remove), package.loaded.fake,
		getmetatable("") and getmetatable("").__index == string, getmetatable(1), getmetatable(nil),
		"protocols", pcall(skynet.send, skynet.self(), "odd"),
	}
	local text = {}
	for i = 1, 40 do
		text[i] = tostring(parts[i])
	end
	return table.concat(text, " ")
end
original_dump = command.dump

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		skynet.retpack(command[name]())
	end)
end)
"#;

/// One row: what a patch does before it fails.
const HARM: [&str; 24] = [
    "list[1] = \"X\" list[4] = \"Y\"",
    "table.remove(list, 2) table.insert(list, 1, \"X\") table.sort(list)",
    "for i = #list, 1, -1 do list[i] = nil end",
    "list = {}",
    "map.x.y.z = nil map.x.y = {} map.x = nil",
    "map.n = 2 rawset(proxy, \"n\", 3)",
    "setmetatable(proxy, nil)",
    "getmetatable(proxy).__index = {}",
    "count = 99 flag = true nothing = {}",
    "bump() bump()",
    "first() first() second()",
    "function bump() return -1 end",
    "bump = function() return -1 end",
    "command.dump = nil function command.fresh() end",
    "debug.setupvalue(first, 1, 50)",
    "debug.upvaluejoin(first, 1, second, 1)",
    "HOARD.nested[1] = nil HOARD = nil FRESH = 1 print = nil tostring = nil",
    "string.trim = 1 string.rep = nil table.remove = nil package.loaded.fake = {}",
    "getmetatable(\"\").__index = {}",
    "debug.setmetatable(\"\", nil)",
    "debug.setmetatable(1, { __index = {} }) debug.setmetatable(nil, { __index = {} })",
    "coroutine.wrap(function() list[1] = \"X\" count = 7 end)()",
    "pcall(function() map.n = 5 error \"caught\" end)",
    "require(\"skynet\").register_protocol { name = \"odd\", id = 150, pack = function() return \"\" end }",
];

#[test]
fn a_failed_patch_leaves_no_trace() {
    let project = Project::with_svc().service("svc", HOARD);
    let mut node = project.start();
    node.wait_line("ready");
    let mut before = node.ask(".svc", "\"dump\"");
    assert!(
        before.starts_with("list 3 a b c map deep 1 1 true locals 1 false nil true true"),
        "{before}"
    );
    let mut traces = Vec::new();
    for harm in HARM {
        let summary = apply(&project, &mut node, format!("{harm}\nerror \"on purpose\"\n"));
        assert!(
            summary.starts_with("failed and undone: hotfix/svc/x.lua:2: on purpose"),
            "{harm}: {summary}"
        );
        let after = node.ask(".svc", "\"dump\"");
        if after != before {
            traces.push(format!("{harm}\n  before: {before}\n  after:  {after}"));
            before = after;
        }
    }
    assert!(traces.is_empty(), "{}", traces.join("\n"));
    apply_well(&project, &mut node, "list[1] = \"z\"\n");
    assert_eq!(node.ask(".svc", "\"dump\""), before.replace(" a b", " z b"));
}

#[test]
fn whatever_is_raised_has_a_summary() {
    let project = Project::with_svc();
    let mut node = project.start();
    node.wait_line("ready");
    for (raise, said) in [
        ("error()", ""),
        ("error(nil)", ""),
        ("error({ code = 7 })", ""),
        (
            "error(setmetatable({}, { __tostring = function() return \"said by the object\" end }))",
            "said by the object",
        ),
        (
            "error(setmetatable({}, { __tostring = function() error \"again\" end }))",
            "",
        ),
        ("error(\"no position\", 0)", "no position"),
        ("error(\"two\\nlines\")", "two"),
        ("local function deep() return 1 + deep() end deep()", ""),
        ("assert(false, \"asserted\")", "asserted"),
        ("assert(nil)", "assertion failed!"),
        ("coroutine.yield()", "yield"),
        (
            "coroutine.wrap(function() error \"in a coroutine\" end)()",
            "in a coroutine",
        ),
        ("skynet.exit()", ""),
        (
            "label = \"half\" skynet.call(skynet.self(), \"lua\", \"label\")",
            "may not wait",
        ),
    ] {
        let summary = apply(&project, &mut node, format!("label = \"half\"\n{raise}\n"));
        assert!(summary.starts_with("failed and undone: "), "{raise}: {summary}");
        assert!(summary.contains(said), "{raise}: {summary}");
        assert_eq!(node.ask(".svc", "\"label\""), "old", "{raise}");
    }
}

/// A heap above the limit is not written down: functions are seen and undone all the same.
#[test]
fn above_the_snapshot_limit_functions_are_still_carried_and_undone() {
    let project = Project::with_svc().set("hotfix", "snapshot_limit", "\"1 KiB\"");
    let mut node = project.start();
    node.wait_line("ready");
    let by_hand = "local mine = command\nmine.greet = function(name) return decorate('by hand ' .. name) end\n";
    let failed = apply(&project, &mut node, format!("{by_hand}error 'no'\n"));
    assert!(
        failed.starts_with("failed and undone: hotfix/svc/x.lua:3: no"),
        "{failed}"
    );
    assert_eq!(greet(&node), "<hello you>");
    let mark = node.mark();
    let applied = apply_well(&project, &mut node, by_hand);
    assert!(applied.contains(": 1 function, 1 holder"), "{applied}");
    node.wait_line_since(mark, "hotfix.snapshot_limit");
    assert_eq!(greet(&node), "<by hand you>");
}
