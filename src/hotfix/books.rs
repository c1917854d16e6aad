//! The books: history and archive, and what has happened but could not be written down yet.
//!
//! A full disk or a locked database must neither stop a patch that is on its way nor make the books lie. What has happened stays due and is
//! written in its order as soon as that is possible, before anything newer; a new patch is not begun while something is due.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tracing::warn;

use crate::failpoint::failpoint;
use crate::hotfix::archive::Archive;
use crate::hotfix::history::{History, HistoryError};
use crate::hotfix::record::{Event, PatchId, Verdict};
use crate::watch::read_settled;

/// How soon trouble with the disk is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// What has happened, and belongs into the history.
pub(super) enum Due {
    /// What became of a patch.
    Verdict(PatchId, Verdict),
    /// What became of a patch that had timed out everywhere.
    LateVerdict(PatchId, Verdict),
    /// What happened besides.
    Event(Event),
}

impl Due {
    fn write(&self, history: &mut History) -> Result<(), HistoryError> {
        match self {
            Due::Verdict(id, verdict) => history.finish(*id, verdict),
            Due::LateVerdict(id, verdict) => history.finish_late(*id, verdict),
            Due::Event(event) => history.event(event),
        }
    }
}

/// See the module.
pub(super) struct Books {
    pub(super) history: History,
    pub(super) archive: Archive,
    due: VecDeque<Due>,
    /// The journal lacks lines.
    is_journal_behind: bool,
}

impl Books {
    /// Nothing is due.
    pub(super) fn new(history: History, archive: Archive) -> Books {
        Books {
            history,
            archive,
            due: VecDeque::new(),
            is_journal_behind: false,
        }
    }

    /// Writes down what has happened, in the history and in the journal.
    ///
    /// # Errors
    /// When the history cannot be written: it stays due.
    pub(super) fn enter(&mut self, due: Due) -> Result<(), HistoryError> {
        self.due.push_back(due);
        let written = self.catch_up();
        failpoint!("result");
        self.write_journal();
        failpoint!("journal");
        written
    }

    /// Writes what is due.
    ///
    /// # Errors
    /// When the history cannot be written: the rest stays due.
    pub(super) fn catch_up(&mut self) -> Result<(), HistoryError> {
        while let Some(due) = self.due.front() {
            match due.write(&mut self.history) {
                Err(error) if error.may_pass() => return Err(error),
                // Tried again it would be the same for ever, and keep everything else out.
                Err(error) => warn!("[hotfix] not written down: {error}"),
                Ok(()) => {}
            }
            self.due.pop_front();
        }
        Ok(())
    }

    /// Writes the lines that the journal lacks. That it cannot be written is logged, since the next time makes up for it.
    pub(super) fn write_journal(&mut self) {
        let written = self.archive.write_journal(&self.history);
        let was_behind = std::mem::replace(&mut self.is_journal_behind, written.is_err());
        if let Err(error) = written
            && !was_behind
        {
            warn!("[hotfix] {error}; it is tried again every {} s", RETRY.as_secs());
        }
    }

    /// Whether something is due, or the journal lacks lines.
    pub(super) fn is_behind(&self) -> bool {
        !self.due.is_empty() || self.is_journal_behind
    }
}

/// What is said of what could not be written down.
pub(super) fn not_yet(error: &HistoryError) -> String {
    format!(
        "not written down yet: {error}; it is tried again every {} s",
        RETRY.as_secs()
    )
}

/// How the archive reads a file that it has just claimed.
pub(super) fn reread(max_size: u64) -> impl Fn(&Path) -> std::io::Result<Vec<u8>> {
    move |path| read_settled(path, max_size).map(|contents| contents.bytes)
}
