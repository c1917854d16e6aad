//! What the post room hands to an instance, and what the instance asks the post room for.

use std::sync::{Arc, OnceLock};

use crate::patch::outcome::{InstanceReport, SourceFile};
use crate::patch::source::Source;
use crate::patch::syntax::{Function, Read, outline};

/// One patch on its way, the same for every instance.
#[derive(Debug)]
pub struct Patch {
    /// The number under which history knows it; people see it as `patch 7`.
    pub id: u64,
    /// The service that it is for.
    pub service: String,
    /// The file's name, `x.lua`: the same name again is a new version of the same patch.
    pub name: String,
    /// The file as error messages name it: `hotfix/simpledb/x.lua`.
    pub label: String,
    /// Its text.
    pub source: Source,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
    /// What `...` is in it.
    pub args: Vec<String>,
    /// Whether it runs even where the same bytes are live (an explicit `inject`).
    pub forced: bool,
    /// What its syntax tree tells, once Lua's compiler has accepted it.
    pub shape: OnceLock<Shape>,
    /// The files whose functions it replaced when it was first applied: an instance that runs another text of one of them does not get
    /// it, since the fix is expected to be in the new text. Empty until then.
    pub sources: OnceLock<Vec<SourceFile>>,
}

/// What is read out of a patch's text once, for all instances.
#[derive(Debug)]
pub struct Shape {
    /// Its functions.
    pub functions: Vec<Function>,
    /// The free names that it reads.
    pub reads: Vec<Read>,
}

impl Patch {
    /// The shape of the text, which Lua's compiler has accepted.
    pub fn shape(&self) -> &Shape {
        self.shape.get_or_init(|| {
            let outline = outline(self.source.bytes());
            Shape {
                functions: outline.functions,
                reads: outline.reads,
            }
        })
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
    },
    /// Say what a patch would do, without executing anything of it.
    Check {
        /// The patch, with the number 0.
        patch: Arc<Patch>,
        /// As above; the status `Applied` means that it would be.
        reply: Reply,
    },
    /// Take patches back, all of them or none.
    Rollback {
        /// Which.
        rollback: Arc<Rollback>,
        /// As above. `Applied`: taken back; `Unchanged`: none of them is live here; `Rejected`: refused, with the reason.
        reply: Reply,
    },
    /// The node stops: run what the service registered for that, then end.
    Stop,
}

/// The post room as an instance sees it.
pub trait PostRoom: Send + Sync {
    /// The patches that a new instance of `service` gets before it is used, in the order in which they were applied.
    fn standing(&self, service: &str) -> Vec<Arc<Patch>>;
    /// An instance tells how a standing patch went.
    fn caught_up(&self, patch: &Arc<Patch>, report: InstanceReport);
    /// An instance runs another text of `file` than the one that the patch was made for.
    fn outdated(&self, patch: &Arc<Patch>, file: &str);
}
