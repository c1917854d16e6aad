//! The ways in which a file gets into `hotfix/<service>/`: each is applied once, whole, and the
//! file is archived with exactly its bytes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::harness::{Mark, Node, Project, QUIET};

/// Longer than the watcher's sweep may take to come round: a file that it finds anew would be
/// applied a second time by then.
const AFTER_A_SWEEP: Duration = Duration::from_secs(4);

/// A patch that leaves a trace each time it is applied.
fn note(value: &str) -> String {
    format!("seen[#seen + 1] = \"{value}\"\n")
}

/// Waits until the patch was applied and archived, then makes sure that it was once.
fn applied_once(project: &Project, node: &mut Node, bytes: &str, seen: &str) {
    node.wait_summary(Mark::START, "svc/x.lua");
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
    thread::sleep(AFTER_A_SWEEP);
    assert_eq!(node.ask(".svc", "\"seen\""), seen);
    let summaries = node.summaries("svc/x.lua");
    assert_eq!(summaries.len(), 1, "{summaries:?}");
    let archived = project.archived_patches("svc");
    assert_eq!(archived.len(), 1, "{archived:?}");
    assert_eq!(fs::read_to_string(&archived[0]).expect("the archived file"), bytes);
}

/// A project with `svc` running and an empty letterbox for it.
fn running() -> (Project, Node) {
    let project = Project::with_svc();
    fs::create_dir(project.path("hotfix/svc")).expect("the letterbox");
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

/// Runs a program in the project's directory; it must succeed.
fn run(project: &Project, program: &str, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(project.path("."))
        .status();
    assert!(status.expect("the program starts").success(), "{program} {arguments:?}");
}

#[test]
fn by_cp() {
    let (project, mut node) = running();
    let patch = note("cp");
    project.write("x.lua", &patch);
    run(&project, "cp", &["x.lua", "hotfix/svc/"]);
    applied_once(&project, &mut node, &patch, "cp");
    assert!(project.path("x.lua").exists(), "the source is not touched");
}

#[test]
fn by_cp_keeping_times_and_mode() {
    let (project, mut node) = running();
    let patch = note("cp -p");
    project.write("x.lua", &patch);
    run(&project, "cp", &["-p", "x.lua", "hotfix/svc/"]);
    applied_once(&project, &mut node, &patch, "cp -p");
}

#[test]
fn by_mv() {
    let (project, mut node) = running();
    let patch = note("mv");
    project.write("x.lua", &patch);
    run(&project, "mv", &["x.lua", "hotfix/svc/"]);
    applied_once(&project, &mut node, &patch, "mv");
}

#[test]
fn by_mv_from_another_file_system() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: there is no /dev/shm to move from");
        return;
    };
    let (project, mut node) = running();
    let patch = note("mv");
    let source = elsewhere.path().join("x.lua");
    fs::write(&source, &patch).expect("the patch written");
    let source = source.to_str().expect("a UTF-8 path");
    run(&project, "mv", &[source, "hotfix/svc/"]);
    applied_once(&project, &mut node, &patch, "mv");
}

#[test]
fn by_a_hard_link() {
    let (project, mut node) = running();
    let patch = note("ln");
    project.write("x.lua", &patch);
    run(&project, "ln", &["x.lua", "hotfix/svc/x.lua"]);
    applied_once(&project, &mut node, &patch, "ln");
    assert_eq!(
        fs::read_to_string(project.path("x.lua")).expect("the other link"),
        patch
    );
}

#[test]
fn by_a_writer_that_pauses_in_the_middle() {
    let (project, mut node) = running();
    let path = project.path("hotfix/svc/x.lua");
    let mut file = fs::File::create(&path).expect("the file created");
    for piece in ["seen[#seen", " + 1]", " = \"slow\"\n"] {
        file.write_all(piece.as_bytes()).expect("a piece written");
        // The pause is the point: what is there so far must not be taken for the patch.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(node.summaries("svc/x.lua"), Vec::<String>::new());
    }
    drop(file);
    applied_once(&project, &mut node, &note("slow"), "slow");
}

#[test]
fn by_a_writer_whose_every_pause_leaves_valid_lua() {
    let (project, mut node) = running();
    let path = project.path("hotfix/svc/x.lua");
    let mut file = fs::File::create(&path).expect("the file created");
    file.write_all(note("one").as_bytes()).expect("a piece");
    thread::sleep(Duration::from_millis(500));
    file.write_all(note("two").as_bytes()).expect("a piece");
    drop(file);
    applied_once(&project, &mut node, &(note("one") + &note("two")), "one two");
}

#[test]
fn by_two_writers_only_after_the_last_has_closed() {
    let (project, mut node) = running();
    let path = project.path("hotfix/svc/x.lua");
    let mut first = fs::File::create(&path).expect("the file created");
    first.write_all(b"seen[#seen + 1]").expect("a piece");
    drop(OpenOptions::new().append(true).open(&path).expect("a second writer"));
    thread::sleep(Duration::from_millis(300));
    assert_eq!(node.summaries("svc/x.lua"), Vec::<String>::new());
    first.write_all(b" = \"both\"\n").expect("the rest");
    drop(first);
    applied_once(&project, &mut node, &note("both"), "both");
}

#[test]
fn by_an_editor_that_writes_a_temporary_file_and_renames() {
    let (project, mut node) = running();
    let patch = note("editor");
    for name in ["sedAH2qlA", ".x.lua.a8Kq2Z", "x.lua___tmp___"] {
        // Other temporary names beside it are never touched.
        project.drop_file("svc", name, "this is = = not Lua");
    }
    let temporary = project.drop_file("svc", "x.lua.om9RcuW", &patch);
    thread::sleep(Duration::from_millis(100));
    fs::rename(temporary, project.path("hotfix/svc/x.lua")).expect("the rename");
    applied_once(&project, &mut node, &patch, "editor");
    for name in ["sedAH2qlA", ".x.lua.a8Kq2Z", "x.lua___tmp___"] {
        assert!(project.is_waiting("svc", name), "{name} stays");
    }
}

#[test]
fn by_sed_in_place_after_a_rejection() {
    let (project, mut node) = running();
    project.drop_file("svc", "x.lua", "seen[#seen + 1] = = \"sed\"\n");
    let mark = node.mark();
    let rejected = node.wait_summary(Mark::START, "svc/x.lua");
    assert!(rejected.starts_with("rejected: hotfix/svc/x.lua:1: "), "{rejected}");
    run(&project, "sed", &["-i", "s/= =/=/", "hotfix/svc/x.lua"]);
    node.wait_until("the corrected file to be applied", |node| {
        node.summaries("svc/x.lua")
            .iter()
            .any(|line| line.starts_with("applied to 1 of 1 instance"))
    });
    node.stays_quiet(mark, "svc/sed");
    assert_eq!(node.ask(".svc", "\"seen\""), "sed");
}

#[test]
fn by_mv_again_after_a_rejection_and_a_mv_out() {
    let (project, mut node) = running();
    let bad = "seen[#seen + 1] = (\n";
    project.write("x.lua", bad);
    for _ in 0..2 {
        let mark = node.mark();
        run(&project, "mv", &["x.lua", "hotfix/svc/"]);
        assert!(node.wait_summary(mark, "svc/x.lua").starts_with("rejected: "));
        run(&project, "mv", &["hotfix/svc/x.lua", "."]);
        // What comes after it has been seen, so it has been seen as well.
        let mark = node.mark();
        project.drop_file("svc", "y.lua", note("y"));
        node.wait_summary(mark, "svc/y.lua");
        node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "y.lua"));
    }
}

#[test]
fn by_vim() {
    if Command::new("vim").arg("--version").output().is_err() {
        println!("skipped: vim is not installed");
        return;
    }
    let (project, mut node) = running();
    project.drop_file("svc", "x.lua", "not Lua at all\n");
    node.wait_until("the rejection", |node| node.summaries("svc/x.lua").len() == 1);
    for (round, backup) in ["auto", "no", "yes"].into_iter().enumerate() {
        project.drop_file("svc", "x.lua", format!("not Lua {round}\n"));
        node.wait_until("the rejection", |node| {
            node.summaries("svc/x.lua").len() == 2 * round + 2
        });
        let copy = format!("set bsk= bkc={backup}");
        let edit = format!("%s/.*/seen[#seen + 1] = '{backup}'/");
        run(
            &project,
            "vim",
            &[
                "-u",
                "NONE",
                "-N",
                "-es",
                "-c",
                &copy,
                "-c",
                &edit,
                "-c",
                "wq",
                "hotfix/svc/x.lua",
            ],
        );
        node.wait_until("the saved file to be applied", |node| {
            node.summaries("svc/x.lua").len() == 2 * round + 3
        });
        let last = node.summaries("svc/x.lua").pop().unwrap_or_default();
        assert!(last.starts_with("applied to 1 of 1 instance"), "{last}");
    }
    thread::sleep(QUIET);
    assert_eq!(node.ask(".svc", "\"seen\""), "auto no yes");
}

#[test]
fn into_a_folder_that_is_made_with_it() {
    let project = Project::with_svc();
    let mut node = project.start();
    node.wait_line("ready");
    let patch = note("new folder");
    project.drop_file("svc", "x.lua", &patch);
    applied_once(&project, &mut node, &patch, "new folder");
}

#[test]
fn in_a_folder_that_is_moved_in_whole() {
    let project = Project::with_svc();
    let mut node = project.start();
    node.wait_line("ready");
    let patch = note("moved");
    project.write("prepared/x.lua", &patch);
    run(&project, "mv", &["prepared", "hotfix/svc"]);
    applied_once(&project, &mut node, &patch, "moved");
}

#[test]
fn when_the_hotfix_folder_itself_is_made_later() {
    let project = Project::with_svc();
    fs::remove_dir(project.path("hotfix")).expect("the folder removed");
    let mut node = project.start();
    node.wait_line("ready");
    let patch = note("late root");
    project.drop_file("svc", "x.lua", &patch);
    applied_once(&project, &mut node, &patch, "late root");
}

#[test]
fn many_files_at_once_each_once() {
    const FILES: usize = 100;
    let (project, mut node) = running();
    for i in 0..FILES {
        project.drop_file("svc", &format!("f{i}.lua"), note(&i.to_string()));
    }
    node.wait_until("all of them to be applied", |node| {
        node.count(|line| line.contains("applied to 1 of 1 instance")) >= FILES
    });
    let mut seen: Vec<usize> = node
        .ask(".svc", "\"seen\"")
        .split(' ')
        .map(|value| value.parse().expect("a number"))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..FILES).collect::<Vec<_>>());
    node.wait_until("all to be archived", |_| project.archived_patches("svc").len() == FILES);
}
