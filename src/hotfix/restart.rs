//! A restart in place: every instance of a service begins anew, under its handle, with the files as they are now.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use crate::actor::address::Handle;
use crate::hotfix::answers;
use crate::hotfix::asker::Asker;
use crate::hotfix::books::{Due, not_yet};
use crate::hotfix::office::Office;
use crate::hotfix::record::{self, Event, EventKind, Outcome, Subject};
use crate::hotfix::round::{Answers, Round};
use crate::hotfix::told::Told;
use crate::patch::order::Order;
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::{Deed, Delivery, count};

/// How many instances that have not begun anew are listed one by one.
const LISTED: usize = 20;

impl Office {
    /// Restarts every instance of a service (its folder name) in place. Those that cannot go on as they were.
    ///
    /// # Errors
    /// When no instance is running.
    pub async fn restart(self: &Arc<Self>, service: &str, asker: &Asker) -> Result<Told, String> {
        let by = asker.name.as_str();
        let _turn = self.turn(service).await;
        // It would bring in whatever the files are by now.
        if let Some(why) = self.frozen(service) {
            return Err(why);
        }
        let began = Instant::now();
        let instances = self.node.registry().of_service(service);
        if instances.is_empty() {
            return Err(format!("no instance of {service} is running"));
        }
        let order = |reply, progress| Order::Restart { reply, progress };
        let round = Round {
            asker,
            what: service,
            node: &self.node,
            limits: self.limits(),
            order: &order,
            noun: "restart",
            pending: "it will restart before its next message",
        };
        let Answers { reports, lost, late } = round.ask(&instances, &HashSet::new()).await;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let answered = Answered {
            reports: &reports,
            lost: &lost,
        };
        let line = format!("{}, {ms:.1} ms (by {by})", answered.summary());
        let report = format!("[hotfix] {service} {line}\n{}", answered.details());
        self.log(&report, "");
        if !lost.is_empty() {
            answers::tell_late(late, service.to_owned(), |reports| {
                let lost = HashSet::new();
                Answered { reports, lost: &lost }.summary()
            });
        }
        let event = Event {
            kind: EventKind::Restarted,
            subject: Subject::Service(service.to_owned()),
            by: by.to_owned(),
            reason: None,
            outcome: Outcome {
                ms: Some(ms),
                error: answered.error(),
                instances: reports.iter().map(record::Instance::from).collect(),
                ..Outcome::default()
            },
        };
        if let Err(error) = self.enter(Due::Event(event)) {
            warn!("[hotfix] the restart of {service} is {}", not_yet(&error));
        }
        let done = reports.iter().all(is_renewed);
        if done && let Err(error) = self.retire_saved(Some(service)) {
            warn!("[hotfix] that {service} reads its saved files anew is not written down: {error}");
        }
        Ok(Told {
            done,
            summary: line,
            ..Told::bare(service, &reports, report, String::new())
        })
    }
}

fn is_renewed(report: &InstanceReport) -> bool {
    report.status == Status::Applied
}

/// What the instances said.
struct Answered<'a> {
    reports: &'a [InstanceReport],
    /// The handles of those that live and have not answered: they will restart.
    lost: &'a HashSet<u32>,
}

impl Answered<'_> {
    fn renewed(&self) -> usize {
        self.reports.iter().filter(|report| is_renewed(report)).count()
    }

    /// Why none of them has begun anew, if none has.
    fn error(&self) -> Option<String> {
        let first = self.reports.iter().filter(|_| self.renewed() == 0);
        first.filter_map(|report| report.error.clone()).next()
    }

    fn summary(&self) -> String {
        let renewed = self.renewed();
        let first = self.reports.iter().filter(|_| renewed == 0);
        // What failed says more than who was not reached.
        if let Some(first) = first.min_by_key(|report| report.status == Status::TimedOut) {
            return self.fate(first);
        }
        let with_state = self
            .reports
            .iter()
            .filter(|report| is_renewed(report) && report.notes.is_empty())
            .count();
        let state = match with_state {
            0 => "without state".to_owned(),
            all if all == renewed => "with state".to_owned(),
            some => format!("{some} with state"),
        };
        format!(
            "restarted in place: {renewed} of {}, {state}",
            count(self.reports.len(), "instance")
        )
    }

    /// What became of an instance that has not begun anew.
    fn fate(&self, report: &InstanceReport) -> String {
        let why = report.error.as_deref().unwrap_or("unknown reason");
        match report.status {
            Status::TimedOut if self.lost.contains(&report.handle) => format!("not restarted yet: {why}"),
            Status::TimedOut => format!("not restarted: {why}"),
            _ => format!("not restarted, it runs on as before: {why}"),
        }
    }

    /// The instances that have not begun anew (those with the reason of the summary are not repeated), each traceback once, and why there is no
    /// state.
    fn details(&self) -> String {
        let mut out = String::new();
        let mut traced: HashSet<&str> = HashSet::new();
        let trace = |out: &mut String, report: &InstanceReport| {
            if let Some(traceback) = report.traceback.as_deref() {
                // Writing into a String cannot fail.
                let _ = writeln!(out, "stack traceback:\n{traceback}");
            }
        };
        let said = self.summary();
        let (same, others): (Vec<_>, Vec<_>) = self
            .reports
            .iter()
            .filter(|report| !is_renewed(report))
            .partition(|report| self.fate(report) == said);
        if let Some(first) = same.first() {
            trace(&mut out, first);
            traced.extend(first.traceback.as_deref());
        }
        for report in others.iter().take(LISTED) {
            let _ = writeln!(out, "  {} {}", Handle(report.handle), self.fate(report));
            if report
                .traceback
                .as_deref()
                .is_some_and(|traceback| traced.insert(traceback))
            {
                trace(&mut out, report);
            }
        }
        if others.len() > LISTED {
            let _ = writeln!(out, "  and {} more", others.len() - LISTED);
        }
        let delivery = Delivery {
            deed: Deed::Check,
            reports: self.reports,
        };
        for note in delivery.notes() {
            let _ = writeln!(out, "  {note}");
        }
        out
    }
}
