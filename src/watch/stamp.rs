//! The stamp of a file: what tells two states of it apart without reading it.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which file, and in which state: two equal stamps are the same file with (as far as the file system tells) the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The device that holds the file (0 on Windows).
    pub dev: u64,
    /// The file's number on that device (Windows: its creation time, the nearest that stable Rust offers).
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of content, name or permissions, in nanoseconds since 1970 (Windows: as `mtime_ns`).
    pub ctime_ns: i64,
}

/// The stamp of what `path` leads to; links are followed.
///
/// # Errors
/// Those of reading the metadata: the file is missing, or a directory on the way may not be searched.
pub fn stamp(path: &Path) -> io::Result<Stamp> {
    fs::metadata(path).map(|metadata| Stamp::of(&metadata))
}

impl Stamp {
    /// The file itself, whatever its state: device and number.
    pub fn id(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }

    /// The stamp of a directory for which only its identity counts: its times change with every file in it.
    pub(super) fn of_folder((dev, ino): (u64, u64)) -> Self {
        Self {
            dev,
            ino,
            size: 0,
            mtime_ns: 0,
            ctime_ns: 0,
        }
    }

    /// How long ago the file last changed, by this machine's clock; zero if that lies in the future.
    pub fn age(&self) -> Duration {
        let changed = u64::try_from(self.mtime_ns.max(self.ctime_ns)).unwrap_or(0);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since_1970.saturating_sub(Duration::from_nanos(changed))
    }
}

#[cfg(unix)]
impl Stamp {
    /// The stamp that metadata amounts to.
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One number; times that 64 bits cannot hold (after the year 2262) count as the last that they can.
#[cfg(unix)]
fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(windows)]
impl Stamp {
    /// The stamp that metadata amounts to.
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::windows::fs::MetadataExt;
        // A FILETIME counts 100 ns steps since 1601, which is this many steps before 1970.
        const STEPS_FROM_1601_TO_1970: i64 = 116_444_736_000_000_000;
        let steps = i64::try_from(metadata.last_write_time()).unwrap_or(i64::MAX);
        let written_ns = steps.saturating_sub(STEPS_FROM_1601_TO_1970).saturating_mul(100);
        Self {
            dev: 0,
            ino: metadata.creation_time(),
            size: metadata.file_size(),
            mtime_ns: written_ns,
            ctime_ns: written_ns,
        }
    }
}

#[cfg(unix)]
/// The user who owns the file (0 where files have no such number).
#[cfg(unix)]
pub(super) fn owner(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

/// The user who owns the file (0 where files have no such number).
#[cfg(not(unix))]
pub(super) fn owner(_: &Metadata) -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::stamp;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_stamp_tells_states_apart() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("x.lua");
        fs::write(&path, "one").expect("written");
        let first = stamp(&path).expect("there");
        assert_eq!(first, stamp(&path).expect("there"));
        assert!(first.age() < Duration::from_secs(3600));
        fs::write(&path, "longer").expect("written");
        let second = stamp(&path).expect("there");
        assert_ne!(first, second);
        assert_eq!(first.id(), second.id());
        assert!(stamp(&folder.path().join("missing")).is_err());
    }
}
