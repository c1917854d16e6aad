//! What can go wrong with the archive, in words for the person who runs the node.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::hotfix::history::HistoryError;
use crate::hotfix::record::NameError;

/// Why something did not get into the archive.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A file could not be written, read or moved.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as it follows "cannot".
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The history could not be read or written.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A name that must not become part of a path.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl ArchiveError {
    /// For `map_err`: what was tried with which file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
        let path = path.to_owned();
        move |source| ArchiveError::Io { doing, path, source }
    }
}
