//! Which instances a patch reaches: all that run, each with its own result, and those that start
//! later.

use crate::harness::svc::{GREETING, SVC, apply, apply_well, running};
use crate::harness::{Mark, Project};

#[test]
fn every_instance_is_patched() {
    let project = Project::empty().service("svc", SVC).service(
        "main",
        r#"
            local skynet = require "skynet"
            require "skynet.manager"
            skynet.start(function()
                for i = 1, 3 do
                    skynet.name(".svc" .. i, skynet.newservice "svc")
                end
                print "ready"
            end)"#,
    );
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.ask(".svc2", "\"add\",5"), "5");
    let summary = apply(&project, &mut node, GREETING);
    assert!(summary.starts_with("applied to 3 of 3 instances: "), "{summary}");
    for name in [".svc1", ".svc2", ".svc3"] {
        assert_eq!(node.ask(name, "\"greet\",\"you\""), "<good day you>");
    }
    assert_eq!(node.ask(".svc1", "\"add\",1"), "1");
    assert_eq!(node.ask(".svc2", "\"add\",1"), "6");
}

#[test]
fn instances_that_fail_are_named_one_by_one() {
    let project = Project::with_svc().service(
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
    assert_eq!(node.ask(".svc2", "\"add\",5"), "5");
    let mark = node.mark();
    let patch = format!("if total > 0 then error \"has state\" end\n{GREETING}");
    let summary = apply(&project, &mut node, patch);
    assert!(summary.starts_with("applied to 1 of 2 instances: "), "{summary}");
    node.wait_line_since(mark, "hotfix/svc/x.lua:1: has state");
    assert_eq!(node.ask(".svc1", "\"greet\",\"you\""), "<good day you>");
    assert_eq!(node.ask(".svc2", "\"greet\",\"you\""), "<hello you>");
}

#[test]
fn an_instance_started_later_is_patched_before_newservice_returns() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    // `spawn` starts another svc and calls it at once.
    assert_eq!(node.ask(".svc", "\"spawn\",\"svc\""), "<good day child>");
}

#[test]
fn an_unpatched_service_beside_it_is_left_alone() {
    let (project, mut node) = running();
    let other = project.path("services/other.lua");
    std::fs::write(other, SVC).expect("another service");
    apply_well(&project, &mut node, GREETING);
    assert_eq!(node.ask(".svc", "\"spawn\",\"other\""), "<hello child>");
}

#[test]
fn a_patch_for_a_service_that_is_not_running_waits() {
    let project = Project::with_svc().service("ghost", SVC);
    let mut node = project.start();
    node.wait_line("ready");
    let mark = node.mark();
    project.drop_file("ghost", "x.lua", GREETING);
    assert_eq!(
        node.wait_summary(mark, "ghost/x.lua"),
        "waiting: no instance of ghost is running"
    );
    let mark = node.mark();
    node.stays_quiet(mark, "ghost/x.lua");
    assert!(project.is_waiting("ghost", "x.lua"));

    // Its first answer may come before the patch or after it.
    node.ask(".svc", "\"spawn\",\"ghost\"");
    let summary = node.wait_summary(mark, "ghost/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(node.ask(".svc", "\"spawn\",\"ghost\""), "<good day child>");
    let said = node.summaries("ghost/x.lua");
    assert_eq!(
        said.iter().filter(|s| s.starts_with("waiting: ")).count(),
        1,
        "{said:?}"
    );
}

#[test]
fn a_service_that_never_returns_holds_up_no_other() {
    let project = Project::with_svc().service("other", SVC);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.ask(".svc", "\"spawn\",\"other\""), "<hello child>");
    let mut stuck = node.console();
    stuck.send("call .svc \"eval\",\"print 'stuck' while true do end\"\n");
    node.wait_line("stuck");
    project.drop_file("svc", "x.lua", GREETING);
    project.drop_file("other", "x.lua", GREETING);
    let summary = node.wait_summary(Mark::START, "other/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(node.summaries("svc/x.lua"), Vec::<String>::new());
    assert_eq!(node.stop(), 0);
}

#[test]
fn files_that_wait_at_start_are_applied_in_name_order() {
    let project = Project::with_svc();
    for name in ["b", "a10", "c", "a"] {
        project.drop_file("svc", &format!("{name}.lua"), format!("seen[#seen + 1] = \"{name}\"\n"));
    }
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_until("four patches", |node| {
        node.count(|line| line.contains("applied to 1 of 1 instance")) == 4
    });
    assert_eq!(node.ask(".svc", "\"seen\""), "a a10 b c");
}

#[test]
fn a_slash_in_a_services_name_is_a_dot_in_the_letterbox() {
    let project = Project::with_svc().file("services/game/room.lua", SVC);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.ask(".svc", "\"spawn\",\"game/room\""), "<hello child>");
    project.drop_file("game.room", "x.lua", GREETING);
    let summary = node.wait_summary(Mark::START, "game.room/x.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance: "), "{summary}");
    assert_eq!(node.ask(".svc", "\"spawn\",\"game/room\""), "<good day child>");
}

/// Keeps one function in many places.
const HOLDERS: &str = r#"
local skynet = require "skynet"

local function work()
	return "old"
end

local kept = { field = work, [1] = { deep = work }, [work] = "as a key" }
local object = setmetatable({}, { __index = { inherited = work } })
local saved = work
local command = { work = work }

local function indirectly()
	return work()
end

function command.all()
	local as_key
	for key, value in pairs(kept) do
		if value == "as a key" then
			as_key = key
		end
	end
	return table.concat({
		command.work(), work(), kept.field(), kept[1].deep(), as_key(),
		object.inherited(), saved(), indirectly(),
	}, " ")
end

function command.identical()
	return tostring(command.work == saved and saved == kept.field and kept[saved] == "as a key")
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		skynet.retpack(command[name]())
	end)
end)
"#;

#[test]
fn every_holder_of_the_old_function_gets_the_new_one() {
    let project = Project::with_svc().service("svc", HOLDERS);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.ask(".svc", "\"all\""), "old old old old old old old old");
    apply_well(&project, &mut node, "function work() return \"new\" end\n");
    assert_eq!(node.ask(".svc", "\"all\""), "new new new new new new new new");
    assert_eq!(node.ask(".svc", "\"identical\""), "true");
}
