//! The history database: the truth about every patch, and the order of the steps that makes each happen once.
//!
//! A patch is written down before anything is done with it (INTENT, [`History::begin`]), when its verdict is known
//! (RESULT, [`History::finish`]) and when its file is in the archive (ARCHIVED, [`History::archived`]). Each step is one
//! transaction that is on the disk when the call returns (SQLite, write-ahead log, `synchronous=FULL`), so a node that is
//! killed between two of them finds out at its next start what was left undone. All calls block.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::hotfix::record::{
    Active, ArchivedAs, Entry, Event, Freeze, Intake, Last, PatchId, Record, Shown, Subject, Verdict, Withdrawn,
    check_name,
};
use crate::patch::outcome::Status;

mod column;
mod error;
mod read;
mod reserve;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use error::HistoryError;
use write::Finish;

/// The database's file name. It stands beside the services' archive folders, hence a name that no service is likely to
/// have.
const FILE: &str = "history.sqlite3";

/// An open history. One process has it at a time: hold the state directory's lock while it is open.
#[derive(Debug)]
pub struct History {
    file: PathBuf,
    db: Connection,
}

impl History {
    /// Opens the history in `state_dir`, and creates it there if there is none.
    ///
    /// # Errors
    /// When the database cannot be opened, is damaged, is not ours, or is from a newer hotlua. It is left as it is then.
    pub fn open(state_dir: &Path) -> Result<History, HistoryError> {
        let file = state_dir.join(FILE);
        let mut db = schema::connect(&file)?;
        // A disk that is full already has no room to keep: whatever is written next says so.
        let _ = reserve::fill(&mut db);
        Ok(History { file, db })
    }

    /// INTENT: writes a patch down, with its bytes, before anything is done with it.
    ///
    /// # Errors
    /// When a name is unfit for a path, or the database cannot be written: the patch must not be applied then.
    pub fn begin(&mut self, intake: &Intake) -> Result<PatchId, HistoryError> {
        check_name(&intake.service)?;
        check_name(&intake.name)?;
        let written = write::intent(&mut self.db, intake);
        self.explain(written)
    }

    /// RESULT: writes down what became of a patch.
    ///
    /// # Errors
    /// When there is no such patch, it has a verdict already, or the database cannot be written.
    pub fn finish(&mut self, id: PatchId, verdict: &Verdict) -> Result<(), HistoryError> {
        self.finish_from(None, id, verdict)
    }

    /// As [`History::finish`], for a patch that had timed out everywhere and has been answered now.
    ///
    /// # Errors
    /// When there is no such patch, its verdict is another one, or the database cannot be written.
    pub fn finish_late(&mut self, id: PatchId, verdict: &Verdict) -> Result<(), HistoryError> {
        self.finish_from(Some(Status::TimedOut), id, verdict)
    }

    fn finish_from(&mut self, before: Option<Status>, id: PatchId, verdict: &Verdict) -> Result<(), HistoryError> {
        let written = write::result(&mut self.db, before, id, verdict);
        match self.explain(written)? {
            Finish::Done => Ok(()),
            Finish::Unknown => Err(HistoryError::Unknown(id)),
            Finish::Already => Err(HistoryError::Finished(id)),
        }
    }

    /// ARCHIVED: writes down that a patch's file is in the archive.
    ///
    /// # Errors
    /// When there is no such patch, or the database cannot be written.
    pub fn archived(&mut self, id: PatchId, archived: &ArchivedAs) -> Result<(), HistoryError> {
        let written = write::archived(&self.db, id, archived);
        if !self.explain(written)? {
            return Err(HistoryError::Unknown(id));
        }
        // As in `open`.
        let _ = reserve::refill(&mut self.db);
        Ok(())
    }

    /// Writes down what happened after a verdict, or without a patch, and what follows from it for [`History::active`].
    ///
    /// # Errors
    /// When there is no such patch, or the database cannot be written.
    pub fn event(&mut self, event: &Event) -> Result<(), HistoryError> {
        let written = write::event(&mut self.db, event);
        match (self.explain(written)?, &event.subject) {
            (false, Subject::Patch(id)) => Err(HistoryError::Unknown(*id)),
            _ => Ok(()),
        }
    }

    /// At start: patches that have a verdict and belong into the archive, but did not get there; oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn unarchived(&self) -> Result<Vec<Record>, HistoryError> {
        self.explain(read::unarchived(&self.db))
    }

    /// At start: closes patches that were begun and got no verdict, oldest first. The virtual machines that may have run
    /// them are gone, so they never happened; their rows and bytes stay.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn abandon_unfinished(&mut self) -> Result<Vec<Record>, HistoryError> {
        let written = write::abandon(&mut self.db);
        self.explain(written)
    }

    /// The newest version under this service and name that was executed or was live already, whatever came of it: the
    /// one that decides whether a dropped file is `unchanged`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last(&self, service: &str, name: &str) -> Result<Option<Last>, HistoryError> {
        self.explain(read::last(&self.db, service, name))
    }

    /// The newest version under this service and name that is live in all instances, neither rolled back nor retired:
    /// the one that a new version is compared with.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_live(&self, service: &str, name: &str) -> Result<Option<Last>, HistoryError> {
        self.explain(read::last_live(&self.db, service, name))
    }

    /// What an instance that starts now receives, and what a restart replays: of each name the newest version that is
    /// live in all instances, in the order in which they were applied; of one service, or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn active(&self, service: Option<&str>) -> Result<Vec<Active>, HistoryError> {
        self.explain(read::active(&self.db, service))
    }

    /// What is live of one service in the instances that it was for, each version of a name, newest first. Patches for one instance are
    /// among them, whether that instance still lives or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn live(&self, service: &str) -> Result<Vec<Record>, HistoryError> {
        self.explain(read::live(&self.db, service))
    }

    /// When and why the newest patch with these bytes was rolled back or retired; `None` if it was not, or there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn withdrawn(
        &self,
        service: &str,
        name: &str,
        sha256: &str,
    ) -> Result<Option<(Timestamp, Withdrawn)>, HistoryError> {
        self.explain(read::withdrawn(&self.db, service, name, sha256))
    }

    /// When the newest dropped version of that name was handled, if these were its bytes, and it is in the archive.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn filed(&self, service: &str, name: &str, sha256: &str) -> Result<Option<Timestamp>, HistoryError> {
        self.explain(read::filed(&self.db, service, name, sha256))
    }

    /// The newest `limit` patches, newest first; of one service, or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list(&self, service: Option<&str>, limit: u32) -> Result<Vec<Record>, HistoryError> {
        self.explain(read::list(&self.db, service, limit))
    }

    /// One patch with its bytes and its diff.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn show(&self, id: PatchId) -> Result<Option<Shown>, HistoryError> {
        self.explain(read::show(&self.db, id))
    }

    /// The patches that are in the archive, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn archived_ids(&self) -> Result<Vec<PatchId>, HistoryError> {
        self.explain(read::archived_ids(&self.db))
    }

    /// What happened after the entry numbered `seq`, oldest first, at most `limit` entries.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn entries_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, HistoryError> {
        self.explain(read::entries_after(&self.db, seq, limit))
    }

    /// The newest `limit` entries, oldest first: of one service (with those of the whole node), or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recent(&self, service: Option<&str>, limit: u32) -> Result<Vec<Entry>, HistoryError> {
        self.explain(read::recent(&self.db, service, limit))
    }

    /// The freezes that hold.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn freezes(&self) -> Result<Vec<Freeze>, HistoryError> {
        self.explain(read::freezes(&self.db))
    }

    /// The number of the newest entry; 0 when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_entry(&self) -> Result<u64, HistoryError> {
        self.explain(read::last_entry(&self.db))
    }

    fn explain<T>(&self, result: rusqlite::Result<T>) -> Result<T, HistoryError> {
        result.map_err(|source| HistoryError::of(&self.file, source))
    }
}
