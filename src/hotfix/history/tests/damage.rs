//! What the history says about a database that it cannot use, and that it leaves it alone.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::{applied, killed, open};
use crate::hotfix::history::{FILE, History, HistoryError};
use crate::hotfix::record::samples::intake;

#[test]
fn rubbish_behind_the_files_of_a_killed_node_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    applied(&mut history, "x.lua", b"a");
    for file in [FILE.to_owned(), format!("{FILE}-wal")] {
        let copy = killed(&dir);
        let path = copy.path().join(&file);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"\x00\x01rub\nb");
        fs::write(&path, bytes).unwrap();
        let history = open(&copy);
        assert_eq!(history.list(None, 9).unwrap().len(), 1, "{file}");
    }
}

/// Opens a database that must be refused and left alone, and returns what is said about it.
fn refused(dir: &Path) -> HistoryError {
    let file = dir.join(FILE);
    let before = fs::read(&file).unwrap();
    let error = History::open(dir).unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before, "it was changed");
    error
}

#[test]
fn a_damaged_database_is_told_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), "this is a text, not a database; ".repeat(99)).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("move it away"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    for number in 0..50_u8 {
        applied(&mut history, "x.lua", &[number; 3000]);
    }
    drop(history);
    let file = dir.path().join(FILE);
    let mut bytes = fs::read(&file).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..64].fill(0xaa);
    }
    fs::write(&file, bytes).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
}

#[test]
fn a_value_that_was_never_written_is_damage_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    applied(&mut history, "x.lua", b"a");
    for sql in [
        "UPDATE patch SET status = 'splendid'",
        "UPDATE patch SET status = 'applied', time = 'yesterday'",
    ] {
        history.db.execute(sql, []).unwrap();
        let error = history.list(None, 9).unwrap_err();
        assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_database_of_somebody_else_or_of_the_future_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let other = Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(other);
    let error = refused(dir.path());
    assert!(matches!(error, HistoryError::Foreign { .. }), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    history.db.pragma_update(None, "user_version", 99).unwrap();
    drop(history);
    let error = refused(dir.path());
    assert!(matches!(error, HistoryError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = History::open(&dir.path().join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("check"), "{error}");
}

#[test]
fn a_patch_that_cannot_be_written_down_is_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(&dir);
    let first = applied(&mut history, "x.lua", b"a");
    let pages: i64 = history.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |history: &History, pages: i64| {
        history
            .db
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    };

    limit(&history, pages + 2);
    let big = intake("simpledb", "big.lua", &vec![b'x'; 600_000]);
    let error = history.begin(&big).unwrap_err().to_string();
    assert!(error.contains("full") && error.contains("make room"), "{error}");
    assert_eq!(history.list(None, 9).unwrap().len(), 1);

    limit(&history, 100_000);
    assert!(history.begin(&big).unwrap() > first);
    assert_eq!(history.list(None, 9).unwrap().len(), 2);
}
