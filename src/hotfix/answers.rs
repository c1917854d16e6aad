//! What instances answer besides the rule: made up where a patch is no Lua at all, late, and what was printed.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::patch::outcome::{InstanceReport, Status};

pub(super) fn rejected(instance: &Arc<Instance>, why: String) -> InstanceReport {
    InstanceReport {
        error: Some(why),
        ..InstanceReport::new(instance.identity.handle.0, Status::Rejected)
    }
}

/// Logs what instances answer that were not waited for any longer. `what`: as messages name it.
pub(super) fn tell_late(
    mut late: UnboundedReceiver<InstanceReport>,
    what: String,
    summary: impl Fn(&[InstanceReport]) -> String + Send + 'static,
) {
    tokio::spawn(async move {
        while let Some(report) = late.recv().await {
            let handle = Handle(report.handle);
            info!("[hotfix] {what} late in {handle}: {}", summary(&[report]));
        }
    });
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
