//! Taking a handled file out of the letterbox without ever losing what somebody saved under its name meanwhile.
//!
//! The file is first renamed to a dot name beside it. From then on nobody finds it by its name, so that what is read now
//! is what it stays. If these are the handled bytes, it may go; if not, they are a new patch.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ArchiveError;
use crate::failpoint::failpoint;
use crate::hotfix::record::{PatchId, Shown, check_name, sha256};

/// Reads a claimed file once more; never called with a link. An error of kind `WouldBlock` says that somebody still has it open for writing (the
/// doorkeeper's lease test knows), which counts as other bytes, like every error but `NotFound`.
pub type Reread<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// What became of a handled file. Its patch is in the archive in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is gone from the letterbox.
    Archived,
    /// It held other bytes than those that were handled, or was being written: a new patch.
    Changed {
        /// `None`: it is back under its name. Otherwise a still newer file had that name, which stays, and these bytes
        /// were never looked at: they are here.
        leftover: Option<PathBuf>,
    },
    /// Somebody else had removed it.
    Missing,
    /// It cannot be moved (a read-only mount) and stays where it is.
    Kept {
        /// The system's reason.
        why: String,
    },
}

/// What is under the claimed name now.
pub(super) enum Claimed {
    /// The handled bytes.
    Same,
    /// Something else.
    Other,
    /// Nothing; there was no file to claim.
    Missing,
    /// Nothing; the file could not be renamed.
    Kept { why: String },
}

/// The path with no link in it but perhaps the file itself.
pub(super) fn in_real_folder(path: &Path) -> PathBuf {
    let real = || Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?));
    real().unwrap_or_else(|| path.to_owned())
}

/// The dot name that `name` gets while it is claimed for patch `id`.
pub(super) fn claimed_name(name: &str, id: PatchId) -> String {
    format!(".{name}.claimed-{id}")
}

/// Renames `path` to `claimed_path`, unless an earlier attempt did, and looks whether it holds what was handled.
pub(super) fn claim(
    path: &Path,
    claimed_path: &Path,
    shown: &Shown,
    reread: Reread<'_>,
) -> Result<Claimed, ArchiveError> {
    // What an earlier attempt claimed comes first: a second rename would overwrite it.
    if claimed_path.symlink_metadata().is_err() {
        match fs::rename(path, claimed_path) {
            Ok(()) => failpoint!("claim"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claimed::Missing),
            Err(error) => {
                return Ok(Claimed::Kept { why: error.to_string() });
            }
        }
    }
    // The size first, so that a file that has become huge is not read.
    let has_size = fs::metadata(claimed_path).is_ok_and(|now| now.len() == shown.record.size);
    if !has_size {
        return Ok(Claimed::Other);
    }
    match reread(claimed_path) {
        Ok(bytes) if sha256(&bytes) == shown.record.sha256 => Ok(Claimed::Same),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Claimed::Missing),
        _ => Ok(Claimed::Other),
    }
}

/// A claim that was not finished.
pub(super) struct Left {
    /// The path that the file had.
    pub path: PathBuf,
    /// Its folder's name.
    pub service: String,
    /// Its own name.
    pub name: String,
    /// The patch it was claimed for.
    pub id: PatchId,
}

impl Left {
    /// Where the file is now.
    pub fn claimed_path(&self) -> PathBuf {
        self.path.with_file_name(claimed_name(&self.name, self.id))
    }

    /// Whether it is still there.
    pub fn is_there(&self) -> bool {
        self.claimed_path().symlink_metadata().is_ok()
    }
}

/// Finds unfinished claims in the service folders of `hotfix_dir`, in order. What cannot be listed has none.
pub(super) fn leftovers(hotfix_dir: &Path) -> Vec<Left> {
    let mut found = Vec::new();
    for (service, dir) in entries(hotfix_dir) {
        if service.starts_with('.') || check_name(&service).is_err() || !dir.is_dir() {
            continue;
        }
        for (claimed, path) in entries(&dir) {
            let Some((name, id)) = parse_claimed(&claimed) else {
                continue;
            };
            found.push(Left {
                path: path.with_file_name(name),
                service: service.clone(),
                name: name.to_owned(),
                id,
            });
        }
    }
    found
}

/// The entries of a directory, by name. Names that are not UTF-8 are none of ours.
fn entries(dir: &Path) -> Vec<(String, PathBuf)> {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    entries.sort();
    entries
}

/// The name and patch of a [`claimed_name`].
fn parse_claimed(claimed: &str) -> Option<(&str, PatchId)> {
    let (name, id) = claimed.strip_prefix('.')?.rsplit_once(".claimed-")?;
    check_name(name).ok()?;
    let id = PatchId(id.parse().ok()?);
    (claimed_name(name, id) == claimed).then_some((name, id))
}
