//! Writers that take their time: nothing happens before the last of them has closed the file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::stage::{End, Stage, note};
use crate::ground::on_every_file_system;
use crate::harness::Mark;

/// How long these writers pause. What is there so far must not be taken for the patch.
const PAUSE: Duration = Duration::from_millis(500);

/// Pauses, and holds that nothing was said of `svc/x.lua`.
#[track_caller]
fn pause(stage: &Stage) {
    thread::sleep(PAUSE);
    assert_eq!(stage.node.summaries("svc/x.lua"), Vec::<String>::new());
}

#[test]
fn a_writer_that_pauses_is_waited_for() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let mut file = File::create(stage.project.path("hotfix/svc/x.lua")).expect("the file");
        file.write_all(b"seen[#seen + 1]").expect("a half");
        pause(&stage);
        file.write_all(b" = \"1\"\n").expect("the other half");
        drop(file);
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn a_writer_whose_every_pause_leaves_valid_lua_is_waited_for_too() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let mut file = File::create(stage.project.path("hotfix/svc/x.lua")).expect("the file");
        file.write_all(note(1).as_bytes()).expect("a half");
        pause(&stage);
        file.write_all(note(2).as_bytes()).expect("the other half");
        drop(file);
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.sees("1 2");
        stage.is_archived("svc", "x.lua");
        thread::sleep(super::stage::A_SWEEP);
        stage.sees("1 2");
        let archived = stage.project.archived_patches("svc");
        assert_eq!(archived.len(), 1);
        assert_eq!(fs::read_to_string(&archived[0]).expect("the patch"), note(1) + &note(2));
    });
}

#[test]
fn of_two_writers_the_last_is_waited_for() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let path = stage.project.path("hotfix/svc/x.lua");
        let mut first = File::create(&path).expect("the file");
        first.write_all(b"seen[#seen + 1]").expect("a half");
        drop(OpenOptions::new().append(true).open(&path).expect("a second writer"));
        pause(&stage);
        first.write_all(b" = \"1\"\n").expect("the other half");
        drop(first);
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn a_file_that_is_moved_there_while_it_is_written_is_waited_for() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let path = stage.project.path("spare/a");
        let mut file = File::create(&path).expect("the file");
        file.write_all(b"seen[#seen + 1]").expect("a half");
        fs::rename(&path, stage.project.path("hotfix/svc/x.lua")).expect("the move");
        pause(&stage);
        file.write_all(b" = \"1\"\n").expect("the other half");
        drop(file);
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn a_file_that_is_held_open_is_said_and_keeps_no_other_waiting() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let path = stage.project.path("spare/a");
        let mut file = File::create(&path).expect("the file");
        file.write_all(note("held").as_bytes()).expect("the text");
        fs::rename(&path, stage.project.path("hotfix/svc/x.lua")).expect("the move");
        let began = Instant::now();
        stage.sh("P other >$S/y.lua");
        stage.hears(Mark::START, "svc/y.lua", "applied to 1 of 1 instance");
        stage.node.wait_line("hotfix/svc/x.lua is open for writing");
        assert!(
            began.elapsed() >= Duration::from_millis(1900),
            "a save may be under way"
        );
        pause(&stage);
        drop(file);
        stage.ends(&End::applied(&["other", "held"]));
        assert_eq!(stage.node.count(|line| line.contains("open for writing")), 1);
    });
}

#[test]
fn a_writer_in_a_hurry_does_not_hurt_the_node() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let began = Instant::now();
        let mut round = 0;
        while began.elapsed() < Duration::from_secs(3) {
            round += 1;
            stage
                .project
                .drop_file("svc", "x.lua", format!("label = \"{round}\"\n"));
            // This often, and no oftener.
            thread::sleep(Duration::from_millis(1));
        }
        let last = round.to_string();
        stage.node.wait_until("the last content to be live", |node| {
            node.ask(".svc", "\"label\"") == last
        });
        stage.is_archived("svc", "x.lua");
        stage.node.wait_line(&format!("+label = \"{last}\""));
        let mark = stage.node.mark();
        thread::sleep(super::stage::A_SWEEP);
        let said = stage.node.lines_since(mark);
        assert!(!said.iter().any(|line| line.contains("svc/x.lua")), "{said:#?}");
        assert_eq!(stage.node.ask(".svc", "\"label\""), last);
    });
}

#[test]
fn an_empty_file_is_waited_for_and_noticed() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let began = Instant::now();
        stage.sh(": >$S/x.lua");
        stage.node.wait_line("hotfix/svc/x.lua is empty");
        assert!(
            began.elapsed() >= Duration::from_millis(1900),
            "a save may be under way"
        );
        stage.sh("P filled >$S/x.lua");
        stage.ends(&End::applied(&["filled"]));
        assert_eq!(stage.node.count(|line| line.contains("is empty")), 1);
    });
}
