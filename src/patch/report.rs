//! How a delivery is told: one summary line, what each instance has to add, and the diff.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use crate::patch::order::Patch;
use crate::patch::outcome::{FunctionChange, InstanceReport, Status};

/// All instances' answers to one patch.
pub struct Delivery<'a> {
    /// The patch's number in the history.
    pub id: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: &'a str,
    /// Whom to name: the console peer of an inject.
    pub by: Option<&'a str>,
    /// The answers, by rising handle.
    pub reports: &'a [InstanceReport],
}

/// How many failing instances are listed one by one.
const LISTED: usize = 20;

impl<'a> Delivery<'a> {
    /// Answers to a patch that nobody handed in by name.
    pub fn of(patch: &'a Patch, reports: &'a [InstanceReport]) -> Delivery<'a> {
        Delivery {
            id: patch.id,
            sha256: &patch.sha256,
            by: None,
            reports,
        }
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

    /// The summary line, without `[hotfix] SERVICE/FILE`.
    pub fn summary(&self) -> String {
        let tail = self.tail();
        match self.status() {
            Status::Applied => {
                let live = self.reports.iter().filter(|report| report.status.is_live()).count();
                let total = self.reports.len();
                format!(
                    "applied to {live} of {}: {}",
                    count(total, "instance"),
                    self.effect_line()
                )
            }
            Status::Unchanged => "unchanged: these bytes are live already".to_owned(),
            Status::NoEffect => {
                let why = self
                    .error()
                    .unwrap_or("it ran, but changed no function, field, global or local, and printed nothing");
                format!("had no effect: {why} {tail}")
            }
            Status::Rejected => format!("rejected: {}", self.error().unwrap_or("unknown reason")),
            Status::Failed => format!("failed and undone: {}", self.error().unwrap_or("unknown reason")),
            Status::TimedOut => format!("timed out: {}", self.error().unwrap_or("no instance was reached")),
        }
    }

    /// What changed, how long it took, and which patch it was.
    pub fn effect_line(&self) -> String {
        format!("{}, {} {}", self.effect(), self.milliseconds(), self.tail())
    }

    fn tail(&self) -> String {
        let by = self.by.map(|by| format!(", by {by}")).unwrap_or_default();
        format!(
            "(patch {}, sha256 {}…{by})",
            self.id,
            self.sha256.get(..12).unwrap_or(self.sha256)
        )
    }

    fn milliseconds(&self) -> String {
        format!("{:.1} ms", self.pause().as_secs_f64() * 1e3)
    }

    fn effect(&self) -> String {
        let functions = self.functions();
        let holders: u32 = functions.iter().map(|function| function.holders).sum();
        let values = self.applied().map_or(0, |report| report.values as usize);
        let mut parts = Vec::new();
        if !functions.is_empty() {
            parts.push(count(functions.len(), "function"));
            parts.push(count(holders as usize, "holder"));
        }
        if values > 0 {
            parts.push(count(values, "value"));
        }
        if parts.is_empty() {
            let lines = self.applied().map_or(0, |report| report.output.lines().count());
            parts.push(format!("printed {}", count(lines, "line")));
        }
        parts.join(", ")
    }

    /// The lines below the summary: instances where it went otherwise, tracebacks, warnings. Each ends with a newline.
    pub fn details(&self) -> String {
        let mut out = String::new();
        let status = self.status();
        let one_for_all = self.reports.len() == 1;
        let otherwise: Vec<&InstanceReport> = self
            .reports
            .iter()
            .filter(|report| {
                if status == Status::Applied {
                    !report.status.is_live()
                } else {
                    report.status != status
                }
            })
            .collect();
        for report in otherwise.iter().take(LISTED).filter(|_| !one_for_all) {
            let alone = Delivery {
                reports: std::slice::from_ref(*report),
                ..*self
            };
            // Writing into a String cannot fail.
            let _ = writeln!(out, "  :{:08x} {}", report.handle, alone.summary());
        }
        if otherwise.len() > LISTED {
            let _ = writeln!(out, "  and {} more", otherwise.len() - LISTED);
        }
        if let Some(traceback) = self.reports.iter().find_map(|report| report.traceback.as_deref()) {
            let _ = writeln!(out, "stack traceback:\n{traceback}");
        }
        for note in self.notes() {
            let _ = writeln!(out, "  {note}");
        }
        for warning in self.warnings() {
            let _ = writeln!(out, "  warning: {warning}");
        }
        out
    }

    /// The warnings of all instances, each once.
    pub fn warnings(&self) -> Vec<String> {
        distinct(self.reports.iter().flat_map(|report| &report.warnings))
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
mod tests {
    use super::Delivery;
    use crate::patch::outcome::{FunctionChange, InstanceReport, Status, Text};

    fn report(handle: u32, status: Status) -> InstanceReport {
        let text = Text {
            file: "f".into(),
            line: 1,
            text: String::new(),
        };
        let function = FunctionChange {
            name: "f".into(),
            holders: 2,
            old: Some(text.clone()),
            new: text,
        };
        let applied = status == Status::Applied;
        InstanceReport {
            error: (!status.is_live()).then(|| "hotfix/s/x.lua:3: boom".into()),
            functions: if applied { vec![function] } else { Vec::new() },
            micros: 400,
            ..InstanceReport::new(handle, status)
        }
    }

    fn told(reports: &[InstanceReport]) -> (Status, String, String) {
        let delivery = Delivery {
            id: 1,
            sha256: "3fa9c0ffee00aaaa",
            by: None,
            reports,
        };
        (delivery.status(), delivery.summary(), delivery.details())
    }

    #[test]
    fn the_summaries_are_those_of_the_contract() {
        use Status::{Applied, Failed, NoEffect, Rejected, Unchanged};
        let one = |status| told(&[report(10, status)]).1;
        assert_eq!(
            one(Applied),
            "applied to 1 of 1 instance: 1 function, 2 holders, 0.4 ms (patch 1, sha256 3fa9c0ffee00…)"
        );
        assert_eq!(one(Unchanged), "unchanged: these bytes are live already");
        assert!(one(NoEffect).starts_with("had no effect: "));
        assert_eq!(one(Rejected), "rejected: hotfix/s/x.lua:3: boom");
        assert_eq!(one(Failed), "failed and undone: hotfix/s/x.lua:3: boom");
    }

    #[test]
    fn each_failing_instance_is_named() {
        let (status, summary, details) = told(&[
            report(10, Status::Applied),
            report(11, Status::Failed),
            report(12, Status::Unchanged),
        ]);
        assert_eq!(status, Status::Applied);
        assert!(
            summary.starts_with("applied to 2 of 3 instances: 1 function, 2 holders"),
            "{summary}"
        );
        assert_eq!(details, "  :0000000b failed and undone: hotfix/s/x.lua:3: boom\n");
    }

    #[test]
    fn one_failure_outweighs_no_effect() {
        assert_eq!(
            told(&[report(1, Status::NoEffect), report(2, Status::Failed)]).0,
            Status::Failed
        );
        assert_eq!(told(&[]).0, Status::TimedOut);
    }
}
