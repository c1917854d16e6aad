//! What the post room's parts share: the books, the patches that new instances get, and who is served next.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{debug, info, warn};

use crate::actor::node::Node;
use crate::failpoint::failpoint;
use crate::hotfix::archive::{Archive, ArchiveError};
use crate::hotfix::books::{Books, reread};
use crate::hotfix::frozen::Freezes;
use crate::hotfix::history::{History, HistoryError};
use crate::hotfix::lock::{self, LockError, StateLock};
use crate::hotfix::record::{EventKind, PatchId};
use crate::hotfix::round::Limits;
use crate::hotfix::sources::{self, Sources};
use crate::hotfix::standing::Standing;
use crate::hotfix::waiting::Waiting;
use crate::patch::order::{Loader, Patch, PostRoom};
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::{Delivery, count};
use crate::watch::{SourceRoot, Watcher};

/// Settings of the post room.
#[derive(Clone, Debug)]
pub struct Config {
    /// The letterbox: `<dir>/<service>/<name>.lua`.
    pub dir: PathBuf,
    /// As messages name it: `hotfix`.
    pub label: String,
    /// An applied file stays where it is, and a copy is archived.
    pub keep: bool,
    /// Live patches are applied again when the node starts.
    pub replay: bool,
    /// The largest patch, in bytes.
    pub max_size: u64,
    /// Where history and archive are.
    pub state: PathBuf,
    /// The project's directory, to which the names of source files are relative.
    pub base: PathBuf,
    /// Diffs in the log are coloured.
    pub colour: bool,
    /// In dev mode: the source trees that are watched.
    pub dev: Option<Vec<SourceRoot>>,
    /// How long a patch's own code may run in one instance.
    pub time_limit: Duration,
    /// How long a patch may wait in an instance for a suspended old body.
    pub in_flight_wait: Duration,
    /// How long a service that is restarted in place may take to start.
    pub restart_limit: Duration,
}

/// Why the post room cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state directory is somebody else's, or unusable.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The archive cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// The post room. One per node.
pub struct Office {
    /// Settings.
    pub config: Config,
    /// The hall.
    pub node: Arc<Node>,
    /// When this run of the node began, and the newest patch of the runs before.
    pub(super) began: Timestamp,
    pub(super) newest_before: PatchId,
    pub(super) books: Mutex<Books>,
    /// The books are behind: somebody has to go on trying.
    pub(super) trouble: Notify,
    /// What new instances get.
    pub(super) standing: Standing,
    pub(super) freezes: Freezes,
    pub(super) waiting: Waiting,
    /// Who has loaded which source file; in dev mode only.
    pub sources: Option<Sources>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    watcher: OnceLock<Watcher>,
    notes: UnboundedSender<Note>,
    /// Patches of an earlier run of the node.
    pub(super) replayed: Mutex<HashSet<u64>>,
    /// Folders out of which nothing can be moved.
    pub(super) kept: Mutex<HashSet<PathBuf>>,
    /// Patches whose first way into a new instance was told.
    told: Mutex<HashSet<u64>>,
    _locks: (StateLock, Option<File>),
}

/// What instances tell, on threads that must not wait for a disk.
pub enum Note {
    /// A patch went into a new instance.
    CaughtUp(Arc<Patch>, InstanceReport),
    /// A patch is for an older text of a file.
    Outdated(Arc<Patch>, String),
}

impl Office {
    /// Takes the state directory, opens the books, and finishes what a killed node left half done.
    ///
    /// # Errors
    /// When another node has the directory, or it cannot be used.
    pub fn open(config: Config, node: Arc<Node>) -> Result<(Arc<Office>, UnboundedReceiver<Note>), OpenError> {
        let lock = lock::acquire(&config.state)?;
        let letterbox = match config.keep {
            true => None,
            false => lock::take_letterbox(&config.dir)?,
        };
        let mut history = History::open(&config.state)?;
        let had_archive = Archive::is_in(&config.state);
        let mut archive = Archive::open(&config.state, &history)?;
        let rebuilt = if had_archive { 0 } else { archive.rebuild(&history)? };
        if rebuilt > 0 {
            info!(
                "[hotfix] the archive was gone: {} written again from the history",
                count(rebuilt as usize, "archived file")
            );
        }
        for (path, finished) in archive.finish_claims(&mut history, &config.dir, &reread(config.max_size)) {
            if let Err(error) = finished {
                warn!("[hotfix] {}: {error}", path.display());
            }
        }
        failpoint!("claims");
        for record in history.abandon_unfinished()? {
            warn!(
                "[hotfix] {}/{}: patch {} was under way when the node ended; it did not happen",
                record.service, record.name, record.id
            );
        }
        failpoint!("abandoned");
        let newest_before = history.list(None, 1)?.first().map_or(PatchId(0), |newest| newest.id);
        let freezes = Freezes::new(history.freezes()?);
        let (notes, received) = unbounded_channel();
        let sources = config.dev.as_ref().map(|_| Sources::default());
        let office = Arc::new(Office {
            config,
            waiting: Waiting::new(node.clone()),
            node,
            began: Timestamp::now(),
            newest_before,
            books: Mutex::new(Books::new(history, archive)),
            trouble: Notify::new(),
            standing: Standing::default(),
            freezes,
            sources,
            turns: Mutex::default(),
            watcher: OnceLock::new(),
            notes,
            replayed: Mutex::default(),
            kept: Mutex::default(),
            told: Mutex::default(),
            _locks: (lock, letterbox),
        });
        Ok((office, received))
    }

    /// Waits until what has the turn of that service, or of any, and what waits for it now, has had it.
    pub(super) async fn pass_turns(&self, service: Option<&str>) {
        let turns = self.turns.lock().clone();
        for (of, turn) in turns {
            if service.is_none_or(|service| service == of) {
                drop(turn.lock().await);
            }
        }
    }

    /// The turn of one service: one patch at a time, in the order of arrival, whatever other services do.
    pub(super) async fn turn(&self, service: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.turns.lock().entry(service.to_owned()).or_default().clone();
        turn.lock_owned().await
    }

    /// Connects the watcher, once.
    pub fn set_watcher(&self, watcher: Watcher) {
        // Only the app calls this, at start.
        let _ = self.watcher.set(watcher);
        let loaded = self.sources.as_ref().map(Sources::paths).unwrap_or_default();
        loaded.iter().for_each(|path| self.watch_folder(path));
    }

    /// In dev mode: the folder of a file that a service has loaded from outside of the source trees is watched as well.
    fn watch_folder(&self, path: &Path) {
        let roots = self.config.dev.as_deref().unwrap_or_default();
        let real = sources::canonical(path);
        let is_below =
            |root: &SourceRoot| path.starts_with(&root.path) || real.starts_with(sources::canonical(&root.path));
        let is_watched = roots.iter().any(is_below);
        if let (false, Some(watcher), Some(folder)) = (is_watched, self.watcher(), path.parent()) {
            watcher.add_source(SourceRoot {
                path: folder.to_owned(),
                label: folder
                    .strip_prefix(&self.config.base)
                    .unwrap_or(folder)
                    .display()
                    .to_string(),
            });
        }
    }

    /// The watcher, once there is one.
    pub fn watcher(&self) -> Option<&Watcher> {
        self.watcher.get()
    }

    /// Has the watcher look at a dropped file again.
    pub(super) fn look_again(&self, path: &Path) {
        if let Some(watcher) = self.watcher() {
            watcher.recheck(path);
        }
    }

    /// How long an instance may be at an order.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            time_limit: self.config.time_limit,
            in_flight_wait: self.config.in_flight_wait,
            restart_limit: self.config.restart_limit,
        }
    }

    /// Tells what instances note, until the node ends.
    pub async fn keep_notes(self: Arc<Self>, mut notes: UnboundedReceiver<Note>) {
        while let Some(note) = notes.recv().await {
            match note {
                Note::CaughtUp(patch, report) => self.tell_caught_up(&patch, report),
                Note::Outdated(patch, file) => {
                    if self.standing.retire(&patch) {
                        self.retire(&patch.service, &patch.name, patch.id, &file);
                    }
                }
            }
        }
    }

    /// A patch is not applied again, since the source that it was made for has changed.
    pub(super) fn retire(&self, service: &str, name: &str, id: u64, file: &str) {
        let why = format!("{file} has changed since; the fix is expected to be in the new source");
        info!("[hotfix] {service}/{name} retired: {why} (patch {id})");
        self.event(EventKind::Retired, id, Some(why));
    }

    /// Tells how a patch went in an instance that got it later than its peers.
    pub(super) fn tell_caught_up(&self, patch: &Patch, report: InstanceReport) {
        self.note_behind(patch, &report);
        let reports = [report];
        let delivery = Delivery::of(patch, &reports);
        let verb = if self.replayed.lock().contains(&patch.id) {
            "replayed"
        } else {
            "applied"
        };
        let went = match reports[0].status {
            Status::Applied => format!(
                "{verb} to the new instance :{:08x}: {}",
                reports[0].handle,
                delivery.effect_line()
            ),
            _ => format!(
                "not {verb} to the new instance :{:08x}: {}",
                reports[0].handle,
                delivery.summary()
            ),
        };
        let line = format!("[hotfix] {}/{} {went}", patch.service, patch.name);
        // A thousand instances say the same; the first one and those that fail are news.
        if reports[0].status != Status::Applied || self.told.lock().insert(patch.id) {
            info!("{}", format!("{line}\n{}", delivery.details()).trim_end());
        } else {
            debug!("{line}");
        }
    }
}

impl PostRoom for Office {
    fn loaded(&self, by: &Loader<'_>, path: &Path, label: &str, text: &Arc<[u8]>) {
        let Some(sources) = &self.sources else { return };
        if sources.loaded(by, path, label, text) {
            self.watch_folder(path);
        }
    }

    fn unloaded(&self, vm: usize) {
        if let Some(sources) = &self.sources {
            sources.unloaded(vm);
        }
    }

    fn standing(&self, service: &str) -> Vec<Arc<Patch>> {
        self.standing.of(service)
    }

    fn caught_up(&self, patch: &Arc<Patch>, report: InstanceReport) {
        // Nobody listens any more when the node ends.
        let _ = self.notes.send(Note::CaughtUp(patch.clone(), report));
    }

    fn outdated(&self, patch: &Arc<Patch>, file: &str) {
        // As above.
        let _ = self.notes.send(Note::Outdated(patch.clone(), file.to_owned()));
    }
}
