//! The history as people read it: who did what to which service, when and why, what came of it, and where it runs now.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::hotfix::record::{Entry, Freeze, Origin, Record, Shown, Withdrawn, rfc3339};
use crate::hotfix::waiting::Waits;
use crate::patch::outcome::Status;
use crate::patch::report::count;

/// What happened, and how things stand now.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Story {
    /// The events, oldest first.
    pub events: Vec<Chapter>,
    /// See there.
    #[serde(flatten)]
    pub letterbox: Letterbox,
}

/// What is kept out just now.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Letterbox {
    /// The freezes that hold.
    pub frozen: Vec<Freeze>,
    /// The dropped files that wait.
    pub waiting: Vec<Waits>,
}

impl Letterbox {
    /// What of it concerns one service, or all.
    pub fn of(mut self, service: Option<&str>) -> Letterbox {
        if let Some(service) = service {
            self.frozen
                .retain(|freeze| freeze.service.as_deref().is_none_or(|frozen| frozen == service));
            self.waiting.retain(|waits| waits.service == service);
        }
        self
    }
}

impl Story {
    /// Its lines, each with a newline.
    pub fn text(&self) -> String {
        let Letterbox { frozen, waiting } = &self.letterbox;
        let events = self.events.iter().map(Chapter::text);
        let frozen = frozen.iter().map(|freeze| freeze.sentence() + "\n");
        let waiting = waiting.iter().map(|waits| format!("{waits}\n"));
        events.chain(frozen).chain(waiting).collect()
    }
}

/// One event. The field names are those of the JSON that the command line prints.
#[derive(Clone, Debug, Serialize)]
pub struct Chapter {
    /// Its place in the history.
    pub seq: u64,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// `applied`, `rejected`, `rolled-back`, `frozen`, …
    pub event: String,
    /// The service; `None` for the whole node.
    pub service: Option<String>,
    /// The patch's number.
    pub patch: Option<u64>,
    /// The patch's file name.
    pub name: Option<String>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: Option<f64>,
    /// The summary in one line; empty where there is none.
    pub summary: String,
    /// What was replaced, defined or restored.
    pub functions: Vec<String>,
    /// How many instances it was live in, and how many it was meant for.
    pub reached: usize,
    /// See `reached`.
    pub instances: usize,
    /// What has become of the patch since.
    pub withdrawn: Option<Withdrawn>,
    /// In how many living instances the patch runs now; `None` where that is no question.
    pub runs_in: Option<usize>,
}

impl Chapter {
    /// An event; `runs_in` tells of a patch in how many instances it runs.
    pub fn of(entry: &Entry, runs_in: impl Fn(&Record) -> usize) -> Chapter {
        let patch = entry.patch.as_ref();
        let own = patch.filter(|_| is_verdict(&entry.event));
        // A saved source file is no patch that lives on: whoever starts later reads it.
        let is_live = |record: &&Record| {
            let is_patch = record.origin != Origin::Source && record.same_as.is_none();
            is_patch && record.withdrawn.is_none() && record.status.is_some_and(Status::is_live)
        };
        let outcome = &entry.outcome;
        Chapter {
            seq: entry.seq,
            time: entry.time,
            event: entry.event.clone(),
            service: entry
                .service
                .clone()
                .or_else(|| patch.map(|patch| patch.service.clone())),
            patch: patch.map(|patch| patch.id.0),
            name: patch.map(|patch| patch.name.clone()),
            by: entry.by.clone(),
            reason: entry.reason.clone(),
            ms: outcome.ms,
            summary: own.map(|patch| patch.summary.clone()).unwrap_or_default(),
            functions: outcome.functions.iter().map(|function| function.name.clone()).collect(),
            reached: outcome
                .instances
                .iter()
                .filter(|instance| instance.status.is_live())
                .count(),
            instances: outcome.instances.len(),
            withdrawn: own.and_then(|patch| patch.withdrawn),
            runs_in: own.filter(is_live).map(runs_in),
        }
    }

    /// Its lines, each with a newline.
    pub fn text(&self) -> String {
        let time = self.time.strftime("%Y-%m-%d %H:%M:%S");
        let mut out = format!("{time}  {}\n", self.headline());
        let mut line = |text: String| {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "  {text}");
        };
        if let Some(reason) = &self.reason {
            line(format!("why: {reason}"));
        }
        match self.summary.as_str() {
            "" if self.instances > 0 => line(format!("in {} of {}", self.reached, count(self.instances, "instance"))),
            "" => {}
            summary => line(summary.to_owned()),
        }
        if !self.functions.is_empty() {
            line(format!("changed: {}", self.functions.join(", ")));
        }
        match (self.withdrawn, self.runs_in) {
            (Some(Withdrawn::RolledBack), _) => line("rolled back since".to_owned()),
            (Some(Withdrawn::Retired), _) => line("retired since: its source has changed".to_owned()),
            (Some(Withdrawn::Superseded), _) => line("superseded since".to_owned()),
            (None, Some(number)) => line(format!("runs in {} now", count(number, "instance"))),
            (None, None) => {}
        }
        out
    }

    fn headline(&self) -> String {
        let service = self.service.as_deref().unwrap_or("the node");
        let what = match (&self.name, self.patch) {
            (Some(name), Some(id)) => format!("{service}/{name} (patch {id})"),
            _ => service.to_owned(),
        };
        let by = &self.by;
        match self.event.as_str() {
            "no-effect" => format!("{what}: by {by}, without effect"),
            "timed-out" => format!("{what}: by {by}, reached nobody in time"),
            "failed" => format!("{what}: by {by}, failed and undone"),
            event => format!("{what}: {event} by {by}"),
        }
    }
}

/// Whether an event is the verdict on a patch, and not what became of it later.
fn is_verdict(event: &str) -> bool {
    !matches!(event, "rolled-back" | "replayed" | "retired")
}

/// One patch in full, as text.
pub fn show(shown: &Shown) -> String {
    let Record {
        id,
        time,
        service,
        name,
        sha256,
        size,
        by,
        ..
    } = &shown.record;
    let record = &shown.record;
    let mut out = format!("patch {id}: {service}/{name}\n");
    let mut line = |key: &str, text: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "  {key:<9} {text}");
    };
    line("time", &time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    line("by", by);
    if let Some(reason) = &record.reason {
        line("why", reason);
    }
    line("sha256", &format!("{sha256} ({size} bytes)"));
    if let Some(previous) = record.previous {
        line("previous", &format!("patch {previous}"));
    }
    if let Some(file) = &record.file {
        line("archive", file);
    }
    line("outcome", outcome(record));
    if let Some(withdrawn) = record.withdrawn {
        line("since", withdrawn.word());
    }
    for (text, handles) in by_answer(record) {
        line("", &format!("{text}: {handles}"));
    }
    for function in &record.outcome.functions {
        line(
            "changed",
            &format!("{} ({})", function.name, count(function.holders as usize, "holder")),
        );
    }
    for warning in &record.outcome.warnings {
        line("warning", warning);
    }
    if let Some(traceback) = record
        .outcome
        .instances
        .iter()
        .find_map(|instance| instance.traceback.as_ref())
    {
        out.push_str("stack traceback:\n");
        out.push_str(traceback);
        out.push('\n');
    }
    out
}

fn outcome(record: &Record) -> &str {
    match record.summary.as_str() {
        _ if record.never_happened => "did not happen: the node ended",
        "" => "is under way",
        summary => summary,
    }
}

/// How many handles are named one by one.
const NAMED: usize = 8;

/// Instances that answered alike, together.
fn by_answer(record: &Record) -> Vec<(String, String)> {
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for instance in &record.outcome.instances {
        let status = serde_json::to_value(instance.status).ok();
        let status = status.as_ref().and_then(|status| status.as_str()).unwrap_or("?");
        let text = match &instance.error {
            Some(error) => format!("{status} ({error})"),
            None => status.to_owned(),
        };
        match answers.iter_mut().find(|(known, _)| *known == text) {
            Some((_, handles)) => handles.push(&instance.handle),
            None => answers.push((text, vec![&instance.handle])),
        }
    }
    let named = |handles: Vec<&str>| match handles.len() {
        all if all > NAMED => format!("{} and {} more", handles[..NAMED].join(" "), all - NAMED),
        _ => handles.join(" "),
    };
    answers
        .into_iter()
        .map(|(text, handles)| (text, named(handles)))
        .collect()
}
