//! What a service began with: saves that bring it back, restarts that make it new, links that lead elsewhere.

use std::fs;
use std::os::unix::fs::symlink;

use super::keys::on_terminal;
use super::{AGENT, UTIL, dev, hello, project, said, save};
use crate::harness::{Mark, hotlua};

#[test]
fn a_change_that_is_taken_back_needs_no_restart_any_more() {
    let project = project(2);
    let (mut node, mut press) = on_terminal(&project);
    let start = AGENT.replace(
        "skynet.timeout(1, tick)\n    skynet",
        "skynet.timeout(2, tick)\n    skynet",
    );
    let start_and_more = start.replace("\" from \"", "\" of \"");
    for (changed, taken_back) in [
        (&start, "services/agent.lua: this is what runs"),
        (
            &start_and_more,
            "services/agent.lua: 1 function, 2 holders in 2 of 2 instances",
        ),
    ] {
        let mark = node.mark();
        project.write("services/agent.lua", changed);
        node.wait_line_since(mark, "agent needs a restart: ");
        let mark = node.mark();
        project.write("services/agent.lua", AGENT);
        node.wait_line_since(mark, taken_back);
        press("l");
        node.wait_line_since(mark, "main   1 instance");
        let lines = node.lines_since(mark).join("\n");
        assert!(
            !lines.contains("needs a restart") && !lines.contains("behind"),
            "{lines}"
        );
    }
}

#[test]
fn a_restart_takes_nothing_in_of_what_is_frozen() {
    let project = project(1);
    let (mut node, mut press) = on_terminal(&project);
    node.console().cmd("freeze main").succeeded();
    project.write("lualib/util.lua", UTIL.replace("hello", "good day"));
    node.wait_line("in 1 of 1 instance of agent");
    let mark = node.mark();
    press("R");
    node.wait_line_since(mark, "nothing is restarted: main is frozen since ");
    assert_eq!(node.ask(".main", "0"), "hello main");
    node.console().cmd("unfreeze main").succeeded();
    press("R");
    node.wait_line_since(mark, "[dev] restarted");
    assert_eq!(node.ask(".main", "0"), "good day main");
}

#[test]
fn after_a_restart_in_place_there_is_no_save_to_roll_back() {
    let project = project(1);
    let mut node = dev(&project);
    save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" of \""),
    );
    assert_eq!(hotlua(&project, &["restart", "agent"]).code, 0);
    let rolled_back = hotlua(&project, &["rollback", "agent"]);
    assert_ne!(rolled_back.code, 0, "{rolled_back:?}");
    assert_eq!(hello(&node, ".a1"), "hello you of 1");
}

#[test]
fn a_retired_patch_that_still_lies_in_the_letterbox_does_not_come_back_over_its_newer_source() {
    let project = project(1);
    let mut node = dev(&project);
    project.drop_file("agent", "fix.lua", "function command.hello() return 'patched' end");
    node.wait_summary(Mark::START, "agent/fix.lua");
    assert_eq!(hello(&node, ".a1"), "patched");
    save(
        &project,
        &mut node,
        "services/agent.lua",
        &AGENT.replace("\" from \"", "\" of \""),
    );
    assert_eq!(node.stop(), 0);
    let mut node = dev(&project);
    node.wait_line(
        "hotfix/agent/fix.lua stays where it is: its patch was retired: its source has changed; save it anew",
    );
    assert_eq!(hello(&node, ".a1"), "hello you of 1");
    let mark = node.mark();
    project.drop_file("agent", "fix.lua", "function command.hello() return 'patched' end");
    node.wait_summary(mark, "agent/fix.lua");
    assert_eq!(hello(&node, ".a1"), "patched");
}

#[test]
fn a_link_in_the_place_of_a_file_is_a_save_of_it() {
    let project = project(1);
    let mut node = dev(&project);
    let elsewhere = project.write("elsewhere/util.lua", UTIL.replace("hello", "good day"));
    let mark = node.mark();
    symlink(elsewhere, project.path("lualib/new")).expect("linked");
    fs::rename(project.path("lualib/new"), project.path("lualib/util.lua")).expect("in its place");
    let line = said(&mut node, mark, "lualib/util.lua");
    assert!(line.contains("in 1 of 1 instance of agent"), "{line}");
    assert_eq!(hello(&node, ".a1"), "good day you from 1");
    let mark = node.mark();
    project.write("elsewhere/util.lua", UTIL.replace("hello", "good night"));
    said(&mut node, mark, "lualib/util.lua");
    assert_eq!(hello(&node, ".a1"), "good night you from 1");
}

#[test]
fn a_folder_that_is_a_link_to_a_version_may_be_switched() {
    let project = project(1);
    fs::rename(project.path("lualib"), project.path("v1")).expect("moved");
    project.write("v2/util.lua", UTIL.replace("hello", "good day"));
    symlink("v1", project.path("lualib")).expect("linked");
    let mut node = dev(&project);
    for (version, greeting) in [("v2", "good day"), ("v1", "hello")] {
        let mark = node.mark();
        symlink(version, project.path("next")).expect("linked");
        fs::rename(project.path("next"), project.path("lualib")).expect("switched");
        let line = said(&mut node, mark, "lualib/util.lua");
        assert!(line.contains("in 1 of 1 instance of agent"), "{line}");
        assert_eq!(hello(&node, ".a1"), format!("{greeting} you from 1"));
    }
}
