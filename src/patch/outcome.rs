//! What became of a patch, per instance and as a whole: the vocabulary of reports, history and console.

use serde::{Deserialize, Serialize};

/// The verdict on one patch in one instance, or on the whole delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The new code runs.
    Applied,
    /// Nothing was run: these bytes are live here already.
    Unchanged,
    /// It ran, changed no function, field, global or local, and printed nothing.
    NoEffect,
    /// It never ran: unreadable, not Lua, or not matchable.
    Rejected,
    /// It raised or broke a limit; everything that it did was undone.
    Failed,
    /// The instance was not reached in time, or ended meanwhile.
    TimedOut,
}

impl Status {
    /// Whether the new code is live after this verdict.
    pub fn is_live(self) -> bool {
        matches!(self, Status::Applied | Status::Unchanged)
    }
}

/// A stretch of source text: what a function looked like, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The file as error messages name it, for example `services/simpledb.lua`.
    pub file: String,
    /// The first line of `text` in that file, counted from 1.
    pub line: u32,
    /// The lines themselves, each with its newline.
    pub text: String,
}

/// One function that a patch put in place of another (or defined anew).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionChange {
    /// Its name as the author writes it: `command.do_test`, `M:hit`, `test`.
    pub name: String,
    /// How many places held the old function and now hold the new one.
    pub holders: u32,
    /// What ran before; `None` for a function that is new.
    pub old: Option<Text>,
    /// What runs now.
    pub new: Text,
}

/// What one instance answers to a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The instance's handle.
    pub handle: u32,
    /// What became of the patch here.
    pub status: Status,
    /// The error as its author should read it: `hotfix/simpledb/x.lua:3: …`, one line.
    pub error: Option<String>,
    /// The Lua traceback that goes with `error`, lines below it.
    pub traceback: Option<String>,
    /// What the patch printed while it ran.
    pub output: String,
    /// Functions replaced or defined.
    pub functions: Vec<FunctionChange>,
    /// Fields, locals and metatables that were written besides.
    pub values: u32,
    /// What was decided, a line each: locals kept or updated, functions that stay although their text is gone.
    pub notes: Vec<String>,
    /// What the author should know although it worked.
    pub warnings: Vec<String>,
    /// What of it cannot be applied to a running instance, with its lines.
    pub restarts: Vec<String>,
    /// The files whose functions it replaced (the service's script if it replaced none), as this instance runs them.
    pub sources: Vec<SourceFile>,
    /// How long the instance was paused, in microseconds.
    pub micros: u64,
}

impl InstanceReport {
    /// A verdict with nothing to tell besides.
    pub fn new(handle: u32, status: Status) -> InstanceReport {
        InstanceReport {
            handle,
            status,
            error: None,
            traceback: None,
            output: String::new(),
            functions: Vec::new(),
            values: 0,
            notes: Vec::new(),
            warnings: Vec::new(),
            restarts: Vec::new(),
            sources: Vec::new(),
            micros: 0,
        }
    }

    /// Whether the instance runs the new text now: also if there was nothing to do, but not if it needs a restart for that.
    pub fn has_reached(&self) -> bool {
        self.status.is_live() || self.status == Status::NoEffect && self.restarts.is_empty()
    }
}

/// A source file, and the content of it that an instance runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// As error messages name it, for example `services/simpledb.lua`.
    pub file: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}
