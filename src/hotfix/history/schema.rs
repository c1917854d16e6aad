//! The form of the history database, and how it comes about.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::HistoryError;

/// The form that this code reads and writes, kept in SQLite's `user_version`.
const FORM: i64 = 1;

/// "hotL": marks the file as ours, in SQLite's `application_id`.
const APPLICATION: i64 = 0x686f_744c;

/// The bytes are kept once per content. An event row of a patch's verdict is the one that `patch.result` names.
///
/// `same_as` names the patch whose bytes were live already when this one was found `unchanged`: the two are one for
/// rollback and replay. `handle` is the only instance that the patch was for, or NULL. `file` is its path in the archive.
const CREATE: &str = "
    CREATE TABLE content (
        sha256 TEXT PRIMARY KEY,
        bytes  BLOB NOT NULL
    ) STRICT;
    CREATE TABLE patch (
        id        INTEGER PRIMARY KEY AUTOINCREMENT,
        time      TEXT NOT NULL,
        service   TEXT NOT NULL,
        name      TEXT NOT NULL,
        sha256    TEXT NOT NULL REFERENCES content (sha256),
        previous  INTEGER,
        author    TEXT NOT NULL,
        reason    TEXT,
        origin    TEXT NOT NULL,
        handle    INTEGER,
        status    TEXT,
        never     INTEGER NOT NULL DEFAULT 0,
        withdrawn TEXT,
        same_as   INTEGER,
        summary   TEXT NOT NULL DEFAULT '',
        diff      TEXT NOT NULL DEFAULT '',
        sources   TEXT NOT NULL DEFAULT '[]',
        result    INTEGER REFERENCES event (seq),
        file      TEXT
    ) STRICT;
    CREATE INDEX patch_of_name ON patch (service, name, id);
    CREATE INDEX patch_unfinished ON patch (id) WHERE status IS NULL AND never = 0;
    CREATE INDEX patch_unarchived ON patch (id) WHERE file IS NULL AND status IS NOT NULL;
    CREATE TABLE event (
        seq     INTEGER PRIMARY KEY AUTOINCREMENT,
        time    TEXT NOT NULL,
        event   TEXT NOT NULL,
        service TEXT,
        patch   INTEGER REFERENCES patch (id),
        author  TEXT NOT NULL,
        reason  TEXT,
        outcome TEXT NOT NULL
    ) STRICT;
";

/// Opens the database `file`, checks it, and gives it our form if it is new.
pub(super) fn connect(file: &Path) -> Result<Connection, HistoryError> {
    let explain = |source| HistoryError::of(file, source);
    // Not the default flags: they would read a path that begins with `file:` as a URI.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(file, flags).map_err(explain)?;
    // Plans do not depend on values: otherwise SQLite prepares each statement anew for each value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(explain)?;
    identify(&db, file)?;
    prepare(&mut db).map_err(explain)?;
    match damage(&db).map_err(explain)? {
        None => Ok(db),
        Some(detail) => Err(HistoryError::Damaged {
            file: file.to_owned(),
            detail,
        }),
    }
}

/// Refuses what is not ours before a byte of it is changed.
fn identify(db: &Connection, file: &Path) -> Result<(), HistoryError> {
    let number = |sql| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|source| HistoryError::of(file, source))
    };
    let found = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let is_new = number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !is_new && application != APPLICATION {
        return Err(HistoryError::Foreign { file: file.to_owned() });
    }
    if found > FORM {
        return Err(HistoryError::Newer {
            file: file.to_owned(),
            found,
            known: FORM,
        });
    }
    Ok(())
}

fn prepare(db: &mut Connection) -> rusqlite::Result<()> {
    // A file system without shared memory answers with another mode; `synchronous=FULL` makes that one durable too.
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    let form: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if form < FORM {
        let transaction = db.transaction()?;
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORM)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The first thing that is wrong with the database, if anything is.
fn damage(db: &Connection) -> rusqlite::Result<Option<String>> {
    let answer: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((answer != "ok").then_some(answer))
}
