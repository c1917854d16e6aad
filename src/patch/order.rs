//! What the post room hands to an instance, and what the instance asks the post room for.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;

use crate::patch::outcome::{InstanceReport, SourceFile};
use crate::patch::source::Source;
use crate::patch::syntax::{WholeFile, source_of};

/// One patch on its way, the same for every instance.
#[derive(Debug)]
pub struct Patch {
    /// The number under which history knows it; people see it as `patch 7`.
    pub id: u64,
    /// The service that it is for.
    pub service: String,
    /// The file's name, `x.lua`: the same name again is a new version of the same patch.
    pub name: String,
    /// Its texts: one, but for source files that were saved together.
    pub texts: Vec<PatchText>,
    /// SHA-256 of the patch's bytes, hexadecimal.
    pub sha256: String,
    /// What `...` is in it.
    pub args: Vec<String>,
    /// Whether it runs even where the same bytes are live (an explicit `inject`).
    pub forced: bool,
    /// The files whose functions it replaced when it was first applied: an instance that runs another text of one of them does not get
    /// it, since the fix is expected to be in the new text. Empty until then.
    pub sources: OnceLock<Vec<SourceFile>>,
}

impl Patch {
    /// Whether it is source files that were saved.
    pub fn is_saved(&self) -> bool {
        let is_loaded = |text: &PatchText| matches!(text.whole_file(), Some(WholeFile::Loaded(_)));
        self.texts.iter().all(is_loaded)
    }
}

/// One text of a patch.
#[derive(Debug)]
pub struct PatchText {
    /// The file as error messages name it: `hotfix/simpledb/x.lua`.
    pub label: String,
    /// The text.
    pub source: Source,
    whole: OnceLock<Option<WholeFile>>,
}

impl PatchText {
    /// A text whose form tells whether it is the new version of a whole file.
    pub fn dropped(label: String, source: Source) -> PatchText {
        let whole = OnceLock::new();
        PatchText { label, source, whole }
    }

    /// The new version of the source file that services loaded under this label.
    pub fn saved(label: String, source: Source) -> PatchText {
        let whole = OnceLock::from(Some(WholeFile::Loaded(label.clone())));
        PatchText { label, source, whole }
    }

    /// What it is a new version of, if it is a whole file.
    pub fn whole_file(&self) -> Option<&WholeFile> {
        let text = self.source.bytes();
        self.whole
            .get_or_init(|| source_of(self.source.outline(), text))
            .as_ref()
    }
}

/// Patches of one service that are to be taken back.
#[derive(Debug)]
pub struct Rollback {
    /// Their numbers, the latest first.
    pub ids: Vec<u64>,
    /// Nothing is to be changed: only whether it could be done is wanted.
    pub dry: bool,
}

/// How far an order has come in one instance, for whoever waits for its answer: set by the instance, read by the post room.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Stage>);

/// See [`Progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The instance has not come to it.
    #[default]
    Queued,
    /// The instance works on it, since then.
    Working(Instant),
    /// The author's own code runs, since then.
    Running(Instant),
    /// The order waits in the instance for a suspended old body to end, since then.
    Waiting(Instant),
    /// The start function of a service that begins anew has not returned, since then.
    Starting(Instant),
}

impl Progress {
    /// The instance begins to work on the order, or goes on after a wait.
    pub fn begin(&self) {
        *self.0.lock() = Stage::Working(Instant::now());
    }

    /// The author's own code begins to run; [`Progress::begin`] tells that it has come back.
    pub fn run(&self) {
        *self.0.lock() = Stage::Running(Instant::now());
    }

    /// The order waits for a suspended old body.
    pub fn wait(&self) {
        *self.0.lock() = Stage::Waiting(Instant::now());
    }

    /// The service begins anew.
    pub fn start(&self) {
        *self.0.lock() = Stage::Starting(Instant::now());
    }

    /// Where it is.
    pub fn stage(&self) -> Stage {
        *self.0.lock()
    }
}

/// Called with the outcome of an order; dropped uncalled if the instance ends first.
pub type Reply = Box<dyn FnOnce(InstanceReport) + Send>;

/// A job for an instance, carried by the jobs' lane of its mailbox.
pub enum Order {
    /// Apply a patch between two messages, and answer.
    Apply {
        /// The patch.
        patch: Arc<Patch>,
        /// Takes the outcome.
        reply: Reply,
        /// Where it tells how far it is.
        progress: Arc<Progress>,
    },
    /// Say what a patch would do, without executing anything of it.
    Check {
        /// The patch, with the number 0.
        patch: Arc<Patch>,
        /// As above; the status `Applied` means that it would be.
        reply: Reply,
        /// As above.
        progress: Arc<Progress>,
    },
    /// Take patches back, all of them or none.
    Rollback {
        /// Which.
        rollback: Arc<Rollback>,
        /// As above. `Applied`: taken back; `Unchanged`: none of them is live here; `Rejected`: refused, with the reason.
        reply: Reply,
        /// As above.
        progress: Arc<Progress>,
    },
    /// Begin anew with the files as they are now, under the same handle, and with the state that the service hands over; the old
    /// code goes on if that fails.
    Restart {
        /// As above. `Applied`: the new code runs; `Failed`: the old one goes on.
        reply: Reply,
        /// As above.
        progress: Arc<Progress>,
    },
    /// The node stops: run what the service registered for that, then end.
    Stop,
}

/// A VM that loads a file.
#[derive(Clone, Copy, Debug)]
pub struct Loader<'a> {
    /// Tells it from every other VM that lives.
    pub vm: usize,
    /// The instance's handle.
    pub handle: u32,
    /// The service's name, as `newservice` was given it.
    pub service: &'a str,
}

/// The post room as an instance sees it.
pub trait PostRoom: Send + Sync {
    /// A VM is about to run a file, which it calls `label`; `text` is what the compiler got.
    fn loaded(&self, by: &Loader<'_>, path: &Path, label: &str, text: &Arc<[u8]>);
    /// A VM that has loaded files has ended.
    fn unloaded(&self, vm: usize);
    /// The patches that a new instance of `service` gets before it is used, in the order in which they were applied.
    fn standing(&self, service: &str) -> Vec<Arc<Patch>>;
    /// An instance tells how a standing patch went.
    fn caught_up(&self, patch: &Arc<Patch>, report: InstanceReport);
    /// An instance runs another text of `file` than the one that the patch was made for.
    fn outdated(&self, patch: &Arc<Patch>, file: &str);
}
