//! Tests of the history: each step survives a crash, and the right version counts as live.

use std::fs;

use tempfile::TempDir;

use super::{History, HistoryError};
use crate::hotfix::record::samples::{event, intake, verdict};
use crate::hotfix::record::{ArchivedAs, EventKind, Outcome, PatchId, Subject, Target, Withdrawn, sha256};
use crate::patch::outcome::Status;

mod damage;

fn open(dir: &TempDir) -> History {
    History::open(dir.path()).unwrap()
}

fn fresh() -> (TempDir, History) {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    (dir, history)
}

/// What is on the disk when the process is killed now.
fn killed(dir: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        // The shared memory is gone with the process.
        if !name.to_string_lossy().ends_with("-shm") {
            fs::copy(&path, copy.path().join(name)).unwrap();
        }
    }
    copy
}

fn applied(history: &mut History, name: &str, bytes: &[u8]) -> PatchId {
    let id = history.begin(&intake("simpledb", name, bytes)).unwrap();
    history.finish(id, &verdict(Status::Applied)).unwrap();
    id
}

#[test]
fn every_step_is_on_the_disk_when_its_call_returns() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    let bytes = b"-- reason: x\r\nprint '\0\xff'";

    let id = history.begin(&intake("simpledb", "x.lua", bytes)).unwrap();
    let after_intent = killed(&dir);
    history.finish(id, &verdict(Status::Applied)).unwrap();
    let after_result = killed(&dir);
    let file = "simpledb/000001-x.lua".to_owned();
    history.archived(id, &ArchivedAs { file: file.clone() }).unwrap();
    let after_archived = killed(&dir);

    let mut history = open(&after_intent);
    let abandoned = history.abandon_unfinished().unwrap();
    assert_eq!(abandoned.len(), 1);
    assert!(abandoned[0].never_happened);
    assert_eq!(history.abandon_unfinished().unwrap(), []);
    assert_eq!(history.unarchived().unwrap(), []);
    assert_eq!(history.active(None).unwrap(), []);
    assert_eq!(history.last("simpledb", "x.lua").unwrap(), None);
    assert_eq!(history.list(None, 9).unwrap(), abandoned);
    assert_eq!(history.show(id).unwrap().unwrap().bytes, bytes);
    let error = history.finish(id, &verdict(Status::Applied)).unwrap_err();
    assert!(matches!(error, HistoryError::Finished(PatchId(1))), "{error}");

    let mut history = open(&after_result);
    assert_eq!(history.abandon_unfinished().unwrap(), []);
    let unarchived = history.unarchived().unwrap();
    assert_eq!(unarchived.len(), 1);
    assert_eq!(unarchived[0].outcome, Outcome::from(&verdict(Status::Applied)));
    assert_eq!(history.active(None).unwrap()[0].bytes, bytes);

    let mut history = open(&after_archived);
    assert_eq!(history.abandon_unfinished().unwrap(), []);
    assert_eq!(history.unarchived().unwrap(), []);
    let shown = history.show(id).unwrap().unwrap();
    assert_eq!(shown.record.file, Some(file));
    assert_eq!(shown.diff, "-old\n+new\n");
    assert_eq!(shown.sources, verdict(Status::Applied).sources);
}

#[test]
fn commits_wait_for_the_disk() {
    let (_dir, history) = fresh();
    let pragma = |name: &str| -> String {
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        history.db.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
}

#[test]
fn numbers_count_from_one_and_bytes_are_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    let ids = [b"a", b"b", b"a"].map(|bytes| applied(&mut history, "x.lua", bytes));
    assert_eq!(ids, [1, 2, 3].map(PatchId));
    drop(history);

    let mut history = open(&dir);
    assert_eq!(applied(&mut history, "y.lua", b"a"), PatchId(4));
    let contents: i64 = history
        .db
        .query_row("SELECT count(*) FROM content", [], |row| row.get(0))
        .unwrap();
    assert_eq!(contents, 2);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (_dir, mut history) = fresh();
    for (service, name) in [("..", "x.lua"), ("a/b", "x.lua"), ("a", "../x.lua"), ("a", "")] {
        let error = history.begin(&intake(service, name, b"")).unwrap_err();
        assert!(matches!(error, HistoryError::Name(_)), "{error}");
    }
    assert_eq!(history.list(None, 9).unwrap(), []);

    for id in [PatchId(0), PatchId(7), PatchId(u64::MAX)] {
        let file = String::new();
        for result in [
            history.finish(id, &verdict(Status::Applied)),
            history.archived(id, &ArchivedAs { file }),
            history.event(&event(EventKind::RolledBack, Subject::Patch(id))),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(error, HistoryError::Unknown(unknown) if unknown == id),
                "{error}"
            );
        }
        assert_eq!(history.show(id).unwrap(), None);
    }
    let id = applied(&mut history, "x.lua", b"");
    assert!(history.finish(id, &verdict(Status::Failed)).is_err());
    assert_eq!(history.list(None, 9).unwrap()[0].status, Some(Status::Applied));
    assert_eq!(history.last_entry().unwrap(), 1);
}

#[test]
fn only_what_leaves_the_letterbox_is_to_be_archived() {
    let (_dir, mut history) = fresh();
    for status in [
        Status::Applied,
        Status::Unchanged,
        Status::NoEffect,
        Status::Rejected,
        Status::Failed,
        Status::TimedOut,
    ] {
        let id = history.begin(&intake("simpledb", "x.lua", b"x")).unwrap();
        history.finish(id, &verdict(status)).unwrap();
    }
    let open: Vec<_> = history.unarchived().unwrap().iter().map(|record| record.id).collect();
    assert_eq!(open, [1, 2, 3].map(PatchId));
}

#[test]
fn the_last_version_is_the_last_that_ran() {
    let (_dir, mut history) = fresh();
    assert_eq!(history.last("simpledb", "x.lua").unwrap(), None);
    for (bytes, status, last, last_live) in [
        (b"a", Status::Rejected, None, None),
        (b"b", Status::Applied, Some(2), Some(2)),
        (b"c", Status::Failed, Some(3), Some(2)),
        (b"d", Status::Rejected, Some(3), Some(2)),
        (b"e", Status::NoEffect, Some(5), Some(2)),
        (b"f", Status::TimedOut, Some(5), Some(2)),
        (b"b", Status::Unchanged, Some(7), Some(2)),
    ] {
        let id = history.begin(&intake("simpledb", "x.lua", bytes)).unwrap();
        history.finish(id, &verdict(status)).unwrap();
        let number = |found: Option<super::Last>| found.map(|last| last.id.0);
        assert_eq!(number(history.last("simpledb", "x.lua").unwrap()), last, "{id}");
        assert_eq!(
            number(history.last_live("simpledb", "x.lua").unwrap()),
            last_live,
            "{id}"
        );
    }
    assert_eq!(history.last("simpledb", "y.lua").unwrap(), None);
    assert_eq!(history.last("other", "x.lua").unwrap(), None);

    history
        .event(&event(EventKind::RolledBack, Subject::Patch(PatchId(2))))
        .unwrap();
    let last = history.last("simpledb", "x.lua").unwrap().unwrap();
    assert_eq!((last.bytes.as_slice(), last.sha256), (b"b".as_slice(), sha256(b"b")));
    assert_eq!(
        (last.status, last.withdrawn),
        (Status::Unchanged, Some(Withdrawn::RolledBack))
    );
    assert_eq!(history.last_live("simpledb", "x.lua").unwrap(), None);
}

/// Stories about `simpledb` in words of their own: `a1+` is a patch called `a` with the bytes `1` that is applied (`=`
/// unchanged, `!` failed, `~` without effect, `@` applied to one handle); `back:1` rolls patch 1 back, `back:*` all.
const STORIES: [(&str, &str, &[u64]); 16] = [
    ("in order", "b1+ a1+", &[1, 2]),
    ("the newest of a name", "a1+ b1+ a2+", &[2, 3]),
    ("back to an old text", "a1+ a2+ a1+", &[3]),
    ("bad ones", "a1+ a2! a3~", &[1]),
    ("one handle alone", "a1+ a2@ b1@", &[1]),
    ("a handle before all", "a1@ a1=", &[2]),
    ("dropped twice", "a1+ b1+ a1=", &[1, 2]),
    ("rolled back", "a1+ b1+ back:1", &[2]),
    ("rolled back to the version before", "a1+ a2+ back:2", &[1]),
    ("a repetition rolled back", "a1+ a1= back:2", &[]),
    ("a repeated one rolled back", "a1+ a1= back:1", &[]),
    ("applied again", "a1+ back:1 a1+", &[2]),
    ("retired", "a1+ a2+ b1+ retire:2", &[3]),
    ("replayed, then rolled back", "a1+ a2+ replay:2 back:2", &[]),
    (
        "replayed, then rolled back to a new one",
        "a1+ replay:1 a2+ back:2",
        &[1],
    ),
    ("back to the source", "a1+ a2+ b1+ back:* c1+", &[4]),
];

#[test]
fn a_restart_replays_what_was_live() {
    for (story, steps, expected) in STORIES {
        let (dir, mut history) = fresh();
        for step in steps.split(' ') {
            match step.split_once(':') {
                Some((what, id)) => play_event(&mut history, what, id),
                None => play_patch(&mut history, step),
            }
        }
        drop(history);
        let history = open(&dir);
        let active = history.active(None).unwrap();
        assert_eq!(active, history.active(Some("simpledb")).unwrap(), "{story}");
        let ids: Vec<_> = active.iter().map(|active| active.id.0).collect();
        assert_eq!(ids, expected, "{story}");
        assert_eq!(history.active(Some("other")).unwrap(), [], "{story}");
    }
}

fn play_patch(history: &mut History, step: &str) {
    let mut intake = intake("simpledb", &step[..1], &step.as_bytes()[1..2]);
    let status = match &step[2..] {
        "+" => Status::Applied,
        "=" => Status::Unchanged,
        "!" => Status::Failed,
        "~" => Status::NoEffect,
        "@" => {
            intake.target = Target::Handle(10);
            Status::Applied
        }
        other => panic!("{other}"),
    };
    let id = history.begin(&intake).unwrap();
    history.finish(id, &verdict(status)).unwrap();
    assert_eq!(history.list(None, 1).unwrap()[0].target, intake.target);
}

fn play_event(history: &mut History, what: &str, id: &str) {
    let kind = match what {
        "back" => EventKind::RolledBack,
        "retire" => EventKind::Retired,
        "replay" => EventKind::Replayed,
        other => panic!("{other}"),
    };
    let subject = match id {
        "*" => Subject::Service("simpledb".to_owned()),
        id => Subject::Patch(PatchId(id.parse().unwrap())),
    };
    history.event(&event(kind, subject)).unwrap();
}

#[test]
fn a_list_is_newest_first_of_one_service_or_of_all() {
    let (_dir, mut history) = fresh();
    for service in ["a", "b", "a", "b", "a"] {
        history.begin(&intake(service, "x.lua", b"")).unwrap();
    }
    let ids = |service, limit| -> Vec<u64> {
        let records = history.list(service, limit).unwrap();
        records.iter().map(|record| record.id.0).collect()
    };
    assert_eq!(ids(None, 2), [5, 4]);
    assert_eq!(ids(Some("a"), 9), [5, 3, 1]);
    assert!(ids(Some("c"), 9).is_empty());
}

#[test]
fn entries_tell_everything_in_order() {
    let (_dir, mut history) = fresh();
    let id = applied(&mut history, "x.lua", b"a");
    history.event(&event(EventKind::Frozen, Subject::Node)).unwrap();
    history
        .event(&event(EventKind::Unfrozen, Subject::Service("simpledb".to_owned())))
        .unwrap();
    history
        .event(&event(EventKind::RolledBack, Subject::Patch(id)))
        .unwrap();

    let entries = history.entries_after(0, 9).unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|e| {
            let patch = e.patch.as_ref().map(|record| record.id.0);
            (e.seq, e.event.as_str(), e.service.as_deref(), patch, e.by.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "applied", Some("simpledb"), Some(1), "alice"),
            (2, "frozen", None, None, "bob"),
            (3, "unfrozen", Some("simpledb"), None, "bob"),
            (4, "rolled-back", Some("simpledb"), Some(1), "bob"),
        ]
    );
    assert_eq!(history.entries_after(1, 2).unwrap(), entries[1..3]);
    assert_eq!(history.entries_after(4, 9).unwrap(), []);
    assert_eq!(history.entries_after(u64::MAX, 9).unwrap(), []);
}

#[test]
fn a_history_can_be_handed_to_another_thread() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    let id = std::thread::spawn(move || applied(&mut history, "x.lua", b"a"))
        .join()
        .unwrap();
    assert_eq!(id, PatchId(1));
}

#[test]
fn a_rollback_is_remembered_with_its_time() {
    let (_dir, mut history) = fresh();
    let why = |history: &History, bytes| {
        let found = history.withdrawn("simpledb", "x.lua", &sha256(bytes)).unwrap();
        found.map(|(_, why)| why)
    };
    let rolled_back = |history: &History| why(history, b"a");
    assert_eq!(rolled_back(&history), None);
    let id = applied(&mut history, "x.lua", b"a");
    assert_eq!(rolled_back(&history), None);
    assert_eq!(history.live("simpledb").unwrap().len(), 1);
    history
        .event(&event(EventKind::RolledBack, Subject::Patch(id)))
        .unwrap();
    assert_eq!(rolled_back(&history), Some(Withdrawn::RolledBack));
    assert_eq!(history.live("simpledb").unwrap(), []);
    applied(&mut history, "x.lua", b"a");
    assert_eq!(rolled_back(&history), None, "it was applied again");
    let service = Subject::Service("simpledb".into());
    history.event(&event(EventKind::RolledBack, service)).unwrap();
    assert_eq!(rolled_back(&history), Some(Withdrawn::RolledBack));
    assert_eq!(why(&history, b"b"), None);
}

#[test]
fn a_retirement_is_remembered_for_all_versions_that_it_ended() {
    let (_dir, mut history) = fresh();
    applied(&mut history, "x.lua", b"a");
    let newest = applied(&mut history, "x.lua", b"b");
    let retired = event(EventKind::Retired, Subject::Patch(newest));
    history.event(&retired).unwrap();
    for bytes in [b"a", b"b"] {
        let found = history.withdrawn("simpledb", "x.lua", &sha256(bytes)).unwrap();
        assert_eq!(found.map(|(_, why)| why), Some(Withdrawn::Retired));
    }
}

#[test]
fn a_late_answer_is_the_verdict_of_what_had_timed_out() {
    let (_dir, mut history) = fresh();
    let id = history.begin(&intake("simpledb", "x.lua", b"a")).unwrap();
    assert!(history.finish_late(id, &verdict(Status::Applied)).is_err());
    history.finish(id, &verdict(Status::TimedOut)).unwrap();
    assert_eq!(history.active(None).unwrap(), []);
    history.finish_late(id, &verdict(Status::Applied)).unwrap();
    assert_eq!(history.active(None).unwrap().len(), 1);
    assert!(history.finish_late(id, &verdict(Status::Applied)).is_err());
    let events: Vec<_> = history
        .entries_after(0, 9)
        .unwrap()
        .into_iter()
        .map(|entry| entry.event)
        .collect();
    assert_eq!(events, ["timed-out", "applied"]);
}
