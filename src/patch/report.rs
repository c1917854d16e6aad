//! How a delivery is told: one summary line, what each instance has to add, and the diff.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use crate::patch::order::Patch;
use crate::patch::outcome::{FunctionChange, InstanceReport, Status};
use crate::plain;

/// All instances' answers to one order.
pub struct Delivery<'a> {
    /// What was ordered.
    pub deed: Deed<'a>,
    /// The answers, by rising handle.
    pub reports: &'a [InstanceReport],
}

/// What is reported about: it decides the words.
#[derive(Clone, Copy, Debug)]
pub enum Deed<'a> {
    /// A patch was applied.
    Apply {
        /// Its number in the history.
        id: u64,
        /// SHA-256 of its bytes, hexadecimal.
        sha256: &'a str,
        /// Whom to name: the console peer of an inject.
        by: Option<&'a str>,
    },
    /// It was asked what a patch would do.
    Check,
    /// Patches were taken back.
    Rollback {
        /// Their numbers, the latest first.
        ids: &'a [u64],
        /// Who did it.
        by: &'a str,
    },
}

const UNCHANGED: &str = "unchanged: these bytes are live already";
const NO_EFFECT: &str = "it ran, but changed no function, field, global or local, and printed nothing";
const WOULD_CHANGE_NOTHING: &str = "it changes no function, field, global or local";

/// How many failing instances are listed one by one.
const LISTED: usize = 20;

impl<'a> Delivery<'a> {
    /// Answers to a patch that nobody handed in by name.
    pub fn of(patch: &'a Patch, reports: &'a [InstanceReport]) -> Delivery<'a> {
        let deed = Deed::Apply {
            id: patch.id,
            sha256: &patch.sha256,
            by: None,
        };
        Delivery { deed, reports }
    }

    /// The verdict on the whole: live if it is live anywhere, else the worst that happened.
    pub fn status(&self) -> Status {
        let any = |status| self.reports.iter().any(|report| report.status == status);
        let order = [
            Status::Applied,
            Status::Unchanged,
            Status::Failed,
            Status::Rejected,
            Status::TimedOut,
            Status::NoEffect,
        ];
        // The whole is `unchanged` only if every instance is.
        order
            .into_iter()
            .find(|status| any(*status))
            .unwrap_or(Status::TimedOut)
    }

    /// Whether it is done, or would be, in every instance.
    pub fn is_complete(&self) -> bool {
        !self.reports.is_empty() && self.reports.iter().all(|report| report.status.is_live())
    }

    /// The error that decided a bad verdict.
    pub fn error(&self) -> Option<&str> {
        let status = self.status();
        self.reports
            .iter()
            .find(|report| report.status == status)
            .and_then(|report| report.error.as_deref())
    }

    /// The report whose functions stand for all: the first that was applied.
    pub fn applied(&self) -> Option<&InstanceReport> {
        self.reports.iter().find(|report| report.status == Status::Applied)
    }

    /// What was replaced or defined, with the holders of all instances.
    pub fn functions(&self) -> Vec<FunctionChange> {
        let Some(first) = self.applied() else { return Vec::new() };
        let mut functions = first.functions.clone();
        for (place, function) in functions.iter_mut().enumerate() {
            let applied = self.reports.iter().filter(|report| report.status == Status::Applied);
            function.holders = applied.filter_map(|r| Some(r.functions.get(place)?.holders)).sum();
        }
        functions
    }

    /// The longest pause of an instance.
    pub fn pause(&self) -> Duration {
        Duration::from_micros(
            self.reports
                .iter()
                .map(|report| report.micros)
                .max()
                .unwrap_or_default(),
        )
    }

    /// The summary line, without `[hotfix] SERVICE/FILE`: one line, whatever an error message holds.
    pub fn summary(&self) -> String {
        let summary = match self.deed {
            Deed::Apply { .. } => self.applying(),
            Deed::Check => self.plan(),
            Deed::Rollback { .. } => self.taking_back(),
        };
        plain::line(summary.as_bytes()).into_owned()
    }

    fn applying(&self) -> String {
        match self.status() {
            Status::Applied => format!("applied to {}: {}", self.reach(), self.effect_line()),
            Status::Unchanged => UNCHANGED.to_owned(),
            Status::NoEffect => format!("had no effect: {} {}", self.error().unwrap_or(NO_EFFECT), self.tail()),
            Status::Rejected => format!("rejected: {}", self.reason()),
            Status::Failed => format!("failed and undone: {}", self.reason()),
            Status::TimedOut => format!("timed out: {}", self.reason()),
        }
    }

    fn plan(&self) -> String {
        match self.status() {
            Status::Applied => format!("would be applied to {}: {}", self.reach(), self.effect()),
            Status::Unchanged => format!("would be {UNCHANGED}"),
            Status::NoEffect => format!("would have no effect: {}", self.error().unwrap_or(WOULD_CHANGE_NOTHING)),
            Status::Rejected => format!("would be rejected: {}", self.reason()),
            Status::Failed => format!("would fail: {}", self.reason()),
            Status::TimedOut => format!("cannot be told: {}", self.reason()),
        }
    }

    fn taking_back(&self) -> String {
        let (reason, tail) = (self.reason(), self.tail());
        match self.status() {
            Status::Applied | Status::NoEffect => format!("rolled back in {}: {}", self.reach(), self.effect_line()),
            Status::Unchanged => format!("rolled back: it was live in no instance {tail}"),
            Status::Rejected | Status::Failed => format!("not rolled back: {reason} {tail}"),
            Status::TimedOut if self.reports.is_empty() => format!("rolled back: no instance is running {tail}"),
            Status::TimedOut => format!("not rolled back yet: {reason} {tail}"),
        }
    }

    /// In how many instances it is done.
    fn reach(&self) -> String {
        let live = self.reports.iter().filter(|report| report.status.is_live()).count();
        format!("{live} of {}", count(self.reports.len(), "instance"))
    }

    fn reason(&self) -> &str {
        let unknown = match self.status() {
            Status::TimedOut => "no instance was reached",
            _ => "unknown reason",
        };
        self.error().unwrap_or(unknown)
    }

    /// What changed, how long it took, and which patch it was.
    pub fn effect_line(&self) -> String {
        format!("{}, {} {}", self.effect(), self.milliseconds(), self.tail())
    }

    /// Which patch it was.
    fn tail(&self) -> String {
        match self.deed {
            Deed::Apply { id, sha256, by } => {
                let by = by.map(|by| format!(", by {by}")).unwrap_or_default();
                format!("(patch {id}, sha256 {}…{by})", sha256.get(..12).unwrap_or(sha256))
            }
            Deed::Check => String::new(),
            Deed::Rollback { ids, by } => {
                let noun = if ids.len() == 1 { "patch" } else { "patches" };
                let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
                format!("({noun} {}, by {by})", ids.join(", "))
            }
        }
    }

    fn milliseconds(&self) -> String {
        format!("{:.1} ms", self.pause().as_secs_f64() * 1e3)
    }

    /// What changed, in numbers: never nothing, for then it would not have been applied.
    pub fn effect(&self) -> String {
        let functions = self.functions();
        let holders: u32 = functions.iter().map(|function| function.holders).sum();
        let values = self.applied().map_or(0, |report| report.values as usize);
        let lines = self.applied().map_or(0, |report| report.output.lines().count());
        let mut parts = Vec::new();
        if !functions.is_empty() {
            parts.push(count(functions.len(), "function"));
            parts.push(count(holders as usize, "holder"));
        }
        if values > 0 {
            parts.push(count(values, "value"));
        }
        if parts.is_empty() && lines > 0 {
            parts.push(format!("printed {}", count(lines, "line")));
        }
        match self.deed {
            _ if !parts.is_empty() => parts.join(", "),
            // What neither changes a value nor prints has an effect only by what it sends.
            Deed::Apply { .. } if self.notes().is_empty() => "only messages and timers".to_owned(),
            _ => "no function and no value".to_owned(),
        }
    }

    /// The lines below the summary: instances where it went otherwise, tracebacks, warnings. Each ends with a newline.
    pub fn details(&self) -> String {
        let mut out = self.outsiders();
        if let Some(traceback) = self.reports.iter().find_map(|report| report.traceback.as_deref()) {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "stack traceback:\n{traceback}");
        }
        for note in self.notes() {
            let _ = writeln!(out, "  {}", plain::line(note.as_bytes()));
        }
        for warning in self.warnings() {
            let _ = writeln!(out, "  warning: {}", plain::line(warning.as_bytes()));
        }
        out
    }

    /// The instances where it went otherwise than on the whole, a line each.
    pub fn outsiders(&self) -> String {
        let mut out = String::new();
        let status = self.status();
        let goes_otherwise = |report: &&InstanceReport| match status {
            Status::Applied => !report.status.is_live(),
            status => report.status != status,
        };
        let otherwise: Vec<&InstanceReport> = self.reports.iter().filter(goes_otherwise).collect();
        for report in otherwise.iter().take(LISTED).filter(|_| self.reports.len() > 1) {
            let alone = Delivery {
                reports: std::slice::from_ref(*report),
                ..*self
            };
            let _ = writeln!(out, "  :{:08x} {}", report.handle, alone.summary());
        }
        if otherwise.len() > LISTED {
            let _ = writeln!(out, "  and {} more", otherwise.len() - LISTED);
        }
        out
    }

    /// The warnings of all instances, each once, and what needs a restart.
    pub fn warnings(&self) -> Vec<String> {
        self.plain_warnings().into_iter().chain(self.restarts()).collect()
    }

    /// The warnings without what needs a restart.
    pub fn plain_warnings(&self) -> Vec<String> {
        distinct(self.reports.iter().flat_map(|report| &report.warnings))
    }

    /// What cannot be applied to instances that run, each once.
    pub fn restarts(&self) -> Vec<String> {
        distinct(self.reports.iter().flat_map(|report| &report.restarts))
    }

    /// What the instances decided, each line once.
    pub fn notes(&self) -> Vec<String> {
        distinct(self.reports.iter().flat_map(|report| &report.notes))
    }
}

fn distinct<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = HashSet::new();
    lines.filter(|line| seen.insert(*line)).cloned().collect()
}

/// `1 function`, `2 functions`, `2 patches`.
pub fn count(number: usize, noun: &str) -> String {
    let ending = match number {
        1 => "",
        _ if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests;
