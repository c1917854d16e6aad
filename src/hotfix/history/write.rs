//! What is written into the history, each step in one transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use super::column::{json, now, sql_id, word};
use super::read;
use crate::hotfix::record::{
    ArchivedAs, Event, EventKind, Intake, Outcome, PatchId, Record, Subject, Target, Verdict, Withdrawn, sha256,
};
use crate::patch::outcome::Status;

/// Whether a verdict could be written.
pub(super) enum Finish {
    Done,
    Unknown,
    Already,
}

/// Writes a patch and its bytes down.
pub(super) fn intent(db: &mut Connection, intake: &Intake) -> rusqlite::Result<PatchId> {
    debug_assert_eq!(intake.sha256, sha256(&intake.bytes), "the hash of other bytes");
    let handle = match intake.target {
        Target::All => None,
        Target::Handle(handle) => Some(handle),
    };
    let transaction = db.transaction()?;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO content (sha256, bytes) VALUES (?1, ?2)")?
        .execute(params![intake.sha256, intake.bytes])?;
    let id = transaction
        .prepare_cached(
            "INSERT INTO patch (time, service, name, sha256, previous, author, reason, origin, handle)
             VALUES (:time, :service, :name, :sha256, :previous, :author, :reason, :origin, :handle)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":time": now(),
                ":service": intake.service,
                ":name": intake.name,
                ":sha256": intake.sha256,
                ":previous": intake.previous.map(sql_id),
                ":author": intake.by,
                ":reason": intake.reason,
                ":origin": word(&intake.origin)?,
                ":handle": handle,
            },
            |row| super::column::id(row, "id"),
        )?;
    transaction.commit()?;
    Ok(id)
}

/// Writes a verdict down, in place of the one before: the patch's row, and the entry for the journal.
pub(super) fn result(
    db: &mut Connection,
    before: Option<Status>,
    id: PatchId,
    verdict: &Verdict,
) -> rusqlite::Result<Finish> {
    let transaction = db.transaction()?;
    let Some(record) = read::record(&transaction, id)? else {
        return Ok(Finish::Unknown);
    };
    if record.status != before || record.never_happened {
        return Ok(Finish::Already);
    }
    let entry = NewEntry {
        event: word(&verdict.status)?,
        service: Some(&record.service),
        patch: Some(id),
        by: &record.by,
        reason: record.reason.as_deref(),
        outcome: &Outcome::from(verdict),
    };
    let seq = insert(&transaction, &entry)?;
    transaction
        .prepare_cached(
            "UPDATE patch SET status = :status, summary = :summary, diff = :diff, sources = :sources,
                              same_as = :same_as, result = :result WHERE id = :id",
        )?
        .execute(named_params! {
            ":status": entry.event,
            ":summary": verdict.summary,
            ":diff": verdict.diff,
            ":sources": json(&verdict.sources)?,
            ":same_as": live_already(&transaction, &record, verdict.status)?,
            ":result": seq,
            ":id": sql_id(id),
        })?;
    transaction.commit()?;
    Ok(Finish::Done)
}

/// The patch that an `unchanged` one repeats.
fn live_already(db: &Connection, record: &Record, status: Status) -> rusqlite::Result<Option<i64>> {
    if status != Status::Unchanged || record.target != Target::All {
        return Ok(None);
    }
    let live = read::active_version(db, &record.service, &record.name)?;
    Ok(live
        .filter(|(_, sha256)| *sha256 == record.sha256)
        .map(|(id, _)| sql_id(id)))
}

/// Writes down where a patch's file is; false if there is no such patch.
pub(super) fn archived(db: &Connection, id: PatchId, archived: &ArchivedAs) -> rusqlite::Result<bool> {
    let rows = db
        .prepare_cached("UPDATE patch SET file = ?1 WHERE id = ?2")?
        .execute(params![archived.file, sql_id(id)])?;
    Ok(rows == 1)
}

/// Closes what has no verdict.
pub(super) fn abandon(db: &mut Connection) -> rusqlite::Result<Vec<Record>> {
    let transaction = db.transaction()?;
    let mut unfinished = read::unfinished(&transaction)?;
    for record in &mut unfinished {
        record.never_happened = true;
        transaction
            .prepare_cached("UPDATE patch SET never = 1 WHERE id = ?1")?
            .execute([sql_id(record.id)])?;
    }
    transaction.commit()?;
    Ok(unfinished)
}

/// Writes an event down, and what it withdraws; false if its patch does not exist.
pub(super) fn event(db: &mut Connection, event: &Event) -> rusqlite::Result<bool> {
    let transaction = db.transaction()?;
    let (service, patch) = match &event.subject {
        Subject::Node => (None, None),
        Subject::Service(service) => (Some(service.clone()), None),
        Subject::Patch(id) => match read::record(&transaction, *id)? {
            Some(record) => (Some(record.service), Some(*id)),
            None => return Ok(false),
        },
    };
    let entry = NewEntry {
        event: word(&event.kind)?,
        service: service.as_deref(),
        patch,
        by: &event.by,
        reason: event.reason.as_deref(),
        outcome: &event.outcome,
    };
    insert(&transaction, &entry)?;
    withdraw(&transaction, event)?;
    transaction.commit()?;
    Ok(true)
}

/// Takes out of the active patches what an event ends.
fn withdraw(db: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let why = match event.kind {
        EventKind::RolledBack => Withdrawn::RolledBack,
        EventKind::Retired => Withdrawn::Retired,
        EventKind::Replayed => Withdrawn::Superseded,
        EventKind::Frozen | EventKind::Unfrozen | EventKind::Restarted => return Ok(()),
    };
    let why_word = word(&why)?;
    match &event.subject {
        Subject::Patch(id) => withdraw_patch(db, *id, why, &why_word),
        // Single patches are replayed, not services.
        _ if event.kind == EventKind::Replayed => Ok(()),
        Subject::Service(service) => db
            .prepare_cached(
                "UPDATE patch SET withdrawn = ?1
                 WHERE service = ?2 AND withdrawn IS NULL AND status IN ('applied', 'unchanged')",
            )?
            .execute(params![why_word, service])
            .map(drop),
        Subject::Node => db
            .prepare_cached(
                "UPDATE patch SET withdrawn = ?1
                 WHERE withdrawn IS NULL AND status IN ('applied', 'unchanged')",
            )?
            .execute(params![why_word])
            .map(drop),
    }
}

/// A rollback ends one version, with its `unchanged` repetitions; a retirement the older ones of the name too, since the
/// source took their place; a replay the older ones alone, since only the newest was applied to what runs now.
fn withdraw_patch(db: &Transaction<'_>, id: PatchId, why: Withdrawn, why_word: &str) -> rusqlite::Result<()> {
    let root: Option<i64> = db
        .prepare_cached("SELECT coalesce(same_as, id) FROM patch WHERE id = ?1")?
        .query_row([sql_id(id)], |row| row.get(0))
        .optional()?;
    let condition = match why {
        Withdrawn::RolledBack => "(id = :root OR same_as = :root)",
        Withdrawn::Retired => "(id <= :root OR same_as = :root)",
        Withdrawn::Superseded => "id < :root",
    };
    db.prepare_cached(&format!(
        "UPDATE patch SET withdrawn = :why
         WHERE {condition} AND withdrawn IS NULL AND status IN ('applied', 'unchanged')
           AND (service, name) = (SELECT service, name FROM patch WHERE id = :root)"
    ))?
    .execute(named_params! { ":why": why_word, ":root": root })
    .map(drop)
}

/// A row for the `event` table.
struct NewEntry<'a> {
    event: String,
    service: Option<&'a str>,
    patch: Option<PatchId>,
    by: &'a str,
    reason: Option<&'a str>,
    outcome: &'a Outcome,
}

fn insert(db: &Transaction<'_>, entry: &NewEntry<'_>) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "INSERT INTO event (time, event, service, patch, author, reason, outcome)
         VALUES (:time, :event, :service, :patch, :author, :reason, :outcome) RETURNING seq",
    )?
    .query_row(
        named_params! {
            ":time": now(),
            ":event": entry.event,
            ":service": entry.service,
            ":patch": entry.patch.map(sql_id),
            ":author": entry.by,
            ":reason": entry.reason,
            ":outcome": json(entry.outcome)?,
        },
        |row| row.get(0),
    )
}
