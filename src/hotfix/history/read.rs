//! What is asked of the history.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};

use super::column::{count, from_json, from_word, from_word_or_null, id, sql_id, target, time, word};
use crate::hotfix::record::{Active, Entry, EventKind, Freeze, Last, Outcome, PatchId, Record, Shown, Withdrawn};

/// The columns of a [`Record`].
const RECORD: &str = "
    SELECT p.id, p.time, p.service, p.name, p.sha256, length(c.bytes) AS size, p.previous, p.same_as, p.author, p.reason, p.origin,
           p.handle, p.status, p.never, p.withdrawn, p.summary, p.file, e.outcome
    FROM patch p JOIN content c USING (sha256) LEFT JOIN event e ON e.seq = p.result";

/// Which rows of `patch` are versions that all instances have: a replay takes the newest of each name.
const ACTIVE: &str = "status IN ('applied', 'unchanged') AND handle IS NULL AND same_as IS NULL AND withdrawn IS NULL";

fn to_record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let has_outcome = row.get::<_, Option<String>>("outcome")?.is_some();
    Ok(Record {
        id: id(row, "id")?,
        time: time(row)?,
        service: row.get("service")?,
        name: row.get("name")?,
        sha256: row.get("sha256")?,
        size: count(row, "size")?,
        previous: optional_id(row, "previous")?,
        same_as: optional_id(row, "same_as")?,
        by: row.get("author")?,
        reason: row.get("reason")?,
        origin: from_word(row, "origin")?,
        target: target(row)?,
        status: from_word_or_null(row, "status")?,
        never_happened: row.get("never")?,
        withdrawn: from_word_or_null(row, "withdrawn")?,
        summary: row.get("summary")?,
        outcome: if has_outcome {
            from_json(row, "outcome")?
        } else {
            Outcome::default()
        },
        file: row.get("file")?,
    })
}

fn optional_id(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<PatchId>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => id(row, column).map(Some),
    }
}

fn records(db: &Connection, tail: &str, params: impl Params) -> rusqlite::Result<Vec<Record>> {
    db.prepare_cached(&format!("{RECORD} {tail}"))?
        .query_map(params, to_record)?
        .collect()
}

/// One patch.
pub(super) fn record(db: &Connection, id: PatchId) -> rusqlite::Result<Option<Record>> {
    Ok(records(db, "WHERE p.id = ?1", [sql_id(id)])?.pop())
}

/// What has a verdict but no file, and should have one.
pub(super) fn unarchived(db: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut open = records(db, "WHERE p.file IS NULL AND p.status IS NOT NULL ORDER BY p.id", [])?;
    open.retain(Record::is_for_archive);
    Ok(open)
}

/// What was begun and has no verdict.
pub(super) fn unfinished(db: &Connection) -> rusqlite::Result<Vec<Record>> {
    records(db, "WHERE p.status IS NULL AND p.never = 0 ORDER BY p.id", [])
}

/// What is live in the instances that it was for.
pub(super) fn live(db: &Connection, service: &str) -> rusqlite::Result<Vec<Record>> {
    records(
        db,
        "WHERE p.service = ?1 AND p.status IN ('applied', 'unchanged') AND p.same_as IS NULL AND p.withdrawn IS NULL
         ORDER BY p.id DESC",
        [service],
    )
}

/// When and why the newest patch with these bytes was withdrawn, if a person or a newer source did that.
pub(super) fn withdrawn(
    db: &Connection,
    service: &str,
    name: &str,
    sha256: &str,
) -> rusqlite::Result<Option<(Timestamp, Withdrawn)>> {
    let newest = records(
        db,
        "WHERE p.service = ?1 AND p.name = ?2 AND p.sha256 = ?3 AND p.handle IS NULL AND p.status IS NOT NULL
         ORDER BY p.id DESC LIMIT 1",
        params![service, name, sha256],
    )?
    .pop();
    let Some((newest, why)) = newest.and_then(|newest| newest.withdrawn.map(|why| (newest, why))) else {
        return Ok(None);
    };
    let event = match why {
        Withdrawn::RolledBack => EventKind::RolledBack,
        Withdrawn::Retired => EventKind::Retired,
        Withdrawn::Superseded => return Ok(None),
    };
    // A retirement names the newest version, and ends the older ones of the name too.
    let when = db
        .prepare_cached(
            "SELECT time FROM event
             WHERE event = ?4 AND (patch = ?1 OR patch IS NULL AND service = ?2 OR event = 'retired' AND patch IN
                 (SELECT id FROM patch WHERE service = ?2 AND name = ?3 AND id >= ?1))
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(
            params![
                sql_id(newest.same_as.unwrap_or(newest.id)),
                service,
                name,
                word(&event)?
            ],
            time,
        )
        .optional()?;
    Ok(when.map(|when| (when, why)))
}

/// When the newest dropped version of that name was handled, if these were its bytes, and it is in the archive.
pub(super) fn filed(db: &Connection, service: &str, name: &str, sha256: &str) -> rusqlite::Result<Option<Timestamp>> {
    let mut newest = records(
        db,
        "WHERE p.service = ?1 AND p.name = ?2 AND p.origin = 'dropped' AND p.status IS NOT NULL
         ORDER BY p.id DESC LIMIT 1",
        [service, name],
    )?;
    newest.retain(|newest| newest.sha256 == sha256 && newest.file.is_some());
    Ok(newest.pop().map(|newest| newest.time))
}

/// The newest patches, newest first.
pub(super) fn list(db: &Connection, service: Option<&str>, limit: u32) -> rusqlite::Result<Vec<Record>> {
    match service {
        Some(service) => records(
            db,
            "WHERE p.service = ?1 ORDER BY p.id DESC LIMIT ?2",
            params![service, limit],
        ),
        None => records(db, "ORDER BY p.id DESC LIMIT ?1", [limit]),
    }
}

/// One patch with all that belongs to it.
pub(super) fn show(db: &Connection, id: PatchId) -> rusqlite::Result<Option<Shown>> {
    let Some(record) = record(db, id)? else {
        return Ok(None);
    };
    db.prepare_cached("SELECT p.diff, p.sources, c.bytes FROM patch p JOIN content c USING (sha256) WHERE p.id = ?1")?
        .query_row([sql_id(id)], |row| {
            Ok(Shown {
                record,
                diff: row.get("diff")?,
                bytes: row.get("bytes")?,
                sources: from_json(row, "sources")?,
            })
        })
        .optional()
}

/// The newest version of a name that was executed or was live already.
pub(super) fn last(db: &Connection, service: &str, name: &str) -> rusqlite::Result<Option<Last>> {
    newest(
        db,
        service,
        name,
        "status IN ('applied', 'unchanged', 'no-effect', 'failed')",
    )
}

/// The newest version of a name that all instances have.
pub(super) fn last_live(db: &Connection, service: &str, name: &str) -> rusqlite::Result<Option<Last>> {
    newest(db, service, name, ACTIVE)
}

fn newest(db: &Connection, service: &str, name: &str, condition: &str) -> rusqlite::Result<Option<Last>> {
    db.prepare_cached(&format!(
        "SELECT p.id, p.sha256, c.bytes, p.status, p.handle, p.withdrawn
         FROM patch p JOIN content c USING (sha256)
         WHERE service = :service AND name = :name AND {condition}
         ORDER BY p.id DESC LIMIT 1"
    ))?
    .query_row(named_params! { ":service": service, ":name": name }, |row| {
        Ok(Last {
            id: id(row, "id")?,
            sha256: row.get("sha256")?,
            bytes: row.get("bytes")?,
            status: from_word(row, "status")?,
            target: target(row)?,
            withdrawn: from_word_or_null(row, "withdrawn")?,
        })
    })
    .optional()
}

/// The number and hash of the version that `last_live` would give.
pub(super) fn active_version(
    db: &Connection,
    service: &str,
    name: &str,
) -> rusqlite::Result<Option<(PatchId, String)>> {
    Ok(last_live(db, service, name)?.map(|live| (live.id, live.sha256)))
}

/// What a replay applies, in order.
pub(super) fn active(db: &Connection, service: Option<&str>) -> rusqlite::Result<Vec<Active>> {
    let of_service = if service.is_some() {
        "service = ?1"
    } else {
        "?1 IS NULL"
    };
    db.prepare_cached(&format!(
        "SELECT p.id, p.service, p.name, p.sha256, p.origin, p.sources, c.bytes
         FROM patch p JOIN content c USING (sha256)
         WHERE p.id IN (SELECT max(id) FROM patch WHERE {of_service} AND {ACTIVE} GROUP BY service, name)
         ORDER BY p.id"
    ))?
    .query_map([service], |row| {
        Ok(Active {
            id: id(row, "id")?,
            service: row.get("service")?,
            name: row.get("name")?,
            bytes: row.get("bytes")?,
            sha256: row.get("sha256")?,
            origin: from_word(row, "origin")?,
            sources: from_json(row, "sources")?,
        })
    })?
    .collect()
}

/// What is in the archive.
pub(super) fn archived_ids(db: &Connection) -> rusqlite::Result<Vec<PatchId>> {
    db.prepare_cached("SELECT id FROM patch WHERE file IS NOT NULL ORDER BY id")?
        .query_map([], |row| id(row, "id"))?
        .collect()
}

/// The entries after `seq`, for the journal.
pub(super) fn entries_after(db: &Connection, seq: u64, limit: u32) -> rusqlite::Result<Vec<Entry>> {
    let after = i64::try_from(seq).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT seq, time, event, service, patch, author, reason, outcome
         FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?
    .query_map(params![after, limit], |row| entry(db, row))?
    .collect()
}

/// The newest entries, oldest first.
pub(super) fn recent(db: &Connection, service: Option<&str>, limit: u32) -> rusqlite::Result<Vec<Entry>> {
    let mut entries = db
        .prepare_cached(
            "SELECT e.seq, e.time, e.event, e.service, e.patch, e.author, e.reason, e.outcome
             FROM event e LEFT JOIN patch p ON p.id = e.patch
             WHERE ?1 IS NULL OR coalesce(e.service, p.service, ?1) = ?1
             ORDER BY e.seq DESC LIMIT ?2",
        )?
        .query_map(params![service, limit], |row| entry(db, row))?
        .collect::<rusqlite::Result<Vec<Entry>>>()?;
    entries.reverse();
    Ok(entries)
}

fn entry(db: &Connection, row: &Row<'_>) -> rusqlite::Result<Entry> {
    let patch = match optional_id(row, "patch")? {
        None => None,
        Some(id) => record(db, id)?,
    };
    Ok(Entry {
        seq: count(row, "seq")?,
        time: time(row)?,
        event: row.get("event")?,
        service: row.get("service")?,
        patch,
        by: row.get("author")?,
        reason: row.get("reason")?,
        outcome: from_json(row, "outcome")?,
    })
}

/// Of each service, and of the node, the freeze that was not ended.
pub(super) fn freezes(db: &Connection) -> rusqlite::Result<Vec<Freeze>> {
    db.prepare_cached(
        "SELECT service, time, author, reason FROM event WHERE event = 'frozen' AND seq IN
         (SELECT max(seq) FROM event WHERE event IN ('frozen', 'unfrozen') GROUP BY service)",
    )?
    .query_map([], |row| {
        Ok(Freeze {
            service: row.get("service")?,
            since: time(row)?,
            by: row.get("author")?,
            reason: row.get("reason")?,
        })
    })?
    .collect()
}

/// The newest entry's number, or 0.
pub(super) fn last_entry(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT coalesce(max(seq), 0) AS seq FROM event", [], |row| {
        count(row, "seq")
    })
}
