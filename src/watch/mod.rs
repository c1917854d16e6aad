//! The doorkeeper: watches the drop folder (and, in dev mode, the source trees) and hands over each file once nobody is writing it any more,
//! with its bytes.
//!
//! Events are hints, the directory is the truth. An event only says where to look; whether a file is complete is decided by a
//! test on the file itself, and whether it is news by its identity and the hash of its content. A regular sweep finds what no event tells.

mod folder;
mod forest;
mod hints;
mod layout;
mod ledger;
mod map;
mod names;
mod read;
mod remote;
mod roots;
mod round;
mod spots;
mod stamp;
mod targets;
mod tree;
mod waiting;
mod worker;

#[cfg(target_os = "linux")]
mod lease;
#[cfg(not(target_os = "linux"))]
#[path = "lease_none.rs"]
mod lease;

#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::watch::forest::Forest;
use crate::watch::hints::{Eyes, Signal};
use crate::watch::ledger::{Files, Ledger};
use crate::watch::read::Rules;
use crate::watch::spots::Spots;
use crate::watch::tree::Tree;
use crate::watch::worker::Worker;

pub use crate::watch::lease::ignore_lease_signal;
pub use crate::watch::read::{Contents, read_settled};
pub use crate::watch::stamp::{Stamp, stamp};

/// A good [`Config::sweep`] where events are to be had.
pub const NATIVE_SWEEP: Duration = Duration::from_secs(3);
/// A good [`Config::sweep`] for [`Config::poll`].
pub const POLL_SWEEP: Duration = Duration::from_millis(500);

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The drop folder: `<root>/<service>/<name>.lua`. It may be relative (to the process's directory at the start), may be a
    /// link, and need not exist yet.
    pub root: PathBuf,
    /// How messages name the root, for example `hotfix`.
    pub label: String,
    /// Only sweep, and trust no lease: for network file systems and container mounts.
    pub poll: bool,
    /// The largest file that is read, in bytes; larger ones are refused unread.
    pub max_size: u64,
    /// Patches that everybody may change, or that lie in folders where everybody may write, are refused; otherwise people are only told of
    /// such folders.
    pub strict: bool,
    /// Time between two sweeps: [`NATIVE_SWEEP`], or [`POLL_SWEEP`] with `poll`. What cannot be watched is swept at least
    /// every [`POLL_SWEEP`].
    pub sweep: Duration,
    /// Source trees that are watched as well.
    pub sources: Vec<SourceRoot>,
    /// Folders that are none of the sources although they lie below one: the drop folder, the archive.
    pub skip: Vec<PathBuf>,
}

/// What the doorkeeper reports.
#[derive(Debug)]
pub enum Event {
    /// The first scan is over: every file that was complete at the start has been offered, services in name order, files in
    /// name order.
    Scanned,
    /// A complete file: once per content, and again if another file takes its name.
    Settled(Settled),
    /// A file or folder that will not be looked at in its present state; reported once per state.
    Refused {
        /// Escaped for display: `hotfix/simpledb/x.lua`.
        path: String,
        /// What is wrong and what to do; reads after the path.
        why: String,
    },
    /// A file that was offered is no longer there. This may also be said of a file that was claimed by a rename, if the event
    /// of that rename comes before [`Watcher::forget`].
    Gone {
        /// The service folder's name.
        service: String,
        /// The file's name.
        name: String,
    },
    /// The first scan of the source trees is over: every file that was complete then has been offered.
    SourcesScanned,
    /// A complete source file: once per content.
    Source(Source),
    /// A source file that was offered is no longer there: deleted, or renamed. It is said when the file has been away for 30 ms, for some
    /// programs save a file by removing it first.
    SourceGone {
        /// As it was offered.
        path: PathBuf,
        /// As messages name it.
        display: String,
    },
    /// For the log.
    Notice(String),
}

/// A folder with source files, at any depth.
#[derive(Clone, Debug)]
pub struct SourceRoot {
    /// It may be relative (to the process's directory at the start), may be a link, and need not exist yet.
    pub path: PathBuf,
    /// How messages name it, for example `services`.
    pub label: String,
}

/// A source file that nobody is writing any more.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is; absolute, otherwise spelled as its root.
    pub path: PathBuf,
    /// As messages name it: `services/game/room.lua`.
    pub display: String,
    /// The whole content.
    pub bytes: Vec<u8>,
    /// The state in which it was read.
    pub stamp: Stamp,
}

/// A file that nobody is writing any more.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The service folder's name.
    pub service: String,
    /// The file's name, for example `x.lua`.
    pub name: String,
    /// Where it is; absolute, otherwise spelled as the configured root.
    pub path: PathBuf,
    /// As messages name it: `hotfix/simpledb/x.lua`.
    pub display: String,
    /// The SHA-256 of its content, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The owner's user number (0 on systems without).
    pub owner: u32,
    /// The state in which it was read.
    pub stamp: Stamp,
}

/// The running doorkeeper. Dropping it stops it and waits for its thread.
#[derive(Debug)]
pub struct Watcher {
    signals: Sender<Signal>,
    halt: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the doorkeeper on a thread of its own. It also stops when the receiver of `events` is gone.
///
/// # Errors
/// If the working directory is gone and `root` is relative or empty, or if the system has no thread to spare. A missing root, a lack of
/// watches and the like are no errors: they are told in a [`Event::Notice`], and the files are found by sweeping.
pub fn start(config: Config, events: UnboundedSender<Event>) -> io::Result<Watcher> {
    ignore_lease_signal();
    let root = std::path::absolute(&config.root)?;
    let halt = Arc::new(AtomicBool::new(false));
    let rules = Rules {
        max_size: config.max_size,
        strict: config.strict,
        lease: !config.poll,
        steady_remote: config.sweep.min(POLL_SWEEP),
        ..Rules::PATCHES
    };
    let source_rules = Rules {
        lease: rules.lease,
        steady_remote: rules.steady_remote,
        ..Rules::SOURCES
    };
    let (signals, received) = channel();
    let ledger = Ledger::new(Files::Patches, rules, events.clone(), Arc::clone(&halt));
    let sources = Ledger::new(Files::Sources, source_rules, events, Arc::clone(&halt));
    let spots = Spots::new(Eyes::new(signals.clone()), config.poll);
    let tree = Tree::new(root, config.label, spots, config.strict);
    let forest = forest(config.sources, &config.skip, sources)?;
    let worker = Worker::new((tree, ledger), forest, received, config.sweep);
    let thread = thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || worker.run())?;
    Ok(Watcher {
        signals,
        halt,
        thread: Some(thread),
    })
}

/// The source trees, with absolute paths.
fn forest(roots: Vec<SourceRoot>, skip: &[PathBuf], ledger: Ledger) -> io::Result<Forest> {
    let absolute = |root: SourceRoot| {
        let path = std::path::absolute(&root.path)?;
        Ok(SourceRoot { path, ..root })
    };
    let roots: io::Result<Vec<SourceRoot>> = roots.into_iter().map(absolute).collect();
    let skip: io::Result<Vec<PathBuf>> = skip.iter().map(std::path::absolute).collect();
    Ok(Forest::new(roots?, skip?, ledger))
}

impl Watcher {
    /// Offers the file again if it is still there, whatever was offered before: its service has started, a freeze has ended,
    /// a claim found other bytes. `path` is that of [`Settled`].
    pub fn recheck(&self, path: &Path) {
        self.tell(Signal::Recheck(path.to_owned()));
    }

    /// The file that was offered has been taken away: the next file of that name is news even with the same bytes.
    /// A file that was offered after the removal is not offered again.
    pub fn forget(&self, path: &Path) {
        self.tell(Signal::Forget(path.to_owned()));
    }

    /// What was offered of this file (a patch, or a source file) counts no more, though it stays: saved once more it is news, even with the same
    /// bytes.
    pub fn renew(&self, path: &Path) {
        self.tell(Signal::Renew(path.to_owned()));
    }

    /// Watches a further folder of source files, if it is not watched already: that folder only, not those below it, because it may be somebody's
    /// home directory. Its path is absolute. Files that are there are offered as in the first scan.
    pub fn add_source(&self, root: SourceRoot) {
        self.tell(Signal::AddSource(root));
    }

    fn tell(&self, signal: Signal) {
        // The thread ends by itself only when nobody listens to its events any more; then there is nobody to tell either.
        let _ = self.signals.send(signal);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.halt.store(true, Ordering::Relaxed);
        self.tell(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported by the panic hook; here it must not become a second one.
            let _ = thread.join();
        }
    }
}
