//! Ordinary ways to put a file there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::stage::{End, Stage, note};
use crate::ground::{needs, on_every_file_system, skip};
use crate::harness::Mark;

#[test]
fn a_file_that_is_written_in_place_is_live_soon_after() {
    on_every_file_system(|base| {
        // Far above the goal (single milliseconds), so that a busy machine cannot fail it, and far below a debounce or a sweep.
        const SOON: Duration = Duration::from_millis(500);
        let mut stage = Stage::new(base);
        let mut took = in_place(&mut stage, 50);
        took.sort();
        assert!(took[took.len() / 2] < SOON, "{took:?}");
        let values: Vec<String> = (0..50).map(|round| round.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        stage.ends(&End::applied(&values));
    });
}

/// Saves so often, and tells how long each took from the first byte to the summary.
fn in_place(stage: &mut Stage, rounds: usize) -> Vec<Duration> {
    let save = |round: usize| {
        let mark = stage.node.mark();
        let began = Instant::now();
        stage.project.drop_file("svc", "x.lua", note(round));
        stage.hears(mark, "svc/x.lua", "applied to 1 of 1 instance");
        let took = began.elapsed();
        stage.is_archived("svc", "x.lua");
        took
    };
    (0..rounds).map(save).collect()
}

/// `cargo test --release --test front_door how_soon_a_save_is_live -- --ignored --nocapture`. The harness looks every five milliseconds, which
/// is what the figures are made of at best.
#[test]
#[ignore = "measures, and holds nothing"]
fn how_soon_a_save_is_live() {
    on_every_file_system(|base| {
        let mut took = in_place(&mut Stage::new(base), 200);
        took.sort();
        println!("{}: p50 {:?}, p99 {:?}", base.display(), took[100], took[198]);
    });
}

#[test]
fn a_file_that_is_copied_there_is_applied_once() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$T/x.lua; cp $T/x.lua $S/");
        stage.sees("1");
        stage.sh("P 2 >$T/y.lua; cp -p $T/y.lua $S/");
        stage.sees("1 2");
        stage.sh("P 3 >$T/z.lua; install -m 600 $T/z.lua $S/ || [ ! -e $S/z.lua ]");
        stage.ends(&End::applied(&["1", "2", "3"]));
        assert!(stage.project.path("spare/x.lua").exists(), "the source is not touched");
    });
}

#[test]
fn a_file_that_is_moved_there_is_applied_once() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$T/a; mv $T/a $S/x.lua");
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn a_file_that_is_moved_there_from_another_file_system_is_applied_once() {
    on_every_file_system(|base| {
        let other = other_file_system(base);
        let mut stage = Stage::new(base);
        stage.sh(&format!("P 1 >{0}/a; mv {0}/a $S/x.lua", other.path().display()));
        stage.ends(&End::applied(&["1"]));
    });
}

/// A directory on another file system than this one.
fn other_file_system(base: &Path) -> TempDir {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let candidates = [
        std::env::temp_dir(),
        "/dev/shm".into(),
        env!("CARGO_TARGET_TMPDIR").into(),
    ];
    let mut others = candidates.iter().filter(|path| device(path) != device(base));
    let found = others.find_map(|path| tempfile::tempdir_in(path).ok());
    found.unwrap_or_else(|| skip("there is no other file system to move from"))
}

#[test]
fn a_hard_link_is_applied_once_and_its_other_name_stays() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$T/a; ln $T/a $S/x.lua");
        stage.ends(&End::applied(&["1"]));
        let other = fs::read_to_string(stage.project.path("spare/a"));
        assert_eq!(other.expect("the other name"), note(1));
    });
}

#[test]
fn files_that_are_synchronised_or_copied_from_afar_are_applied_once_each() {
    on_every_file_system(|base| {
        needs("scp");
        needs("rsync");
        let mut stage = Stage::new(base);
        stage.sh("mkdir $T/src; P 1 >$T/src/a.lua; P 2 >$T/src/b.lua; rsync -a $T/src/ $S/");
        stage.hears(Mark::START, "svc/a.lua", "applied");
        stage.hears(Mark::START, "svc/b.lua", "applied");
        let seen = super::stage::see(&stage.node, "svc");
        // rsync may close its files in any order.
        let mut values: Vec<&str> = seen.split(' ').collect();
        stage.sh("P 3 >$T/src/c.lua; scp -q $T/src/c.lua $S/");
        values.push("3");
        stage.ends(&End::applied(&values));
        let mut once = values.clone();
        once.sort_unstable();
        assert_eq!(once, ["1", "2", "3"]);
    });
}

#[test]
fn names_with_spaces_and_letters_of_any_script_are_fine() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let names = ["with space.lua", "\u{6d4b}\u{8bd5}.lua", "it's \"quoted\".lua"];
        for (round, name) in names.into_iter().enumerate() {
            stage.project.drop_file("svc", name, note(round));
            stage.hears(Mark::START, &format!("svc/{name}"), "applied to 1 of 1 instance");
        }
        stage.ends(&End::applied(&["0", "1", "2"]));
    });
}
