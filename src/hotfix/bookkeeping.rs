//! Keeping the books: what is written down of a patch, when, and what is done while that is not possible.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::hotfix::archive::{ArchiveError, Claim};
use crate::hotfix::books::{Books, Due, RETRY, not_yet, reread};
use crate::hotfix::history::{History, HistoryError};
use crate::hotfix::office::Office;
use crate::hotfix::record::{Event, EventKind, Outcome, PatchId, Subject, Withdrawn};
use crate::watch::Settled;

impl Office {
    /// Works with history and archive. Blocks on the disk.
    pub(super) fn books<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        tokio::task::block_in_place(|| work(&mut self.books.lock()))
    }

    /// Writes down what has happened, in the history and in the journal.
    ///
    /// # Errors
    /// When the history cannot be written now: it is tried again until it can.
    pub(super) fn enter(&self, due: Due) -> Result<(), HistoryError> {
        self.write(|books| books.enter(due))
    }

    /// Writes into the books; what they lack then is written as soon as that is possible.
    fn write(&self, work: impl FnOnce(&mut Books) -> Result<(), HistoryError>) -> Result<(), HistoryError> {
        let (written, is_behind) = self.books(|books| {
            let written = work(books);
            (written, books.is_behind())
        });
        if is_behind {
            self.trouble.notify_one();
        }
        written
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// When the history cannot be written: it must not be done.
    pub(super) fn announce(&self, event: &Event) -> Result<(), HistoryError> {
        self.write(|books| {
            books.catch_up()?;
            books.history.event(event)?;
            books.write_journal();
            Ok(())
        })
    }

    /// Writes down what the node itself did with a patch.
    pub(super) fn event(&self, kind: EventKind, patch: u64, reason: Option<String>) {
        let written = self.enter(Due::Event(Event {
            kind,
            subject: Subject::Patch(PatchId(patch)),
            by: "hotlua".to_owned(),
            reason,
            outcome: Outcome::default(),
        }));
        if let Err(error) = written {
            warn!("[hotfix] {}", not_yet(&error));
        }
    }

    /// Goes on trying to write down what could not be written, until the node ends.
    pub async fn keep_books(self: Arc<Self>) {
        loop {
            self.trouble.notified().await;
            while self.books(|books| books.is_behind()) {
                tokio::time::sleep(RETRY).await;
                let is_written = self.books(|books| {
                    // The reason was said the first time.
                    let is_caught_up = books.catch_up().is_ok();
                    if is_caught_up {
                        books.write_journal();
                    }
                    !books.is_behind()
                });
                if is_written {
                    info!("[hotfix] what could not be written down is written now");
                }
            }
        }
    }

    /// What the history has; nothing if it cannot be read, which is logged.
    pub(super) fn look_up<T>(&self, look: impl FnOnce(&History) -> Result<Option<T>, HistoryError>) -> Option<T> {
        let found = self.books(|books| look(&books.history));
        found.inspect_err(|error| warn!("[hotfix] {error}")).ok().flatten()
    }

    /// When and why the patch whose bytes this file has was rolled back or retired, if that was the last thing that became of it.
    pub(super) fn withdrawn(&self, file: &Settled) -> Option<(Timestamp, Withdrawn)> {
        self.look_up(|history| history.withdrawn(&file.service, &file.name, &file.sha256))
    }

    /// Whether an earlier run of the node has handled this very file and left it where it is: what lives on of its patch is replayed.
    pub(super) fn was_handled_before(&self, file: &Settled) -> bool {
        if !self.config.replay || !is_unchanged_since(file, self.began) {
            return false;
        }
        let filed = self.look_up(|history| history.filed(&file.service, &file.name, &file.sha256));
        filed.is_some_and(|when| is_unchanged_since(file, when))
    }

    /// Files a handled patch in the archive, the dropped file itself or a copy; if that cannot be done now, goes on trying. The history has its
    /// bytes, so nothing is lost meanwhile.
    pub(super) fn file_away_or_retry(self: &Arc<Self>, id: PatchId, label: &str, dropped: Option<PathBuf>) {
        let Err(error) = self.file_away(id, dropped.as_deref()) else {
            return;
        };
        warn!("[hotfix] {label} is applied, but not archived yet: {error}");
        let (office, label) = (self.clone(), label.to_owned());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RETRY).await;
                if office.file_away(id, dropped.as_deref()).is_ok() {
                    info!("[hotfix] {label} is archived now");
                    return;
                }
            }
        });
    }

    /// Files a handled patch in the archive: the dropped file itself, or a copy.
    ///
    /// # Errors
    /// When its verdict is not written down yet, or the archive cannot be written. Nothing is lost then.
    fn file_away(&self, id: PatchId, dropped: Option<&Path>) -> Result<(), ArchiveError> {
        let path = dropped.filter(|_| !self.config.keep);
        let claim = self.books(|books| {
            // A file that is gone while its patch has no verdict would be lost with a crash.
            books.catch_up()?;
            let Books { history, archive, .. } = books;
            match path {
                Some(path) => archive.take(history, id, path, &reread(self.config.max_size)).map(Some),
                None => archive.copy(history, id).map(|()| None),
            }
        })?;
        let (Some(path), Some(watcher)) = (path, self.watcher()) else {
            return Ok(());
        };
        match claim {
            Some(Claim::Archived) => watcher.forget(path),
            Some(Claim::Changed { leftover }) => {
                if let Some(leftover) = leftover {
                    warn!(
                        "[hotfix] {} was saved twice while it was applied; the version in between is {}",
                        path.display(),
                        leftover.display()
                    );
                }
                watcher.recheck(path);
            }
            Some(Claim::Kept { why }) => self.say_kept(path, &why),
            Some(Claim::Missing) | None => {}
        }
        Ok(())
    }

    /// Files of this folder cannot be moved away. Said once: it is so for all that come.
    fn say_kept(&self, path: &Path, why: &str) {
        let Some(folder) = path.parent() else { return };
        if self.kept.lock().insert(folder.to_owned()) {
            let service = folder.file_name().unwrap_or_default().display();
            info!(
                "[hotfix] applied files stay in {}/{service}, and copies are archived: they cannot be moved away ({why})",
                self.config.label
            );
        }
    }
}

/// Whether nobody has touched the file since, as far as its own clock tells. The history counts whole milliseconds: it may have been up to one
/// later than it says.
pub(super) fn is_unchanged_since(file: &Settled, when: Timestamp) -> bool {
    const MILLISECOND: i128 = 1_000_000;
    i128::from(file.stamp.mtime_ns.max(file.stamp.ctime_ns)) < when.as_nanosecond() + MILLISECOND
}
