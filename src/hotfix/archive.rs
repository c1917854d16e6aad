//! The archive: the history as files and as a journal, for people and scripts. Everything in it is written here, and all
//! of it can be written again from the history.
//!
//! A patch becomes `<service>/<number>-<UTC time>-<name>.lua` with its exact bytes, the same name with `.diff`, and a
//! line of `journal.jsonl`. Trouble (a full disk, a missing permission) is an error value and costs nothing: the history
//! has the bytes, and the caller tries again later. All calls block.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::failpoint::failpoint;
use crate::hotfix::history::{History, HistoryError};
use crate::hotfix::record::{ArchivedAs, PatchId, Shown, check_name};

mod claim;
mod error;
mod files;
mod journal;
mod place;
#[cfg(test)]
mod tests;

pub use claim::{Claim, Reread};
use claim::{Claimed, claimed_name};
pub use error::ArchiveError;
use journal::Journal;
use place::{Place, compact};

/// The archive of one node.
#[derive(Debug)]
pub struct Archive {
    root: PathBuf,
    journal: Journal,
}

impl Archive {
    /// Whether there is an archive in `root`: one that has its journal.
    pub fn is_in(root: &Path) -> bool {
        root.join(journal::FILE).exists()
    }

    /// Opens the archive in `root`, which is created if it is missing. A journal that ends in half a line is cut back to
    /// its last whole one, and what the history has beyond that is written: a missing journal is written anew.
    ///
    /// # Errors
    /// When the directory or the journal cannot be read or written, or the history cannot be read.
    pub fn open(root: &Path, history: &History) -> Result<Archive, ArchiveError> {
        fs::create_dir_all(root).map_err(ArchiveError::io("create the archive", root))?;
        let mut archive = Archive {
            root: root.to_owned(),
            journal: Journal::open(root, history)?,
        };
        archive.write_journal(history)?;
        Ok(archive)
    }

    /// Writes the journal's lines for everything that the history has and the journal does not. To be called after each
    /// `History::finish` and `History::event`; a failed call is made up for by the next.
    ///
    /// # Errors
    /// When the journal cannot be written or the history cannot be read.
    pub fn write_journal(&mut self, history: &History) -> Result<(), ArchiveError> {
        self.journal.catch_up(history)
    }

    /// Moves the handled file at `path` into the archive, unless other bytes have been saved under its name meanwhile,
    /// and writes ARCHIVED into the history. May be called again for the same patch after an error or a crash.
    ///
    /// `reread` reads the file once more while nobody can find it any more; see [`Reread`].
    ///
    /// # Errors
    /// When the archive or the history cannot be written. Nothing is lost then: the file is where it was, or beside it
    /// under the dot name that the next call looks for.
    pub fn take(
        &self,
        history: &mut History,
        id: PatchId,
        path: &Path,
        reread: Reread<'_>,
    ) -> Result<Claim, ArchiveError> {
        let shown = history.show(id)?.ok_or(HistoryError::Unknown(id))?;
        let place = Place::of(&self.root, &shown.record)?;
        // A link to the service's folder may lead elsewhere a moment later: the file is to go back to where it was.
        let path = &claim::in_real_folder(path);
        let claimed_path = path.with_file_name(claimed_name(&shown.record.name, id));
        let claimed = claim::claim(path, &claimed_path, &shown, reread)?;
        failpoint!("reread");
        let claim = match claimed {
            Claimed::Same => {
                self.store_claimed(&place, &shown, &claimed_path)?;
                Claim::Archived
            }
            Claimed::Other => {
                let leftover = self.put_back(&claimed_path, path, &shown.record.service, id)?;
                self.store(&place, &shown)?;
                Claim::Changed { leftover }
            }
            Claimed::Missing => {
                self.store(&place, &shown)?;
                Claim::Missing
            }
            Claimed::Kept { why } => {
                self.store(&place, &shown)?;
                Claim::Kept { why }
            }
        };
        failpoint!("stored");
        history.archived(id, &ArchivedAs { file: place.file })?;
        failpoint!("archived");
        Ok(claim)
    }

    /// Writes a patch into the archive, whatever became of its file, and ARCHIVED into the history: for `keep` mode and for
    /// patches that were injected by hand.
    ///
    /// # Errors
    /// When the archive or the history cannot be written.
    pub fn copy(&self, history: &mut History, id: PatchId) -> Result<(), ArchiveError> {
        let shown = history.show(id)?.ok_or(HistoryError::Unknown(id))?;
        let place = Place::of(&self.root, &shown.record)?;
        self.store(&place, &shown)?;
        history.archived(id, &ArchivedAs { file: place.file })?;
        Ok(())
    }

    /// At start, before `hotfix_dir` is scanned: finishes the claims that a killed node left in its service folders. A
    /// file whose patch was handled goes to the archive; any other goes back under its name. One result per claim.
    pub fn finish_claims(
        &self,
        history: &mut History,
        hotfix_dir: &Path,
        reread: Reread<'_>,
    ) -> Vec<(PathBuf, Result<Claim, ArchiveError>)> {
        claim::leftovers(hotfix_dir)
            .into_iter()
            // A folder may have two names (a link to it): the second finds nothing any more.
            .filter(claim::Left::is_there)
            .map(|left| {
                let finished = self.finish_claim(history, &left, reread);
                (left.path, finished)
            })
            .collect()
    }

    fn finish_claim(
        &self,
        history: &mut History,
        left: &claim::Left,
        reread: Reread<'_>,
    ) -> Result<Claim, ArchiveError> {
        let shown = history.show(left.id)?;
        let is_its_patch = shown.is_some_and(|Shown { record, .. }| {
            record.is_for_archive() && record.service == left.service && record.name == left.name
        });
        if is_its_patch {
            return self.take(history, left.id, &left.path, reread);
        }
        let leftover = self.put_back(&left.claimed_path(), &left.path, &left.service, left.id)?;
        Ok(Claim::Changed { leftover })
    }

    /// Writes again what is missing of the archive: the files of every patch that was in it, and the journal if it is
    /// gone. Says how many patches' files were missing.
    ///
    /// # Errors
    /// When the archive cannot be written or the history cannot be read.
    pub fn rebuild(&mut self, history: &History) -> Result<u64, ArchiveError> {
        let mut rebuilt = 0;
        for id in history.archived_ids()? {
            let shown = history.show(id)?.ok_or(HistoryError::Unknown(id))?;
            let place = Place::of(&self.root, &shown.record)?;
            if !place.lua().exists() || !place.diff().exists() {
                self.store(&place, &shown)?;
                rebuilt += 1;
            }
        }
        self.journal = Journal::open(&self.root, history)?;
        self.write_journal(history)?;
        Ok(rebuilt)
    }

    /// Writes a patch's files from the history's bytes.
    fn store(&self, place: &Place, shown: &Shown) -> Result<(), ArchiveError> {
        files::write(&place.lua(), &shown.bytes).map_err(ArchiveError::io("write the archived patch", &place.lua()))?;
        self.store_diff(place, shown)
    }

    /// Makes the claimed file itself the archived one, which keeps its owner and times. A link, a file that has other
    /// names too, or one on another file system would not stay what was handled: those are written from the history.
    fn store_claimed(&self, place: &Place, shown: &Shown, claimed_path: &Path) -> Result<(), ArchiveError> {
        let moved = files::move_whole(claimed_path, &place.lua())
            .map_err(ArchiveError::io("move the patch to", &place.lua()))?;
        if moved {
            failpoint!("moved");
            return self.store_diff(place, shown);
        }
        self.store(place, shown)?;
        failpoint!("copied");
        fs::remove_file(claimed_path).map_err(ArchiveError::io("remove the archived patch's file", claimed_path))
    }

    fn store_diff(&self, place: &Place, shown: &Shown) -> Result<(), ArchiveError> {
        files::write(&place.diff(), shown.diff.as_bytes())
            .map_err(ArchiveError::io("write the patch's diff", &place.diff()))
    }

    /// Gives a claimed file that holds unhandled bytes its name back, unless a newer file has that name: then it is kept
    /// in the archive, and its path there is returned.
    fn put_back(
        &self,
        claimed_path: &Path,
        path: &Path,
        service: &str,
        id: PatchId,
    ) -> Result<Option<PathBuf>, ArchiveError> {
        match files::rename_new(claimed_path, path) {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                check_name(service)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let base = format!("{:06}-{}-{name}", id.0, compact(Timestamp::now()));
                files::move_aside(claimed_path, &self.root.join(service), &base)
                    .map(Some)
                    .map_err(ArchiveError::io("keep the unhandled file", claimed_path))
            }
            Err(error) => Err(ArchiveError::io("put the changed file back to", path)(error)),
        }
    }
}
