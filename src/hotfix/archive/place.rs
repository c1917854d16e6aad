//! What the archive's files are called.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::hotfix::record::{NameError, Record, check_name};

/// Where a patch's files are.
pub(super) struct Place {
    /// Inside the archive.
    pub file: String,
    path: PathBuf,
}

impl Place {
    /// Where the patch of `record` belongs in the archive `root`, whether it is there or not.
    pub fn of(root: &Path, record: &Record) -> Result<Place, NameError> {
        let file = file_name(record)?;
        Ok(Place {
            path: root.join(&file),
            file,
        })
    }

    /// Its exact bytes.
    pub fn lua(&self) -> PathBuf {
        self.path.clone()
    }

    /// The diff that was logged.
    pub fn diff(&self) -> PathBuf {
        self.path.with_extension("diff")
    }
}

/// A patch's path inside the archive.
pub(super) fn file_name(record: &Record) -> Result<String, NameError> {
    check_name(&record.service)?;
    check_name(&record.name)?;
    let stem = record.name.strip_suffix(".lua").unwrap_or(&record.name);
    let time = compact(record.time);
    Ok(format!("{}/{:06}-{time}-{stem}.lua", record.service, record.id.0))
}

/// A time as file names have it: `20261122T125801Z`.
pub(super) fn compact(time: Timestamp) -> impl Display {
    time.strftime("%Y%m%dT%H%M%SZ")
}
