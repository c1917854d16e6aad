//! What dev mode says of a save: one line that tells all, then what has to be known besides, then the diff.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::actor::instance::Instance;
use crate::dev::excerpt::excerpt;
use crate::hotfix::parcel::SavedFile;
use crate::hotfix::saved::SavedOutcome;
use crate::hotfix::sources::Usage;
use crate::patch::diff;
use crate::patch::outcome::Status;
use crate::patch::report::{Deed, Delivery, count};
use crate::plain;

/// How text looks here.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With colours.
    pub colour: bool,
    /// With keys: what can be pressed is named.
    pub keys: bool,
}

/// What became of the files of one save in one service.
pub struct Part {
    /// The service's folder name.
    pub service: String,
    /// The files, with their canonical paths.
    pub files: Vec<(PathBuf, SavedFile)>,
    /// How it went, or why it was not tried.
    pub outcome: Result<SavedOutcome, String>,
}

/// How many files a line names.
const NAMED: usize = 3;
/// How many instances of a service are listed one by one.
const LISTED: usize = 20;
/// How many lines a fold leaves at least.
const LEAST: usize = 8;

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{}\x1b[0m", plain::lines(text.as_bytes()))
        } else {
            text.to_owned()
        }
    }

    /// A line of dev mode's own.
    pub fn line(self, text: &str) -> String {
        format!("[dev] {text}\n")
    }

    /// A line about something that has to be done.
    pub fn ask(self, text: &str) -> String {
        self.line(&self.paint(YELLOW, text))
    }

    /// A diff, of `rows` lines at most.
    pub fn diff(self, diff: &str, rows: Option<usize>) -> String {
        let lines = diff.lines().count();
        let shown = rows.map_or(lines, |rows| rows.max(LEAST));
        let folded = lines.saturating_sub(shown);
        let text: String = match folded {
            0 => diff.to_owned(),
            _ => diff.lines().take(shown - 1).map(|line| format!("{line}\n")).collect(),
        };
        let mut text = if self.colour { diff::coloured(&text) } else { text };
        if folded > 0 {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "… {} more (d shows all)", count(folded + 1, "line"));
        }
        text
    }
}

/// The names of saved files, for one line.
pub fn names<'a>(files: impl IntoIterator<Item = &'a str>) -> String {
    let files: BTreeSet<&str> = files.into_iter().collect();
    let named: Vec<&str> = files.iter().copied().take(NAMED).collect();
    match files.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The names of the files of some services, for one line.
pub fn names_of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> String {
    let files = parts.into_iter().flat_map(|part| &part.files);
    names(files.map(|(_, file)| file.label.as_str()))
}

/// The lines of one save: how it went, and what has to be known besides; without the diff.
pub fn save(style: Style, parts: &[Part], took: Duration) -> String {
    let mut out = String::new();
    let is_live = parts.iter().filter(|part| is_good(part));
    let names = names_of(is_live);
    let good: Vec<(&str, &SavedOutcome)> = parts.iter().filter_map(good).collect();
    if !good.is_empty() {
        out += &style.line(&style.paint(GREEN, &format!("{names}: {}", applied(&good, took))));
    }
    for (why, services) in &failures(parts) {
        out += &failure(style, parts, why, services);
    }
    for part in parts {
        out += &besides(style, part);
    }
    out
}

/// What went well: it is live, or there was nothing to do.
fn good(part: &Part) -> Option<(&str, &SavedOutcome)> {
    let outcome = part.outcome.as_ref().ok()?;
    let is_good = matches!(outcome.status, Status::Applied | Status::Unchanged | Status::NoEffect);
    is_good.then_some((part.service.as_str(), outcome))
}

/// Whether a service runs what was saved, or had nothing to do.
pub fn is_good(part: &Part) -> bool {
    good(part).is_some()
}

fn applied(good: &[(&str, &SavedOutcome)], took: Duration) -> String {
    let segment = |(service, outcome): &(&str, &SavedOutcome)| {
        let delivery = delivery(outcome);
        let live = outcome.reports.iter().filter(|report| report.status.is_live()).count();
        let all = count(outcome.reports.len(), "instance");
        match outcome.status {
            Status::Applied => format!("{} in {live} of {all} of {service}", delivery.effect()),
            _ if outcome.needs_restart() => format!("nothing that could be applied to {all} of {service}"),
            _ if !outcome.as_begun.is_empty() => {
                format!("nothing to apply to {all} of {service}: this is what they began with")
            }
            _ => format!("nothing to apply to {all} of {service}: only layout or comments"),
        }
    };
    let segments: Vec<String> = good.iter().map(segment).collect();
    let ids: Vec<String> = good.iter().map(|(_, outcome)| outcome.id.to_string()).collect();
    let noun = if ids.len() == 1 { "patch" } else { "patches" };
    let milliseconds = took.as_secs_f64() * 1e3;
    format!(
        "{}; {milliseconds:.1} ms ({noun} {})",
        segments.join("; "),
        ids.join(", ")
    )
}

/// Each reason for which it is not live in a service as a whole, with the services.
fn failures(parts: &[Part]) -> BTreeMap<String, Vec<&Part>> {
    let mut failures: BTreeMap<String, Vec<&Part>> = BTreeMap::new();
    for part in parts.iter().filter(|part| good(part).is_none()) {
        let why = match &part.outcome {
            Ok(outcome) => delivery(outcome)
                .error()
                .unwrap_or("no instance was reached")
                .to_owned(),
            Err(why) => why.clone(),
        };
        failures.entry(why).or_default().push(part);
    }
    failures
}

fn failure(style: Style, parts: &[Part], why: &str, failed: &[&Part]) -> String {
    let is_placed = parts
        .iter()
        .flat_map(|part| &part.files)
        .any(|(_, file)| why.starts_with(&file.label));
    let head = if is_placed {
        why.to_owned()
    } else {
        format!("{}: {why}", names_of(failed.iter().copied()))
    };
    let mut out = style.line(&style.paint(RED, &head));
    out += &excerpt_of(parts, why);
    let traceback = failed.iter().find_map(|part| {
        let reports = &part.outcome.as_ref().ok()?.reports;
        reports.iter().find_map(|report| report.traceback.as_deref())
    });
    if let Some(traceback) = traceback {
        let _ = writeln!(out, "stack traceback:\n{traceback}");
    }
    // Who has not answered says what becomes of it there.
    let runs_on = failed.iter().filter(|part| {
        let status = part.outcome.as_ref().map(|outcome| outcome.status);
        status != Ok(Status::TimedOut)
    });
    let services: Vec<&str> = runs_on.map(|part| part.service.as_str()).collect();
    if services.is_empty() {
        return out;
    }
    let verb = if services.len() == 1 { "runs" } else { "run" };
    out + &style.line(&format!(
        "{} {verb} on with the last good code; save again to try again",
        services.join(", ")
    ))
}

fn excerpt_of(parts: &[Part], message: &str) -> String {
    let text = |label: &str| {
        let mut files = parts.iter().flat_map(|part| &part.files);
        files.find(|(_, file)| file.label == label).map(|(_, file)| &*file.now)
    };
    excerpt(message, text).unwrap_or_default()
}

/// Instances where it went otherwise, what was decided, what needs a restart.
fn besides(style: Style, part: &Part) -> String {
    let Ok(outcome) = &part.outcome else {
        return String::new();
    };
    if good(part).is_none() {
        return String::new();
    }
    let delivery = delivery(outcome);
    let mut out = delivery.outsiders();
    for note in delivery.notes() {
        let _ = writeln!(out, "  {note}");
    }
    for warning in delivery.plain_warnings() {
        let _ = writeln!(out, "  {}", style.paint(YELLOW, &format!("warning: {warning}")));
    }
    let restarts = delivery.restarts();
    if !restarts.is_empty() {
        out += &style.ask(&format!("{} {}", part.service, restart(style, &restarts)));
    }
    out
}

/// What a service needs a restart for; reads after its name.
fn restart(style: Style, restarts: &[String]) -> String {
    let what: Vec<&str> = restarts
        .iter()
        .map(|line| line.trim_end_matches(": needs a restart"))
        .collect();
    let how = if style.keys {
        "r restarts it in place"
    } else {
        "`restart` on the console restarts it in place"
    };
    format!("needs a restart: {}; {how}", what.join("; "))
}

fn delivery(outcome: &SavedOutcome) -> Delivery<'_> {
    Delivery {
        deed: Deed::Apply {
            id: outcome.id.0,
            sha256: "",
            by: None,
        },
        reports: &outcome.reports,
    }
}

/// What of a save needs a restart.
pub fn restarts(outcome: &SavedOutcome) -> Vec<String> {
    delivery(outcome).restarts()
}

/// What runs, by service: how many, and what they lack.
pub fn instances(
    style: Style,
    all: &[Arc<Instance>],
    behind: &[Usage],
    restarts: &BTreeMap<String, Vec<String>>,
) -> String {
    let mut services: BTreeMap<String, usize> = BTreeMap::new();
    for instance in all.iter().filter(|instance| instance.identity.listed) {
        *services.entry(instance.identity.folder()).or_default() += 1;
    }
    let width = services.keys().map(|service| service.width()).max().unwrap_or_default();
    let mut out = style.line(&count(services.values().sum(), "instance"));
    for (service, number) in &services {
        let pad = " ".repeat(width - service.width());
        let _ = write!(out, "  {service}{pad}  {}", count(*number, "instance"));
        if let Some(lines) = restarts.get(service) {
            let _ = write!(out, "; {}", style.paint(YELLOW, &restart(style, lines)));
        }
        out.push('\n');
        for usage in behind.iter().filter(|usage| usage.service == *service).take(LISTED) {
            let _ = writeln!(out, "    {} is behind: {}", usage.handle, usage.label);
        }
    }
    out
}
