//! What the history remembers about patches: plain types, without a database and without files.
//!
//! A patch enters as an [`Intake`], ends with a [`Verdict`], and what happens to it later is an [`Event`].
//! [`Record`], [`Shown`], [`Last`], [`Active`] and [`Entry`] are what one reads back.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::patch::outcome::{FunctionChange, InstanceReport, Status};

pub use crate::patch::outcome::SourceFile as Source;

mod freeze;
#[cfg(test)]
pub mod samples;
mod text;

pub use freeze::Freeze;
pub use text::{NAME_MAX_BYTES, NameError, check_name, reason, sha256};

/// The number of a patch as people see it ("patch 1"): counts from 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PatchId(pub u64);

impl fmt::Display for PatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a patch came to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A file in `hotfix/<service>/`.
    Dropped,
    /// The console's or the command line's `inject`.
    Injected,
    /// A saved source file in dev mode.
    Source,
}

/// Which instances of the service a patch was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Every instance, also those started later.
    All,
    /// The instance with this handle alone; never replayed.
    Handle(u32),
}

/// A patch before anything was done with it: what `History::begin` writes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The service as its folder in `hotfix/` is called; see [`check_name`].
    pub service: String,
    /// The file name, for example `do_test.lua`; see [`check_name`].
    pub name: String,
    /// The exact bytes of the file.
    pub bytes: Vec<u8>,
    /// The hash of `bytes` as [`sha256`] writes it.
    pub sha256: String,
    /// The patch that this one is a new version of.
    pub previous: Option<PatchId>,
    /// Who: a file's owner (`alice`) or a console's peer (`127.0.0.1:51234`).
    pub by: String,
    /// Why, in the author's words; see [`reason`].
    pub reason: Option<String>,
    /// How it came.
    pub origin: Origin,
    /// Whom it is for.
    pub target: Target,
}

/// What one instance answered, without the source texts that its report carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The handle in the form that logs use: `:0000000a`.
    pub handle: String,
    /// What became of the patch there.
    pub status: Status,
    /// How long the instance was paused, in milliseconds.
    pub ms: f64,
    /// The error, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The Lua traceback that goes with `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}

impl From<&InstanceReport> for Instance {
    fn from(report: &InstanceReport) -> Self {
        Instance {
            handle: format!(":{:08x}", report.handle),
            status: report.status,
            ms: report.micros as f64 / 1000.0,
            error: report.error.clone(),
            traceback: report.traceback.clone(),
        }
    }
}

/// A function that the patch replaced or defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name as the author writes it: `command.do_test`.
    pub name: String,
    /// How many places held the old function and now hold the new one, in all instances together.
    pub holders: u32,
}

impl From<&FunctionChange> for Function {
    fn from(change: &FunctionChange) -> Self {
        Function {
            name: change.name.clone(),
            holders: change.holders,
        }
    }
}

/// The end of a patch's delivery: what `History::finish` writes down.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What became of the patch as a whole.
    pub status: Status,
    /// The one summary line of the log, without its `[hotfix] SERVICE/FILE` head.
    pub summary: String,
    /// The error that decided a bad `status`, one line.
    pub error: Option<String>,
    /// The time from reading the bytes to the last answer, in milliseconds.
    pub ms: f64,
    /// The unified diff as it was logged, without colours.
    pub diff: String,
    /// Each instance's answer, in the order of their handles.
    pub instances: Vec<Instance>,
    /// What was replaced or defined.
    pub functions: Vec<Function>,
    /// What the author should know although it worked.
    pub warnings: Vec<String>,
    /// The files whose functions were replaced, as they were then: when one has changed, a replay retires the patch.
    pub sources: Vec<Source>,
}

/// The countable part of a verdict or of a later event, as history and journal keep it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How long it took, in milliseconds; `None` where nothing was executed.
    pub ms: Option<f64>,
    /// The error that decided it, one line.
    pub error: Option<String>,
    /// Each instance's answer.
    pub instances: Vec<Instance>,
    /// What was replaced, defined or restored.
    pub functions: Vec<Function>,
    /// What the author should know although it worked.
    pub warnings: Vec<String>,
}

impl From<&Verdict> for Outcome {
    fn from(verdict: &Verdict) -> Self {
        Outcome {
            ms: Some(verdict.ms),
            error: verdict.error.clone(),
            instances: verdict.instances.clone(),
            functions: verdict.functions.clone(),
            warnings: verdict.warnings.clone(),
        }
    }
}

/// Where the archive put a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedAs {
    /// The path inside the archive: `simpledb/000001-20261122T125801Z-do_test.lua`.
    pub file: String,
}

/// What can happen after a patch's verdict, or without a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Undone by a person: not replayed again, and its previous version counts once more.
    RolledBack,
    /// Applied again when the node started; older versions of the name cannot come back any more.
    Replayed,
    /// Not replayed because the source has changed; neither are older versions of the name.
    Retired,
    /// Patches are refused from now on.
    Frozen,
    /// Patches are accepted again.
    Unfrozen,
    /// A service has begun anew in place.
    Restarted,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One patch.
    Patch(PatchId),
    /// A service: for a rollback or retirement, every patch of it.
    Service(String),
    /// The whole node.
    Node,
}

/// Something that happened: what `History::event` writes down.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To whom.
    pub subject: Subject,
    /// Who did it, as in [`Intake::by`].
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// With what result.
    pub outcome: Outcome,
}

/// Why a patch that was live is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Withdrawn {
    /// A person undid it.
    RolledBack,
    /// The source has changed.
    Retired,
    /// A newer version was replayed in its place.
    Superseded,
}

impl Withdrawn {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Withdrawn::RolledBack => "rolled back",
            Withdrawn::Retired => "retired: its source has changed",
            Withdrawn::Superseded => "superseded by a newer version",
        }
    }
}

/// One patch in the history: everything but its bytes and its diff.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Its number.
    pub id: PatchId,
    /// When it was taken in; written as RFC 3339 in UTC, to the millisecond.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// The service's folder name.
    pub service: String,
    /// The file name.
    pub name: String,
    /// The hash of its bytes.
    pub sha256: String,
    /// How many bytes it has.
    pub size: u64,
    /// The patch that it is a new version of.
    pub previous: Option<PatchId>,
    /// The patch whose bytes were live already when this one came: the two are one for rollback and replay.
    pub same_as: Option<PatchId>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// How it came.
    pub origin: Origin,
    /// Whom it was for.
    pub target: Target,
    /// What became of it; `None` while it is under way and when it never happened.
    pub status: Option<Status>,
    /// The node ended before there was a verdict: whatever ran went with its virtual machines.
    pub never_happened: bool,
    /// Why it is not live any more, if it was.
    pub withdrawn: Option<Withdrawn>,
    /// The summary line; empty before the verdict.
    pub summary: String,
    /// The verdict's details; empty before the verdict.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Its path inside the archive, once it is there.
    pub file: Option<String>,
}

impl Record {
    /// Whether a patch with this verdict belongs into the archive. Rejected and failed ones stay where they are until
    /// their author changes them; the history alone keeps their bytes.
    pub fn is_for_archive(&self) -> bool {
        matches!(
            self.status,
            Some(Status::Applied | Status::Unchanged | Status::NoEffect)
        )
    }
}

/// One patch with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The facts.
    pub record: Record,
    /// The diff as it was logged; empty before the verdict.
    pub diff: String,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// The files whose functions it replaced.
    pub sources: Vec<Source>,
}

/// The newest version under one service and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its number.
    pub id: PatchId,
    /// The hash of its bytes.
    pub sha256: String,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// What became of it.
    pub status: Status,
    /// Whom it was for.
    pub target: Target,
    /// Why it is not live any more, if it was.
    pub withdrawn: Option<Withdrawn>,
}

/// A patch that every instance of its service has or gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its number.
    pub id: PatchId,
    /// The service's folder name.
    pub service: String,
    /// The file name.
    pub name: String,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// The hash of `bytes`.
    pub sha256: String,
    /// How it came.
    pub origin: Origin,
    /// The files whose functions it replaced, as they were then.
    pub sources: Vec<Source>,
}

/// One line of the journal, before it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place in the history: counts from 1, may have gaps, never goes back.
    pub seq: u64,
    /// When it happened.
    pub time: Timestamp,
    /// `applied`, `rejected`, …, `rolled-back`, `replayed`, `retired`, `frozen`, `unfrozen`.
    pub event: String,
    /// The service; `None` for the whole node.
    pub service: Option<String>,
    /// The patch, if it is about one.
    pub patch: Option<Record>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// With what result.
    pub outcome: Outcome,
}

/// Writes a time as people and journals see it: RFC 3339, UTC, milliseconds.
pub fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::Instance;
    use crate::patch::outcome::{InstanceReport, Status};

    #[test]
    fn an_instance_is_named_as_in_the_log() {
        let report = InstanceReport {
            error: Some("hotfix/simpledb/x.lua:3: no".to_owned()),
            micros: 1500,
            ..InstanceReport::new(10, Status::Failed)
        };
        let json = serde_json::to_string(&Instance::from(&report)).unwrap();
        assert_eq!(
            json,
            r#"{"handle":":0000000a","status":"failed","ms":1.5,"error":"hotfix/simpledb/x.lua:3: no"}"#
        );
    }
}
