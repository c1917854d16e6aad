//! A restart in place: every instance of a service begins anew, under its handle, with the files as they are now.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use crate::hotfix::asker::Asker;
use crate::hotfix::office::Office;
use crate::hotfix::record::{self, Event, EventKind, Outcome, Subject};
use crate::hotfix::round::Round;
use crate::hotfix::told::Told;
use crate::patch::order::Order;
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::{Deed, Delivery, count};

impl Office {
    /// Restarts every instance of a service (its folder name) in place. Those that cannot go on as they were.
    ///
    /// # Errors
    /// When no instance is running.
    pub async fn restart(self: &Arc<Self>, service: &str, asker: &Asker) -> Result<Told, String> {
        let by = asker.name.as_str();
        let _turn = self.turn(service).await;
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
        let reports = round.ask(&instances, &HashSet::new()).await.reports;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let line = format!("{}, {ms:.1} ms (by {by})", summary(&reports));
        let report = format!("[hotfix] {service} {line}\n{}", details(&reports));
        self.log(&report, "");
        let event = Event {
            kind: EventKind::Restarted,
            subject: Subject::Service(service.to_owned()),
            by: by.to_owned(),
            reason: None,
            outcome: Outcome {
                ms: Some(ms),
                instances: reports.iter().map(record::Instance::from).collect(),
                ..Outcome::default()
            },
        };
        if let Err(error) = self.write_event(&event) {
            warn!("[hotfix] the restart of {service} is not written down: {error}");
        }
        Ok(Told {
            done: reports.iter().all(is_renewed),
            summary: line,
            ..Told::bare(service, &reports, report, String::new())
        })
    }
}

fn is_renewed(report: &InstanceReport) -> bool {
    report.status == Status::Applied
}

fn summary(reports: &[InstanceReport]) -> String {
    let renewed = reports.iter().filter(|report| is_renewed(report)).count();
    if renewed == 0 {
        let why = reports
            .iter()
            .find_map(|report| report.error.as_deref())
            .unwrap_or("unknown reason");
        return format!("not restarted, it runs on as before: {why}");
    }
    let with_state = reports
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
        count(reports.len(), "instance")
    )
}

/// Instances that run on as before, a traceback, and why there is no state.
fn details(reports: &[InstanceReport]) -> String {
    let delivery = Delivery {
        deed: Deed::Check,
        reports,
    };
    let mut out = String::new();
    if reports.iter().any(is_renewed) {
        for report in reports.iter().filter(|report| !is_renewed(report)) {
            let why = report.error.as_deref().unwrap_or("unknown reason");
            // Writing into a String cannot fail.
            let _ = writeln!(out, "  :{:08x} runs on as before: {why}", report.handle);
        }
    }
    if let Some(traceback) = reports.iter().find_map(|report| report.traceback.as_deref()) {
        let _ = writeln!(out, "stack traceback:\n{traceback}");
    }
    for note in delivery.notes() {
        let _ = writeln!(out, "  {note}");
    }
    out
}
