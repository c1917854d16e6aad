//! What is behind a name in the root of the drop folder: a service folder or something else. Pure looking, no memory.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::watch::stamp::Stamp;

/// What a name in the root leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// Something that is no directory.
    File(Stamp),
    /// A directory, with the path that has no link in it, and its device and number.
    Folder { path: PathBuf, id: (u64, u64) },
    /// A link that does not count.
    Refused { why: &'static str, stamp: Stamp },
}

/// Looks behind a name; `home` is the (canonical) root.
pub(super) fn find(home: &Path, name: &std::ffi::OsStr) -> Found {
    let path = home.join(name);
    let Ok(own) = fs::symlink_metadata(&path) else {
        return Found::Missing;
    };
    if !own.is_symlink() {
        return folder_or_file(path, &own);
    }
    let stamp = Stamp::of(&own);
    let Ok(target) = fs::canonicalize(&path) else {
        return Found::File(stamp);
    };
    let Ok(metadata) = fs::symlink_metadata(&target) else {
        return Found::File(stamp);
    };
    if !metadata.is_dir() {
        return Found::File(stamp);
    }
    if target == home || !target.starts_with(home) {
        let why = "is a link to a folder outside of this one; make a real folder, or link to one inside";
        return Found::Refused { why, stamp };
    }
    folder_or_file(target, &metadata)
}

/// What is in a directory: names, and what each is itself (a link is not followed).
///
/// # Errors
/// Those of opening and reading the directory.
pub(super) fn entries(path: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    fs::read_dir(path)?
        .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))))
        .collect()
}

/// The names in a directory, in order.
///
/// # Errors
/// Those of opening and reading the directory.
pub(super) fn list(path: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect()
}

fn folder_or_file(path: PathBuf, metadata: &Metadata) -> Found {
    let stamp = Stamp::of(metadata);
    if metadata.is_dir() {
        Found::Folder { path, id: stamp.id() }
    } else {
        Found::File(stamp)
    }
}
