//! Answers that come after a patch was told as not reached: they are logged, and where they are the first, they are its verdict.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{info, warn};

use crate::actor::address::Handle;
use crate::hotfix::books::{Due, not_yet};
use crate::hotfix::office::Office;
use crate::hotfix::parcel::{Parcel, diff_of, verdict_of};
use crate::hotfix::record::PatchId;
use crate::patch::order::Patch;
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::Delivery;

/// A patch that no instance has answered yet.
pub(super) struct Undecided {
    pub patch: Arc<Patch>,
    pub parcel: Parcel,
    /// The bytes of the version before it.
    pub previous: Option<Vec<u8>>,
    /// When it was sent.
    pub began: Instant,
    /// Who owes an answer.
    pub owed: HashSet<u32>,
}

impl Office {
    /// Waits for the answers to a patch that reached nobody: once it is live somewhere, it is an applied patch like any other.
    pub(super) fn decide_late(self: &Arc<Self>, undecided: Undecided, mut late: UnboundedReceiver<InstanceReport>) {
        let office = self.clone();
        tokio::spawn(async move {
            let patch = undecided.patch.clone();
            let mut undecided = Some(undecided);
            let mut reports = Vec::new();
            while let Some(report) = late.recv().await {
                let (handle, is_applied) = (Handle(report.handle), report.status == Status::Applied);
                let summary = Delivery::of(&patch, std::slice::from_ref(&report)).summary();
                info!("[hotfix] {}/{} late in {handle}: {summary}", patch.service, patch.name);
                office.note_late(&patch, &report);
                reports.push(report);
                if let Some(undecided) = undecided.take_if(|_| is_applied) {
                    office.decide(undecided, &reports).await;
                }
            }
            match (undecided, reports.is_empty()) {
                (Some(undecided), false) => office.decide(undecided, &reports).await,
                // All have ended: the file is for whoever comes.
                (Some(undecided), true) => undecided.parcel.path.iter().for_each(|path| office.look_again(path)),
                (None, _) => {}
            }
        });
    }

    /// In dev mode: an instance has got saved texts after all.
    pub(super) fn note_late(&self, patch: &Patch, report: &InstanceReport) {
        if let Some(sources) = self.sources.as_ref().filter(|_| patch.is_saved())
            && report.has_reached()
        {
            sources.applied_late(patch, Handle(report.handle));
        }
    }

    /// Whoever has started while a patch stood nowhere gets it now.
    async fn bring_to_newcomers(self: &Arc<Self>, patch: &Arc<Patch>, parcel: &Parcel, owed: &HashSet<u32>) {
        let mut newcomers = self.node.registry().of_service(&parcel.service);
        newcomers.retain(|instance| !owed.contains(&instance.identity.handle.0));
        for report in self
            .apply_and_await(patch, &newcomers, &HashSet::new(), &parcel.by)
            .await
        {
            self.tell_caught_up(patch, report);
        }
    }

    async fn decide(self: &Arc<Self>, undecided: Undecided, reports: &[InstanceReport]) {
        let Undecided {
            patch,
            parcel,
            previous,
            began,
            owed,
        } = undecided;
        let _turn = self.turn(&parcel.service).await;
        let delivery = Delivery::of(&patch, reports);
        if parcel.stands() && delivery.status() == Status::Applied {
            self.standing.post(&patch);
            self.settle(&patch, reports);
            self.bring_to_newcomers(&patch, &parcel, &owed).await;
        }
        let id = PatchId(patch.id);
        let diff = diff_of(&delivery, &parcel, previous.as_deref());
        let took: Duration = began.elapsed();
        let verdict = verdict_of(&delivery, &diff, took);
        let status = verdict.status;
        if let Err(error) = self.enter(Due::LateVerdict(id, verdict)) {
            warn!("[hotfix] the late outcome of patch {id} is {}", not_yet(&error));
        }
        self.file_if_handled(id, status, parcel);
    }
}
