//! Several nodes, and instances that end while a patch is on its way.

use std::fs;

use super::stage::{End, Stage, project};
use crate::ground::on_every_file_system;
use crate::harness::Mark;
use crate::harness::svc::SVC;

#[test]
fn one_state_directory_belongs_to_one_node() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let mut second = stage.project.spawn(&["run"]);
        assert_eq!(second.wait_exit(), 1);
        let said = second.lines().join("\n");
        assert!(said.contains("archive"), "{said}");
        assert!(
            said.contains(&stage.node.pid().to_string()),
            "the holder is named: {said}"
        );
        stage.sh("P 1 >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.is_archived("svc", "x.lua");
        stage.node.kill9();
        stage.start_again();
        stage.sh("P 2 >$S/y.lua");
        stage.ends(&End::applied(&["1", "2"]));
    });
}

#[test]
fn an_instance_that_ends_on_the_way_of_a_patch_is_told_and_the_others_have_it() {
    let leaving = SVC.replace(
        "local command = {}",
        r#"local command = { leave = function()
            print "leaving"
            local file = io.open("go")
            while not file do file = io.open("go") end
            skynet.exit()
        end }"#,
    );
    on_every_file_system(|base| {
        let project = project(base, &["svc"]);
        project.write("services/svc.lua", &leaving);
        fs::create_dir(project.path("hotfix/svc")).expect("the letterbox");
        let mut stage = Stage::of(project);
        let launch = "local skynet = require 'skynet' skynet.send(skynet.newservice('svc'), 'lua', 'leave') return 1";
        stage.node.ask(".svc", &format!("\"eval\",\"{launch}\""));
        stage.node.wait_line("leaving");
        // Both have been counted by the time that this is in the history; the second is in the middle of a message.
        stage.sh("P 1 >$S/x.lua");
        stage.sees("1");
        stage.project.write("go", "");
        let summary = stage.node.wait_summary(Mark::START, "svc/x.lua");
        assert!(summary.starts_with("applied to 1 of 2 instances: "), "{summary}");
        stage.node.wait_line("it ended before it had answered");
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn nothing_is_lost_while_the_node_is_down() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.is_archived("svc", "x.lua");
        assert_eq!(stage.node.stop(), 0);
        stage.sh("P 2 >$S/a.lua; P 3 >$S/b.lua");
        stage.start_again();
        stage.ends(&End::applied(&["1", "2", "3"]));
    });
}

#[test]
fn one_letterbox_belongs_to_one_node_unless_files_stay_in_it() {
    on_every_file_system(|base| {
        let stage = Stage::new(base);
        let letterbox = format!("{:?}", stage.project.path("hotfix").display().to_string());
        let second = |after: &str| {
            project(base, &["svc"])
                .set("hotfix", "dir", &letterbox)
                .set("hotfix", "after_apply", after)
        };
        let refused = second("\"archive\"");
        let mut node = refused.spawn(&["run"]);
        assert_eq!(node.wait_exit(), 1);
        let said = node.lines().join("\n");
        assert!(
            said.starts_with("error: another node") && said.contains(" already takes the patches out of "),
            "{said}"
        );
        let keeping = second("\"keep\"");
        keeping.start().wait_line("ready");
    });
}
