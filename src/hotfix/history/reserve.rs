//! Room that is kept for hard times: on a full disk a patch can still be written down, applied, and its outcome recorded.
//!
//! Pages of the database that nothing uses, and a write-ahead log as long as they are: neither has to grow then. Once the pages are used up,
//! writing fails as on any full disk.

use rusqlite::Connection;

/// How many pages: as many as the log may have before it is written back into the database.
const PAGES: i64 = 64;
/// With fewer left than this, room is made again.
const LEAST: i64 = PAGES / 2;

/// Makes room again, if too little of it is left.
pub(super) fn refill(db: &mut Connection) -> rusqlite::Result<()> {
    let free: i64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if free < LEAST { fill(db) } else { Ok(()) }
}

/// Makes room, in the log as well: SQLite removes that whenever the database is closed.
pub(super) fn fill(db: &mut Connection) -> rusqlite::Result<()> {
    let page: i64 = db.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    // Committed before it is dropped: pages that were never written are not there on the disk.
    let transaction = db.transaction()?;
    transaction.execute_batch("DROP TABLE IF EXISTS reserve; CREATE TABLE reserve (bytes BLOB)")?;
    transaction.execute("INSERT INTO reserve VALUES (zeroblob(?1))", [PAGES * page])?;
    transaction.commit()?;
    db.execute_batch("DROP TABLE reserve")?;
    db.pragma_update(None, "wal_autocheckpoint", PAGES)?;
    db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
}
