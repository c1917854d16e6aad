//! One node per state directory: a file lock that is held for life and names its holder. And one that takes files out of a letterbox.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use thiserror::Error;

/// The lock's file name. It stands beside the services' archive folders, hence a name that no service is likely to have.
const FILE: &str = "hotlua.lock";

/// The lock of a state directory. The kernel lets go of it when this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    file: File,
}

/// Why a state directory cannot be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another node has it.
    #[error(
        "another node{} already uses the state directory {}: stop it, or give this node its own `state` under [node]",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        dir.display()
    )]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// The holder's process id; `None` if it has not written it yet.
        pid: Option<u32>,
    },
    /// Another node takes the files of this letterbox.
    #[error(
        "another node{} already takes the patches out of {}: stop it, or give this node its own `dir` under [hotfix] (nodes may share one if all \
         have after_apply = \"keep\")",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        dir.display()
    )]
    Taken {
        /// The letterbox.
        dir: PathBuf,
        /// The holder's process id, if the system tells.
        pid: Option<u32>,
    },
    /// The directory or the file in it cannot be created, read or locked.
    #[error("cannot use the state directory {}: {source}: check `state` under [node] and its permissions", path.display())]
    Io {
        /// What could not be used.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Takes the lock of `state_dir`, which is created, for its owner alone, if it is not there.
///
/// # Errors
/// [`LockError::Held`] while another process has it (this never waits), [`LockError::Io`] for the rest.
pub fn acquire(state_dir: &Path) -> Result<StateLock, LockError> {
    create_private(state_dir).map_err(|source| LockError::Io {
        path: state_dir.to_owned(),
        source,
    })?;
    let path = state_dir.join(FILE);
    let io_error = |source| LockError::Io {
        path: path.clone(),
        source,
    };
    // Not truncated: until the lock is ours, the text is the holder's.
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LockError::Held {
                dir: state_dir.to_owned(),
                pid: read_pid(&mut file),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io_error(source)),
    }
    write_pid(&mut file).map_err(io_error)?;
    Ok(StateLock { file })
}

/// Locks a letterbox whose files are moved away, by its folder itself: nothing is written into it. `None` where it is not there, or cannot be
/// locked.
///
/// # Errors
/// [`LockError::Taken`] while another process has it; this never waits.
pub fn take_letterbox(dir: &Path) -> Result<Option<File>, LockError> {
    // Where nothing can be moved away files stay.
    let is_writable = access(dir, Access::WRITE_OK).is_ok();
    let Some(folder) = File::open(dir).ok().filter(|_| is_writable) else {
        return Ok(None);
    };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken {
            dir: dir.to_owned(),
            pid: holder(&folder),
        }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Who has the lock of a file: in `/proc/locks` a line is `1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`, see proc_locks(5).
fn holder(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = words[..] else {
            return None;
        };
        (place.rsplit(':').next() == Some(&inode))
            .then(|| pid.parse().ok())
            .flatten()
    })
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // The next holder must not be mistaken for this one while it has not written its own pid. If it fails, the pid
        // is stale until then, and nothing else.
        let _ = self.file.set_len(0);
    }
}

/// Creates `dir` with mode 0700 if it is missing; its parents as usual.
fn create_private(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = DirBuilder::new();
    match builder.mode(0o700).create(dir) {
        // A second node that starts at the same moment was faster: the lock decides between the two.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{FILE, LockError, acquire};

    #[test]
    fn a_second_node_is_told_who_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("deep/archive");
        let lock = acquire(&state).unwrap();

        let error = acquire(&state).unwrap_err();
        assert!(
            matches!(&error, LockError::Held { pid: Some(pid), .. } if *pid == std::process::id()),
            "{error}"
        );
        assert!(error.to_string().contains(&std::process::id().to_string()));

        drop(lock);
        acquire(&state).unwrap();
    }

    #[test]
    fn what_a_killed_node_left_behind_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "4000000000 and rubbish after it\n").unwrap();
        let _lock = acquire(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_holder_without_a_readable_pid_is_still_a_holder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = acquire(dir.path()).unwrap();
        fs::write(dir.path().join(FILE), [0xff; 100]).unwrap();
        let error = acquire(dir.path()).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: None, .. }), "{error}");
        drop(lock);
    }

    #[test]
    fn a_directory_that_it_creates_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("archive");
        let _lock = acquire(&state).unwrap();
        let mode = fs::metadata(&state).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("archive");
        fs::write(&state, "").unwrap();
        let error = acquire(&state).unwrap_err().to_string();
        assert!(error.contains("archive") && error.contains("[node]"), "{error}");
    }
}
