//! What instances answer to a patch: waited for, made up for those that do not answer, and what they printed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::patch::outcome::{InstanceReport, Status};

/// How long no instance may answer before the others are told without it.
const QUIET: Duration = Duration::from_secs(5);

/// Waits for the answers of all instances, at most [`QUIET`] longer than the last one took.
pub(super) async fn gather(answers: &mut UnboundedReceiver<InstanceReport>, count: usize) -> Vec<InstanceReport> {
    let mut reports = Vec::with_capacity(count);
    while let Ok(Some(report)) = tokio::time::timeout(QUIET, answers.recv()).await {
        reports.push(report);
    }
    reports
}

pub(super) fn missing<'a>(reports: &[InstanceReport], instances: &'a [Arc<Instance>]) -> Vec<&'a Arc<Instance>> {
    let answered: HashSet<u32> = reports.iter().map(|report| report.handle).collect();
    instances
        .iter()
        .filter(|instance| !answered.contains(&instance.identity.handle.0))
        .collect()
}

pub(super) fn timed_out(instance: &Arc<Instance>) -> InstanceReport {
    let why = if instance.mailbox.is_open() {
        "it has been busy for 5 s; the patch is pending there and will be applied before its next message"
    } else {
        "it ended before the patch reached it"
    };
    InstanceReport {
        status: Status::TimedOut,
        ..rejected(instance, why.to_owned())
    }
}

pub(super) fn rejected(instance: &Arc<Instance>, why: String) -> InstanceReport {
    InstanceReport {
        error: Some(why),
        ..InstanceReport::new(instance.identity.handle.0, Status::Rejected)
    }
}

/// What the instances printed, and the first that did: once if it is the same everywhere, else with each one's handle.
pub(super) fn output_of(reports: &[InstanceReport]) -> (u32, String) {
    let printed: Vec<&InstanceReport> = reports.iter().filter(|report| !report.output.is_empty()).collect();
    let Some((first, rest)) = printed.split_first() else {
        return (0, String::new());
    };
    if rest.iter().all(|report| report.output == first.output) {
        return (first.handle, first.output.clone());
    }
    let lines = printed
        .iter()
        .flat_map(|report| report.output.lines().map(|line| (report.handle, line)));
    (
        first.handle,
        lines
            .map(|(handle, line)| format!("{} {line}\n", Handle(handle)))
            .collect(),
    )
}
