//! File operations that are whole and on the disk when they return, and never overwrite what they should not.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::failpoint::failpoint;

/// Writes a file in one step: readers see all of it or, if there was one, the old one. Missing directories are created.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = parent(path)?;
    create_dir(dir)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.tmp"));
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .inspect(|()| failpoint!("temporary"))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // On a full disk even half a file is in the way of the next attempt. It may not exist at all.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_dir(dir)
}

/// Moves a file as it is. False, and nothing done, if it would not stay what it is: a link, a file with a second name, or
/// a move to another file system.
pub(super) fn move_whole(from: &Path, to: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(from)?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Ok(false);
    }
    let dir = parent(to)?;
    create_dir(dir)?;
    match File::open(from) {
        Ok(file) => file.sync_all()?,
        // It was readable a moment ago. Whoever changed that wants to keep the file: it is written from the history.
        Err(_) => return Ok(false),
    }
    match fs::rename(from, to) {
        Ok(()) => sync_dir(dir).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renames, and fails with `AlreadyExists` where `fs::rename` would overwrite.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;

        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // The file system does not know the flag; a second name cannot overwrite either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// Moves a file to a name in `dir` that nothing else has: `<base>.unhandled`, `<base>.2.unhandled`, ….
pub(super) fn move_aside(from: &Path, dir: &Path, base: &str) -> io::Result<PathBuf> {
    create_dir(dir)?;
    let mut number = 1;
    loop {
        let name = match number {
            1 => format!("{base}.unhandled"),
            _ => format!("{base}.{number}.unhandled"),
        };
        let to = dir.join(name);
        match rename_new(from, &to) {
            Ok(()) => return sync_dir(dir).map(|()| to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                if to.symlink_metadata().is_ok() {
                    number += 1;
                    continue;
                }
                write(&to, &fs::read(from)?)?;
                fs::remove_file(from)?;
                return Ok(to);
            }
            Err(error) => return Err(error),
        }
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a path of a file"))
}

/// Creates a directory, and has its own entry on the disk, if it is missing.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    dir.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems cannot sync a directory; there is nothing better to do on them.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}
