//! Mounts in, on and below the letterbox, and file systems that tell nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::stage::{End, Stage, note, project};
use crate::ground::{Mount, on_every_file_system, on_every_file_system_with_mounts};
use crate::harness::Mark;

#[test]
fn what_is_mounted_over_a_folder_counts_and_what_is_below_it_again_later() {
    on_every_file_system_with_mounts(|base| {
        let mut stage = Stage::new(base);
        let mount = Mount::new(stage.project.path("hotfix/svc"), &["-t", "tmpfs", "tmpfs"]);
        stage.sh("P 1 >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.is_archived("svc", "x.lua");
        drop(mount);
        stage.sh("P 2 >$S/x.lua");
        stage.ends(&End::applied(&["1", "2"]));
    });
}

#[test]
fn a_letterbox_that_may_not_be_written_keeps_its_files() {
    on_every_file_system_with_mounts(|base| {
        let project = project(base, &["svc"]);
        project.write("spare/svc/x.lua", note(1));
        let from = project.path("spare").display().to_string();
        let _mount = Mount::new(project.path("hotfix"), &["--bind", "--read-only", &from]);
        let mut stage = Stage::of(project);
        stage.reaches(&End::applied(&["1"]).remains(&["svc/x.lua"]));
        let kept = |line: &str| line.contains("applied files stay in hotfix/svc, and copies are archived: ");
        stage.node.wait_until("it to be said", |node| node.count(kept) == 1);

        // Replayed, and otherwise left alone.
        assert_eq!(stage.node.stop(), 0);
        stage.start_again();
        stage.ends(&End::applied(&["1"]).remains(&["svc/x.lua"]));
        assert_eq!(stage.node.summaries("svc/x.lua"), Vec::<String>::new());
        assert_eq!(stage.node.count(kept), 0, "it was said");

        // Whoever may write there saves the next version.
        stage.project.write("spare/svc/x.lua", note(2));
        stage.sees("1 2");
        stage.project.write("spare/svc/y.lua", note(3));
        stage.ends(&End::applied(&["1", "2", "3"]).remains(&["svc/x.lua", "svc/y.lua"]));
        assert_eq!(stage.node.count(kept), 1, "said once");
    });
}

#[test]
fn sweeping_finds_whole_files_too() {
    on_every_file_system(|base| {
        let mut stage = sweeping(base, &["--poll"], "false");
        let mut file = File::create(stage.project.path("hotfix/svc/x.lua")).expect("the file");
        file.write_all(b"seen[#seen + 1]").expect("a half");
        // There is no lease that tells of the writer: what is there then may be taken for the patch, which the parser refuses.
        thread::sleep(Duration::from_millis(500));
        file.write_all(b" = \"1\"\n").expect("the other half");
        drop(file);
        stage.sees("1");
        stage.sh("P 2 >$S/y.lua");
        stage.ends(&End::applied(&["1", "2"]));
        let others = stage.node.summaries("svc/x.lua").len() - 1;
        assert!(others <= 1, "at most one look at the half");

        let mut stage = sweeping(base, &[], "true");
        stage.sh("P 1 >$S/x.lua");
        stage.reaches(&End::applied(&["1"]));
    });
}

fn sweeping(base: &Path, arguments: &[&str], setting: &str) -> Stage {
    let project = project(base, &["svc"]).set("hotfix", "poll", setting);
    fs::create_dir(project.path("hotfix/svc")).expect("the letterbox");
    let node = project.start_with(arguments);
    Stage::running(project, node)
}

#[test]
fn what_no_event_tells_is_found_by_the_sweep() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        // A rejected file stays, and with it the other name by which it is written to.
        stage.sh("printf 'bad(' >$T/a; ln $T/a $S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "rejected: ");
        stage.sh("P 1 >$T/a");
        stage
            .node
            .wait_line("the sweep found what no event had announced: hotfix/svc/x.lua");
        stage.ends(&End::applied(&["1"]));
    });
}
