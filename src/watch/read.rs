//! The settled test: whether a file is a complete patch that nobody is writing any more, and if so its bytes.
//! It knows nothing of services, events or history: one path in, one verdict out.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::trust::{self, OPEN, REMEDY};
use crate::watch::lease::{self, Lease};
use crate::watch::remote;
use crate::watch::stamp::{Stamp, owner};

/// Pause between two requests for a lease right after a writer's close: the kernel reports the close a little before it
/// counts the writer out.
const LEASE_RETRY_PAUSE: Duration = Duration::from_micros(20);
/// For how long those requests go on before a timer takes over.
const LEASE_RETRY_SPAN: Duration = Duration::from_millis(1);
/// Without a lease: how long a stamp must stay the same on a local file system.
const STEADY_LOCAL: Duration = Duration::from_millis(30);

/// How files are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The largest file that is read, in bytes.
    pub max_size: u64,
    /// Whether a lease means anything here (it does not where other machines write).
    pub lease: bool,
    /// Without a lease: how long a stamp must stay the same where other machines write.
    pub steady_remote: Duration,
    /// Whether files that everybody may change are refused.
    pub strict: bool,
    /// Whether links may lead anywhere, and not only to files in the folder that holds them.
    pub far_links: bool,
    /// Whether a folder may have any name, and is then no file that ought to be another.
    pub folders_count: bool,
    /// What `max_size` is, for people.
    pub limit: &'static str,
}

/// The largest source file that is read, in bytes: far above what anybody writes, and what a machine holds in memory twice without harm.
const MAX_SOURCE: u64 = 64 << 20;

impl Rules {
    /// How patches are judged, but for what is configured.
    pub(super) const PATCHES: Rules = Rules {
        max_size: 0,
        lease: true,
        steady_remote: STEADY_LOCAL,
        strict: false,
        far_links: false,
        folders_count: false,
        limit: "the limit for one patch (max_size in the configuration)",
    };

    /// The same for source files.
    pub(super) const SOURCES: Rules = Rules {
        max_size: MAX_SOURCE,
        far_links: true,
        folders_count: true,
        limit: "the limit for one source file",
        ..Rules::PATCHES
    };
}

/// A regular file that was found behind a name; nothing of it has been read yet.
#[derive(Debug)]
pub(super) struct Entry {
    /// The directory entry itself (a link is not followed): device and number.
    pub id: (u64, u64),
    /// The file that it leads to.
    pub stamp: Stamp,
    /// Where that file is, with no link at its end.
    target: PathBuf,
    is_link: bool,
}

impl Entry {
    /// Where the file is, with no link in its path, if a link leads to it.
    pub(super) fn link_target(&self) -> Option<PathBuf> {
        self.is_link.then(|| self.target.clone())
    }
}

/// What one look at a file found.
#[derive(Debug)]
pub(super) enum Look {
    /// There is nothing of that name.
    Missing,
    /// It can never be a patch in this state.
    Refused { why: String, stamp: Stamp },
    /// No bytes yet: a truncating save is under way.
    Empty,
    /// Somebody has it open for writing.
    Writing,
    /// There is no lease to ask: the stamp has to stay as it is for so long.
    Unsteady { stamp: Stamp, hold: Duration },
    /// The machine got in the way (too many open files, an I/O error): worth another try.
    Trouble(String),
    /// Complete.
    Settled(Contents),
}

/// A file's bytes in one consistent state.
#[derive(Debug)]
pub struct Contents {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// The owner's user number (0 where files have none).
    pub owner: u32,
    /// The state in which it was read.
    pub stamp: Stamp,
}

/// Finds the regular file behind a name without opening anything: opening a device can have effects, opening a pipe can block.
/// A link counts if it leads to a file inside `home`, the (canonical) directory that holds it, or where far ones do.
pub(super) fn entry(home: &Path, name: &str, rules: &Rules) -> Result<Entry, Look> {
    let path = home.join(name);
    let own = fs::symlink_metadata(&path).map_err(|error| unreachable(&error))?;
    let stamp = Stamp::of(&own);
    if rules.folders_count && own.is_dir() {
        return Err(Look::Missing);
    }
    if !own.is_symlink() {
        let target = path;
        return regular(&own, stamp).map(|()| Entry {
            id: stamp.id(),
            stamp,
            target,
            is_link: false,
        });
    }
    let refused = |why: String| Look::Refused { why, stamp };
    let target = fs::canonicalize(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            refused("is a link to nothing; make the file that it names, or remove the link".to_owned())
        }
        _ => refused(format!("is a link that cannot be followed ({error})")),
    })?;
    if !rules.far_links && !target.starts_with(home) {
        return Err(refused(
            "is a link that leads out of its service folder; copy the file instead".to_owned(),
        ));
    }
    let metadata = fs::symlink_metadata(&target).map_err(|error| unreachable(&error))?;
    if rules.folders_count && metadata.is_dir() {
        return Err(Look::Missing);
    }
    regular(&metadata, stamp)?;
    Ok(Entry {
        id: stamp.id(),
        stamp: Stamp::of(&metadata),
        target,
        is_link: true,
    })
}

/// Reads the file if it is complete. `spin`: a writer has just closed it, so ask again at once while the kernel still counts it.
/// `steady`: the stamp that the file already had for as long as an [`Look::Unsteady`] answer asked.
pub(super) fn contents(entry: &Entry, rules: &Rules, spin: bool, steady: Option<Stamp>) -> Look {
    if let Some(look) = unfit(entry.stamp, rules) {
        return look;
    }
    let file = match open(&entry.target) {
        Ok(file) => file,
        Err(error) => return not_opened(&error, entry.stamp),
    };
    // The file may have been exchanged since `entry` looked.
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Look::Trouble(error.to_string()),
    };
    let stamp = Stamp::of(&metadata);
    if let Err(look) = regular(&metadata, stamp) {
        return look;
    }
    if rules.strict && trust::is_open_file(&file, &metadata) {
        let why = format!("{OPEN}, which is refused in production ({REMEDY})");
        return Look::Refused { why, stamp };
    }
    if let Some(look) = unfit(stamp, rules) {
        return look;
    }
    let is_remote = !rules.lease || remote::kind(&file).is_some();
    if is_remote {
        return read_steady(&file, rules, steady, rules.steady_remote);
    }
    match ask_for_lease(&file, spin) {
        // Held until the read is over.
        Lease::Granted(_held) => read(&file, rules),
        Lease::Writer => Look::Writing,
        Lease::Unavailable => read_steady(&file, rules, steady, STEADY_LOCAL),
    }
}

/// Reads a patch file again, for whoever is about to apply it, or has just taken it away under another name.
///
/// # Errors
/// `WouldBlock` if somebody has it open for writing, `InvalidData` if it is empty, too large (`max_size` bytes) or no regular file in its
/// folder, and those of opening and reading.
pub fn read_settled(path: &Path, max_size: u64) -> io::Result<Contents> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let home = fs::canonicalize(path.parent().unwrap_or(path))?;
    let rules = Rules {
        max_size,
        ..Rules::PATCHES
    };
    let look = entry(&home, name, &rules).map(|entry| contents(&entry, &rules, true, Some(entry.stamp)));
    match look.unwrap_or_else(|look| look) {
        Look::Settled(contents) => Ok(contents),
        Look::Missing => Err(io::ErrorKind::NotFound.into()),
        Look::Writing | Look::Unsteady { .. } => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "is still open for writing"))
        }
        Look::Empty => Err(io::Error::new(io::ErrorKind::InvalidData, "is empty")),
        Look::Refused { why, .. } => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        Look::Trouble(why) => Err(io::Error::other(why)),
    }
}

fn regular(metadata: &Metadata, stamp: Stamp) -> Result<(), Look> {
    let what = if metadata.is_file() {
        return Ok(());
    } else if metadata.is_dir() {
        "is a directory"
    } else {
        "is a special file (a pipe, a socket or a device)"
    };
    Err(Look::Refused {
        why: format!("{what}, no regular file"),
        stamp,
    })
}

/// The verdicts that need no reading.
fn unfit(stamp: Stamp, rules: &Rules) -> Option<Look> {
    if stamp.size == 0 {
        Some(Look::Empty)
    } else if stamp.size > rules.max_size {
        let limit = bytesize::ByteSize::b(rules.max_size);
        let why = format!("is larger than {limit}, {}", rules.limit);
        Some(Look::Refused { why, stamp })
    } else {
        None
    }
}

fn unreachable(error: &io::Error) -> Look {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Missing,
        _ => Look::Trouble(error.to_string()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Whatever took the file's place meanwhile is neither followed nor waited for.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        // FILE_SHARE_READ alone: a sharing violation says that a writer still has the file.
        const FILE_SHARE_READ: u32 = 1;
        options.share_mode(FILE_SHARE_READ);
    }
    options.open(path)
}

fn not_opened(error: &io::Error, stamp: Stamp) -> Look {
    // Windows answers with 32 while a writer has the file; Linux with EAGAIN (`WouldBlock`) if another process holds a write lease.
    const SHARING_VIOLATION: i32 = 32;
    let is_shared = cfg!(windows) && error.raw_os_error() == Some(SHARING_VIOLATION);
    match error.kind() {
        _ if is_shared => Look::Writing,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Missing,
        io::ErrorKind::WouldBlock => Look::Writing,
        io::ErrorKind::PermissionDenied => Look::Refused {
            why: "may not be read by the user that runs hotlua; make it readable".to_owned(),
            stamp,
        },
        _ => Look::Trouble(error.to_string()),
    }
}

fn ask_for_lease(file: &File, spin: bool) -> Lease<'_> {
    let deadline = Instant::now() + LEASE_RETRY_SPAN;
    loop {
        match lease::take(file) {
            Lease::Writer if spin && Instant::now() < deadline => thread::sleep(LEASE_RETRY_PAUSE),
            answer => return answer,
        }
    }
}

/// The second best: the stamp was the same for a while, and is the same before and after the read.
fn read_steady(file: &File, rules: &Rules, steady: Option<Stamp>, hold: Duration) -> Look {
    let before = match file.metadata() {
        Ok(metadata) => Stamp::of(&metadata),
        Err(error) => return Look::Trouble(error.to_string()),
    };
    if steady != Some(before) {
        return Look::Unsteady { stamp: before, hold };
    }
    match read(file, rules) {
        Look::Settled(contents) => match file.metadata().map(|metadata| Stamp::of(&metadata)) {
            Ok(after) if after == before => Look::Settled(contents),
            Ok(after) => Look::Unsteady { stamp: after, hold },
            Err(error) => Look::Trouble(error.to_string()),
        },
        look => look,
    }
}

fn read(file: &File, rules: &Rules) -> Look {
    match read_whole(file, rules.max_size) {
        Ok(contents) if contents.bytes.is_empty() => Look::Empty,
        Ok(contents) => match unfit(contents.stamp, rules) {
            Some(look) => look,
            None => Look::Settled(contents),
        },
        Err(error) => Look::Trouble(error.to_string()),
    }
}

/// At most `max_size` bytes: a file that grew beyond has a stamp that says so.
fn read_whole(file: &File, max_size: u64) -> io::Result<Contents> {
    let metadata = file.metadata()?;
    let stamp = Stamp::of(&metadata);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(stamp.size.min(max_size)).unwrap_or(usize::MAX))?;
    file.take(max_size).read_to_end(&mut bytes)?;
    let sha256 = Sha256::digest(&bytes).into();
    Ok(Contents {
        bytes,
        sha256,
        owner: owner(&metadata),
        stamp,
    })
}

#[cfg(test)]
mod tests {
    use super::{Look, Rules, contents, entry, read_settled};
    use crate::watch::lease::ignore_lease_signal;
    use crate::watch::stamp::stamp;
    use std::fs::{self, OpenOptions};
    use std::io::ErrorKind;
    use std::path::Path;
    use std::time::Duration;

    fn look(home: &Path, rules: &Rules) -> Look {
        match entry(home, "x.lua", rules) {
            Ok(entry) => contents(&entry, rules, false, None),
            Err(look) => look,
        }
    }

    const RULES: Rules = Rules {
        max_size: 64,
        lease: true,
        steady_remote: Duration::from_millis(500),
        ..Rules::PATCHES
    };

    #[test]
    fn verdicts_on_a_file() {
        ignore_lease_signal();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let home = folder.path().canonicalize().expect("there");
        let path = home.join("x.lua");
        assert!(matches!(look(&home, &RULES), Look::Missing));
        fs::write(&path, "").expect("written");
        assert!(matches!(look(&home, &RULES), Look::Empty));
        fs::write(&path, [b'-'; 65]).expect("written");
        assert!(matches!(look(&home, &RULES), Look::Refused { why, .. } if why.contains("larger than 64 B")));
        fs::write(&path, "return 1").expect("written");
        let without_lease = Rules { lease: false, ..RULES };
        assert!(matches!(look(&home, &without_lease), Look::Unsteady { hold, .. } if hold == RULES.steady_remote));
        let found = entry(&home, "x.lua", &RULES).expect("regular");
        let steady = Some(stamp(&path).expect("there"));
        let Look::Settled(read) = contents(&found, &without_lease, false, steady) else {
            panic!("a steady stamp settles a file")
        };
        assert_eq!(read.bytes, b"return 1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_writer_is_seen() {
        ignore_lease_signal();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let home = folder.path().canonicalize().expect("there");
        let path = home.join("x.lua");
        fs::write(&path, "return 1").expect("written");
        let writer = OpenOptions::new().append(true).open(&path).expect("opened");
        assert!(matches!(look(&home, &RULES), Look::Writing));
        assert_eq!(read_settled(&path, 64).expect_err("open").kind(), ErrorKind::WouldBlock);
        drop(writer);
        assert!(matches!(look(&home, &RULES), Look::Settled(_)));
        let read = read_settled(&path, 64).expect("settled");
        assert_eq!(
            hex::encode(read.sha256),
            "486d9affb60dbb0063b03d8e23a6ccf6364ce203dc3a9f56f20e750eb41ecade"
        );
        assert_eq!(read.stamp, stamp(&path).expect("there"));
    }
}
