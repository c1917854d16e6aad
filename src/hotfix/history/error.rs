//! What can go wrong with the history, in words for the person who runs the node.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::hotfix::record::{NameError, PatchId};

/// Why the history cannot do what was asked of it.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// A service or file name that must not become part of a path.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no patch of that number.
    #[error("there is no patch {0} in the history")]
    Unknown(PatchId),
    /// A patch gets one verdict.
    #[error("patch {0} has its verdict already")]
    Finished(PatchId),
    /// The database's content makes no sense.
    #[error(
        "the history database {} is damaged ({detail}): move it away together with its -wal and -shm files, or put a \
         backup in its place; without one a new history begins, and `sqlite3 FILE .recover` may save the old one's rows",
        file.display()
    )]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// It is a database, but somebody else's.
    #[error(
        "{} is an SQLite database but not a hotlua history: move it away, or choose another `state` under [node]",
        file.display()
    )]
    Foreign {
        /// The database.
        file: PathBuf,
    },
    /// A newer hotlua has changed its form.
    #[error(
        "the history database {} was written by a newer hotlua (form {found}, this one knows {known}): use that one, or \
         choose another `state` under [node]",
        file.display()
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its form.
        found: i64,
        /// The newest form that this hotlua knows.
        known: i64,
    },
    /// The database cannot be read or written at the moment.
    #[error("cannot use the history database {}: {source}{}", file.display(), advice(source))]
    Database {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl HistoryError {
    /// Whether it may be another time: trouble with the database, not with what was asked.
    pub fn may_pass(&self) -> bool {
        matches!(self, HistoryError::Database { .. } | HistoryError::Damaged { .. })
    }

    /// Tells damage from trouble that may pass.
    pub(super) fn of(file: &Path, source: rusqlite::Error) -> Self {
        let damaged = matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ) || matches!(source, rusqlite::Error::FromSqlConversionFailure(..));
        if damaged {
            HistoryError::Damaged {
                file: file.to_owned(),
                detail: source.to_string(),
            }
        } else {
            HistoryError::Database {
                file: file.to_owned(),
                source,
            }
        }
    }
}

/// What to do about it, where SQLite's own words leave that open.
fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ": make room on its disk",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            ": check that its directory exists and may be written to"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ": another program (an `sqlite3` shell?) keeps it locked"
        }
        _ => "",
    }
}
