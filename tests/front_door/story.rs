//! The document that started the project, played with the project as it ships: `itest!` becomes
//! `New itest!`, by the console and by a dropped file.

use std::fs;

use crate::harness::{Mark, Node, Project, repository};

/// A patch in the manner of skynet's `inject`: it digs its way to the upvalue that it needs.
const SEED_STYLE: &str = r#"
if not _P then
	print("hotfix fail, no _P define")
	return
end

print("hotfix begin")

local function upvalues_of(f)
	local found = {}
	local i = 1
	while f do
		local name, value = debug.getupvalue(f, i)
		if name == nil then
			break
		end
		found[name] = value
		i = i + 1
	end
	return found
end

local command = _P.lua.command
local test = upvalues_of(command.do_test).test

command.do_test = function(msg)
	test('New ' .. msg)
end

print("hotfix end")
"#;

/// The handle of simpledb as `list` shows it, `:0000000a`.
fn simpledb(node: &Node) -> String {
    let list = node.console().cmd("list").succeeded();
    let row = list.iter().find(|row| row.ends_with("\tsnlua simpledb"));
    let (handle, _) = row
        .and_then(|row| row.split_once('\t'))
        .unwrap_or_else(|| panic!("no simpledb in {list:?}"));
    handle.to_owned()
}

/// Waits until the loop has printed the new line twice, and holds that the old one is gone.
fn prints_only_new(node: &mut Node, mark: Mark) {
    node.wait_until("two new lines", |node| {
        node.lines_since(mark)
            .iter()
            .filter(|line| *line == "New itest!")
            .count()
            >= 2
    });
    let printed: Vec<String> = node
        .lines_since(mark)
        .into_iter()
        .filter(|line| line.ends_with("itest!"))
        .skip_while(|line| line == "itest!")
        .collect();
    assert!(
        printed.iter().all(|line| line == "New itest!"),
        "the old line came back: {printed:?}"
    );
}

fn wait_for_itest(node: &mut Node) {
    node.wait_until("itest!", |node| node.count(|line| line == "itest!") > 0);
}

#[test]
fn the_shipped_project_prints_itest() {
    let project = Project::shipped();
    let mut node = project.start();
    wait_for_itest(&mut node);
    let handle = simpledb(&node);
    node.wait_line(&format!("[{handle}] LAUNCH snlua simpledb"));
    node.wait_line("[:00000008] LAUNCH snlua main");
    assert_eq!(node.stop(), 0);
}

#[test]
fn simpledb_answers_as_in_skynets_example() {
    let project = Project::shipped();
    let mut node = project.start();
    wait_for_itest(&mut node);
    let handle = simpledb(&node);
    let mut console = node.console();
    assert_eq!(console.call(&handle, "\"ping\",\"hello\""), "hello");
    assert_eq!(console.call(&handle, "\"set\",\"key\",\"first\""), "");
    assert_eq!(console.call(&handle, "\"set\",\"key\",\"second\""), "first");
    assert_eq!(console.call(&handle, "\"get\",\"key\""), "second");
    let refused = console.cmd(&format!("call {handle} \"nosuch\"")).failed();
    assert!(refused.contains("call failed"), "{refused}");
    node.wait_line("Unknown command nosuch");
}

#[test]
fn the_seeds_inject_script_works_by_console() {
    let project = Project::shipped().file("inject_test.lua", SEED_STYLE);
    let mut node = project.start();
    wait_for_itest(&mut node);
    let handle = simpledb(&node);
    let mark = node.mark();
    let reply = node
        .console()
        .cmd(&format!("inject {handle} inject_test.lua"))
        .succeeded();
    assert_eq!(
        reply[..2],
        ["hotfix begin", "hotfix end"],
        "what the patch printed comes first: {reply:?}"
    );
    assert!(
        reply.iter().any(|line| line.contains("applied to 1 of 1 instance")),
        "then the report: {reply:?}"
    );
    prints_only_new(&mut node, mark);
}

#[test]
fn the_shipped_inject_script_works_by_console() {
    let project = Project::shipped();
    let mut node = project.start();
    wait_for_itest(&mut node);
    let mark = node.mark();
    let handle = simpledb(&node);
    let command = format!("inject {handle} examples/patches/inject_simpledb.lua");
    node.console().cmd(&command).succeeded();
    prints_only_new(&mut node, mark);
}

#[test]
fn the_same_script_works_as_a_dropped_file() {
    let project = Project::shipped();
    let mut node = project.start();
    wait_for_itest(&mut node);
    let mark = node.mark();
    project.drop_file("simpledb", "inject_test.lua", SEED_STYLE);
    let summary = node.wait_summary(mark, "simpledb/inject_test.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    prints_only_new(&mut node, mark);
}

#[test]
fn a_copy_of_the_shipped_patch_is_applied_and_its_diff_shown() {
    let project = Project::shipped();
    let mut node = project.start();
    wait_for_itest(&mut node);
    let mark = node.mark();
    let patch = project.path("examples/patches/do_test.lua");
    fs::copy(&patch, project.path("hotfix/simpledb/do_test.lua")).expect("the patch copied");
    let summary = node.wait_summary(mark, "simpledb/do_test.lua");
    assert!(
        summary.starts_with("applied to 1 of 1 instance: 1 function, "),
        "{summary}"
    );
    for line in [
        "-function command.do_test(msg)",
        "+function command.do_test(msg) test(\"New \" .. msg) end",
    ] {
        node.wait_until(&format!("the diff line {line:?}"), |node| {
            node.lines_since(mark).iter().any(|seen| seen == line)
        });
    }
    prints_only_new(&mut node, mark);
    node.wait_until("the letterbox to be empty", |_| {
        !project.is_waiting("simpledb", "do_test.lua")
    });
    assert!(project.path("hotfix/simpledb/README.md").exists(), "the README stays");
}

#[test]
fn the_console_script_may_follow_the_dropped_file() {
    let project = Project::shipped().file("inject_test.lua", SEED_STYLE);
    let mut node = project.start();
    wait_for_itest(&mut node);
    let mark = node.mark();
    project.drop_file(
        "simpledb",
        "louder.lua",
        "function command.do_test(msg) test(\"Louder \" .. msg) end\n",
    );
    node.wait_until("Louder itest!", |node| {
        node.lines_since(mark).iter().any(|l| l == "Louder itest!")
    });
    let mark = node.mark();
    let handle = simpledb(&node);
    let command = format!("inject {handle} inject_test.lua");
    node.console().cmd(&command).succeeded();
    node.wait_until("New itest!", |node| {
        node.lines_since(mark).iter().any(|l| l == "New itest!")
    });
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("a README.md");
    for command in ["cargo run --release", "cargo test"] {
        assert!(readme.contains(command), "{command:?} is not in README.md");
    }
}
