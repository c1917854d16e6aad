//! A disk that is full, read-only, elsewhere, locked or damaged: it is said, services and consoles go on, and all is made up for.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{check_books, left, names, seen, trace};
use crate::ground::{Mount, with_mounts};
use crate::harness::svc::running;
use crate::harness::{Mark, Node, Project};

/// A project whose archive is a file system of one MiB, as long as that is mounted.
fn on_a_small_disk(base: &Path, options: &str) -> (Project, Mount) {
    let project = Project::with_svc_in(base);
    fs::create_dir(project.path("archive")).expect("the archive");
    let options = format!("size=1m,mode=700,{options}");
    let mount = Mount::new(project.path("archive"), &["-t", "tmpfs", "-o", &options, "tmpfs"]);
    (project, mount)
}

fn fill(project: &Project) -> PathBuf {
    let filler = project.path("archive/filler");
    let mut file = fs::File::create(&filler).expect("a file");
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    filler
}

#[test]
fn on_a_full_disk_a_patch_is_applied_and_archived_once_there_is_room() {
    with_mounts(|base| {
        let (project, _mount) = on_a_small_disk(base, "rw");
        let mut node = project.start();
        node.wait_line("ready");
        let filler = fill(&project);
        project.drop_file("svc", "x.lua", trace("one"));
        node.wait_line("hotfix/svc/x.lua is applied, but not archived yet: ");
        assert_eq!(seen(&node), "one");
        let said = node.wait_line("cannot append to the journal");
        assert!(said.contains("No space left on device"), "{said}");
        fs::remove_file(filler).expect("room");
        node.wait_line("hotfix/svc/x.lua is archived now");
        node.wait_line("what could not be written down is written now");
        assert_eq!(left(&project), [""; 0]);
        assert_eq!(seen(&node), "one");
        let journal = fs::read_to_string(project.path("archive/journal.jsonl")).expect("the journal");
        assert_eq!(journal.lines().count(), 1, "{journal}");
        let archived = fs::read_dir(project.path("archive/svc")).expect("the archive").count();
        assert_eq!(archived, 2, "the patch and its diff");
    });
}

#[test]
fn what_does_not_fit_waits_until_there_is_room_and_is_said_once() {
    with_mounts(|base| {
        let (project, _mount) = on_a_small_disk(base, "rw");
        let mut node = project.start();
        node.wait_line("ready");
        let filler = fill(&project);
        let large = format!("-- {}\n{}", "x".repeat(600_000), trace("one"));
        project.drop_file("svc", "x.lua", large);
        let said = node.wait_line("hotfix/svc/x.lua is not applied: ");
        assert!(
            said.contains("disk is full: make room on its disk; it is tried again every 5 s"),
            "{said}"
        );
        assert_eq!(seen(&node), "");
        // A smaller patch is not kept out by it.
        project.drop_file("svc", "y.lua", trace("two"));
        node.wait_summary(Mark::START, "svc/y.lua");
        assert_eq!(seen(&node), "two");
        node.stays_quiet(node.mark(), "is not applied");
        fs::remove_file(filler).expect("room");
        // It does not fit together with its archived copy, so there is no more room than this.
        node.wait_summary(Mark::START, "svc/x.lua");
        assert_eq!(seen(&node), "two one");
        assert_eq!(node.count(|line| line.contains("is not applied")), 1);
    });
}

#[test]
fn a_node_that_cannot_write_its_state_does_not_start_and_says_why() {
    with_mounts(|base| {
        let (project, _mount) = on_a_small_disk(base, "ro");
        let mut node = project.spawn(&["run"]);
        let said = node.wait_line("cannot use the state directory");
        assert!(said.contains("Read-only file system"), "{said}");
        assert!(
            said.contains("check `state` under [node] and its permissions"),
            "{said}"
        );
        assert_eq!(node.wait_exit(), 1);
    });
}

#[test]
fn something_in_the_archives_way_is_made_up_for() {
    let (project, mut node) = running();
    let in_the_way = project.write("archive/svc", "");
    project.drop_file("svc", "x.lua", trace("one"));
    node.wait_line("hotfix/svc/x.lua is applied, but not archived yet: ");
    assert_eq!(seen(&node), "one");
    fs::remove_file(in_the_way).expect("out of the way");
    node.wait_line("hotfix/svc/x.lua is archived now");
    assert_eq!(left(&project), [""; 0]);
    check_books(&project);
}

#[test]
fn the_archive_may_be_on_another_file_system() {
    with_mounts(|base| {
        let elsewhere = tempfile::tempdir_in(base).expect("a directory");
        let _mount = Mount::new(&elsewhere, &["-t", "tmpfs", "tmpfs"]);
        let state = format!("{:?}", elsewhere.path().join("state").display().to_string());
        let project = Project::with_svc_in(base).set("node", "state", &state);
        let mut node = project.start();
        node.wait_line("ready");
        for word in ["one", "two"] {
            let mark = node.mark();
            project.drop_file("svc", "x.lua", trace(word));
            node.wait_summary(mark, "svc/x.lua");
            node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
        }
        assert_eq!(seen(&node), "one two");
        let archived = fs::read_dir(elsewhere.path().join("state/svc"))
            .expect("the archive")
            .count();
        assert_eq!(archived, 4, "two patches with their diffs");
    });
}

/// A patch that runs until the file `go` is there, so that something can happen meanwhile.
fn slow(word: &str) -> String {
    format!(
        "io.open('begun', 'w'):close()\nrepeat until os.rename('go', 'gone')\n{}",
        trace(word)
    )
}

/// A node that is in the middle of a patch, and a lock on its database.
fn locked_in_the_middle() -> (Project, Node, Connection) {
    let project = Project::with_svc().set("hotfix", "time_limit", "\"60s\"");
    let mut node = project.start();
    node.wait_line("ready");
    project.drop_file("svc", "x.lua", slow("one"));
    node.wait_until("the patch to run", |_| project.path("begun").exists());
    let other = Connection::open(project.path("archive/history.sqlite3")).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    project.write("go", "");
    (project, node, other)
}

#[test]
fn while_the_database_is_locked_nothing_new_is_begun_and_what_has_happened_is_written_later() {
    let (project, mut node, other) = locked_in_the_middle();
    let said = node.wait_line("the outcome of patch 1 is not written down yet: ");
    assert!(
        said.contains("another program (an `sqlite3` shell?) keeps it locked"),
        "{said}"
    );
    assert_eq!(seen(&node), "one");
    let mark = node.mark();
    project.drop_file("svc", "y.lua", trace("two"));
    node.wait_line_since(mark, "hotfix/svc/y.lua is not applied: ");
    assert_eq!(seen(&node), "one");
    assert!(project.is_waiting("svc", "x.lua"), "it has no verdict yet");
    other.execute_batch("ROLLBACK").expect("unlocked");
    node.wait_line("what could not be written down is written now");
    node.wait_summary(mark, "svc/y.lua");
    node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
    assert_eq!(seen(&node), "one two");
    check_books(&project);
}

#[test]
fn a_node_that_dies_before_it_could_write_an_outcome_applies_the_patch_in_its_next_life() {
    let (project, mut node, other) = locked_in_the_middle();
    node.wait_line("the outcome of patch 1 is not written down yet: ");
    node.kill9();
    other.execute_batch("ROLLBACK").expect("unlocked");
    project.write("go", "");
    let mut node = project.start();
    node.wait_line("patch 1 was under way when the node ended; it did not happen");
    node.wait_line("ready");
    node.wait_until("the patch to be live", |node| seen(node) == "one");
    node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
    check_books(&project);
}

#[test]
fn a_damaged_database_is_said_and_left_as_it_is() {
    let (project, mut node) = running();
    project.drop_file("svc", "x.lua", trace("one"));
    node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
    assert_eq!(node.stop(), 0);
    let database = project.path("archive/history.sqlite3");
    let size = fs::metadata(&database).expect("its size").len() as usize;
    let garbage = vec![0x5a; size];
    fs::write(&database, &garbage).expect("damaged");
    project.drop_file("svc", "y.lua", trace("two"));
    // Without its memory of what is live it does not start; what to do is said.
    let mut node = project.spawn(&["run"]);
    let said = node.wait_line("is damaged");
    assert!(
        said.contains("move it away together with its -wal and -shm files"),
        "{said}"
    );
    assert_eq!(node.wait_exit(), 1);
    assert_eq!(fs::read(&database).expect("it is there"), garbage);
    for file in names(&project, "archive")
        .iter()
        .filter(|name| name.starts_with("history"))
    {
        let away = project.path(&format!("{file}.damaged"));
        fs::rename(project.path("archive").join(file), away).expect("moved away");
    }
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_until("the patch to be live", |node| seen(node) == "two");
}

#[test]
fn a_journal_that_is_removed_is_written_anew_and_one_that_is_rotated_goes_on() {
    let (project, mut node) = running();
    let apply = |node: &mut Node, word: &str| {
        let mark = node.mark();
        project.drop_file("svc", "x.lua", trace(word));
        node.wait_summary(mark, "svc/x.lua");
        node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
    };
    apply(&mut node, "one");
    fs::remove_file(project.path("archive/journal.jsonl")).expect("removed");
    apply(&mut node, "two");
    check_books(&project);
    assert_eq!(project.journal().len(), 2);
    let rotated = project.path("archive/journal.jsonl.1");
    fs::rename(project.path("archive/journal.jsonl"), rotated).expect("rotated");
    apply(&mut node, "three");
    assert_eq!(project.journal().len(), 1);
}

#[test]
fn bytes_behind_the_end_of_journal_and_log_are_no_obstacle() {
    for file in ["journal.jsonl", "history.sqlite3-wal"] {
        let (project, mut node) = running();
        project.drop_file("svc", "x.lua", trace("one"));
        node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
        node.kill9();
        let path = project.path("archive").join(file);
        let mut grown = fs::OpenOptions::new().append(true).open(path).expect("it is there");
        grown.write_all(b"\x00\xff{\"seq").expect("written");
        let mut node = project.start();
        node.wait_line("ready");
        assert_eq!(seen(&node), "one", "{file}");
        check_books(&project);
    }
}
