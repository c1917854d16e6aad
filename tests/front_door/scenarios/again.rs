//! The same bytes again, files that wait, files that were there before, and what is saved while something is under way.

use std::fs;

use super::stage::{End, Stage, note, project};
use crate::ground::on_every_file_system;
use crate::harness::Mark;
use crate::harness::svc::SVC;

#[test]
fn the_same_bytes_again_are_unchanged_and_archived() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.is_archived("svc", "x.lua");
        let mark = stage.node.mark();
        stage.sh("P 1 >$S/x.lua");
        stage.hears(mark, "svc/x.lua", "unchanged: these bytes are live already");
        stage.ends(&End::applied(&["1"]).archived("svc", &[note(1), note(1)]));
    });
}

#[test]
fn a_text_that_comes_back_is_applied_again() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        for value in ["1", "2", "1"] {
            let mark = stage.node.mark();
            stage.sh(&format!("P {value} >$S/x.lua"));
            stage.hears(mark, "svc/x.lua", "applied to 1 of 1 instance");
            stage.is_archived("svc", "x.lua");
        }
        stage.ends(&End::applied(&["1", "2", "1"]));
    });
}

#[test]
fn a_file_that_waits_for_its_service_is_applied_once_whatever_is_done_to_it() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.project.write("services/ghost.lua", SVC);
        stage.sh("mkdir $R/ghost; P 1 >$R/ghost/x.lua");
        stage.hears(Mark::START, "ghost/x.lua", "waiting: no instance of ghost is running");
        stage.sh("for i in 1 2 3 4 5 6 7 8 9 10; do
            touch $R/ghost/x.lua; chmod 600 $R/ghost/x.lua; cat <$R/ghost/x.lua >/dev/null
        done");
        let launch =
            "require 'skynet.manager' require('skynet').name('.ghost', require('skynet').newservice('ghost')) return 1";
        stage.node.ask(".svc", &format!("\"eval\",\"{launch}\""));
        stage.ends(&End::applied(&[]).and("ghost", &["1"]));
        assert_eq!(
            stage.node.summaries("ghost/x.lua").len(),
            2,
            "said once, and applied once"
        );
    });
}

#[test]
fn files_that_were_there_before_are_applied_in_the_order_of_their_names() {
    on_every_file_system(|base| {
        let project = project(base, &["svc"]);
        for name in ["b", "c", "a"] {
            project.drop_file("svc", &format!("{name}.lua"), note(name));
        }
        Stage::of(project).ends(&End::applied(&["a", "b", "c"]));
    });
}

#[test]
fn a_rejected_file_stays_and_is_tried_again_only_when_it_changes() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("printf 'return (' >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "rejected: hotfix/svc/x.lua:1: ");
        stage.ends(&End::applied(&[]).remains(&["svc/x.lua"]));
        assert_eq!(stage.node.summaries("svc/x.lua").len(), 1, "said once");
        stage.sh("P 1 >$S/x.lua");
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn a_patch_is_replayed_once_when_the_node_starts_again() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.is_archived("svc", "x.lua");
        stage.node.kill9();
        stage.start_again();
        stage.node.wait_line("[hotfix] svc/x.lua replayed to the new instance");
        stage.ends(&End::applied(&["1"]));
        let replays = stage.project.journal();
        let replays = replays.iter().filter(|line| line["event"] == "replayed").count();
        assert_eq!(replays, 1);
    });
}

#[test]
fn a_file_that_is_kept_is_applied_once_and_then_replayed() {
    on_every_file_system(|base| {
        let project = project(base, &["svc"]).set("hotfix", "after_apply", "\"keep\"");
        project.drop_file("svc", "x.lua", note(1));
        let mut stage = Stage::of(project);
        stage.reaches(&End::applied(&["1"]).remains(&["svc/x.lua"]));
        stage.node.kill9();
        stage.start_again();
        stage.ends(&End::applied(&["1"]).remains(&["svc/x.lua"]));
        assert_eq!(
            stage.node.summaries("svc/x.lua"),
            Vec::<String>::new(),
            "its replay is all"
        );
        stage.sh("P 2 >$S/x.lua");
        stage.sees("1 2");
        stage
            .node
            .wait_until("the copy", |_| stage.project.archived_patches("svc").len() == 2);
        stage.node.kill9();
        // What is not replayed is what lies there.
        stage.node = stage.project.start_with(&["--no-replay"]);
        stage.node.wait_line("ready");
        stage.ends(
            &End::applied(&["2"])
                .archived("svc", &[note(1), note(2), note(2)])
                .remains(&["svc/x.lua"]),
        );
    });
}

#[test]
fn a_patch_may_write_the_next_one() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let patch = format!(
            "local file = assert(io.open({:?}, \"w\"))\nfile:write('seen[#seen + 1] = \"2\"\\n')\nfile:close()\n{}",
            stage.project.path("hotfix/svc/x.lua"),
            note(1)
        );
        stage.project.drop_file("svc", "x.lua", &patch);
        stage.ends(&End::applied(&["1", "2"]).archived("svc", &[patch, note(2)]));
    });
}

#[test]
fn a_save_right_after_an_apply_is_handled_once() {
    // The node is about to take the applied file away: it must neither take the new bytes with it nor look at them twice.
    const ROUNDS: usize = 20;
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        for round in 0..ROUNDS {
            let mark = stage.node.mark();
            stage.project.drop_file("svc", "x.lua", note(round));
            stage.hears(mark, "svc/x.lua", "applied to 1 of 1 instance");
            let mark = stage.node.mark();
            stage.project.drop_file("svc", "x.lua", format!("not Lua {round}\n"));
            stage.hears(mark, "svc/x.lua", "rejected: ");
        }
        let values: Vec<String> = (0..ROUNDS).map(|round| round.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        stage.ends(&End::applied(&values).remains(&["svc/x.lua"]));
        assert_eq!(stage.node.summaries("svc/x.lua").len(), 2 * ROUNDS);
    });
}

#[test]
fn a_file_that_is_moved_away_and_back_after_a_refusal_is_another_drop() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("echo 'seen[#seen + 1] = (' >$T/x.lua");
        for round in 1..=2 {
            let mark = stage.node.mark();
            stage.sh("mv $T/x.lua $S/");
            stage.hears(mark, "svc/x.lua", "rejected: ");
            stage.sh(&format!("mv $S/x.lua $T/; P {round} >$S/y.lua"));
            // What comes after it has been seen, so it has been seen as well.
            stage.hears(mark, "svc/y.lua", "applied to 1 of 1 instance");
            stage.is_archived("svc", "y.lua");
        }
    });
}

#[test]
fn files_that_are_kept_are_not_handled_again_by_the_next_run() {
    on_every_file_system(|base| {
        let project = project(base, &["svc"]).set("hotfix", "after_apply", "\"keep\"");
        fs::create_dir(project.path("hotfix/svc")).expect("the letterbox");
        let mut stage = Stage::of(project);
        // Each at another moment of the history's milliseconds.
        for number in 0..20 {
            stage.sh(&format!("P {number} >$T/a; mv $T/a $S/x{number}.lua"));
            stage.hears(Mark::START, &format!("svc/x{number}.lua"), "applied to 1 of 1 instance");
        }
        let project = &stage.project;
        let archived = || project.archived_patches("svc").len();
        stage.node.wait_until("all to be archived", |_| archived() == 20);
        assert_eq!(stage.node.stop(), 0);
        stage.start_again();
        std::thread::sleep(super::stage::A_SWEEP);
        assert_eq!(stage.project.archived_patches("svc").len(), 20);
        assert_eq!(stage.node.count(|line| line.contains("unchanged")), 0);
    });
}
