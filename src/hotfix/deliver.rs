//! One patch to every instance: written down, sent, answered, told, filed.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{info, warn};

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::failpoint::failpoint;
use crate::hotfix::answers;
use crate::hotfix::asker::Asker;
use crate::hotfix::books::{Due, not_yet};
use crate::hotfix::history::HistoryError;
use crate::hotfix::late::Undecided;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::{Parcel, diff_of, verdict_of};
use crate::hotfix::record::{self, Intake, Last, Origin, PatchId};
use crate::hotfix::round::{Answers, Round};
use crate::hotfix::told::Told;
use crate::patch::diff;
use crate::patch::order::{Order, Patch, PatchText};
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::{Deed, Delivery};
use crate::plain;

/// A patch, the answers to it that were not waited for, and the instances that owe them.
struct Late {
    patch: Arc<Patch>,
    reports: UnboundedReceiver<InstanceReport>,
    owed: HashSet<u32>,
}

/// A patch that was carried to the instances.
pub(super) struct Carried {
    pub id: PatchId,
    sha256: String,
    /// The version before it.
    pub before: Option<PatchId>,
    /// Its bytes.
    previous: Option<Vec<u8>>,
    pub began: Instant,
    pub reports: Vec<InstanceReport>,
    late: Option<Late>,
}

impl Office {
    /// Delivers a patch to `instances` and tells how it went, here and in the log. One at a time per service.
    ///
    /// # Errors
    /// When the history cannot be written: the patch was not applied then.
    pub async fn deliver(
        self: &Arc<Self>,
        parcel: Parcel,
        instances: Vec<Arc<Instance>>,
    ) -> Result<Told, HistoryError> {
        let mut carried = self.carry(&parcel, &instances).await?;
        self.warn_of_left_out(&parcel, &mut carried);
        let delivery = delivery(&parcel, &carried);
        let diff = diff_of(&delivery, &parcel, carried.previous.as_deref());
        let told = self.tell(&parcel, &delivery, &diff);
        self.finish(carried.id, &delivery, &diff, carried.began.elapsed());
        let status = delivery.status();
        self.conclude(carried, status, parcel);
        Ok(told)
    }

    /// Writes a patch down and brings it to the instances.
    pub(super) async fn carry(
        self: &Arc<Self>,
        parcel: &Parcel,
        instances: &[Arc<Instance>],
    ) -> Result<Carried, HistoryError> {
        let began = Instant::now();
        let sha256 = record::sha256(&parcel.bytes);
        let (id, last) = self.write_down(parcel, &sha256)?;
        let before = last.as_ref().map(|last| last.id);
        let previous = last.map(|last| last.bytes);
        failpoint!("intent");
        let (reports, late) = match parcel.texts() {
            Ok(texts) => self.send(parcel, texts, id, &sha256, instances).await,
            Err(why) => {
                let rejected = |instance| answers::rejected(instance, why.clone());
                (instances.iter().map(rejected).collect(), None)
            }
        };
        failpoint!("applied");
        Ok(Carried {
            id,
            sha256,
            before,
            previous,
            began,
            reports,
            late,
        })
    }

    /// Waits for what is late, and files the patch.
    pub(super) fn conclude(self: &Arc<Self>, carried: Carried, status: Status, parcel: Parcel) {
        match carried.late {
            Some(late) if status == Status::TimedOut => {
                let undecided = Undecided {
                    patch: late.patch,
                    parcel,
                    previous: carried.previous,
                    began: carried.began,
                    owed: late.owed,
                };
                self.decide_late(undecided, late.reports);
            }
            late => {
                if let Some(late) = late {
                    self.await_late(&late.patch, late.reports);
                }
                self.file_if_handled(carried.id, status, parcel);
            }
        }
    }

    /// Files a patch whose verdict lets it leave the letterbox.
    pub(super) fn file_if_handled(self: &Arc<Self>, id: PatchId, status: Status, parcel: Parcel) {
        if matches!(status, Status::Applied | Status::Unchanged | Status::NoEffect) {
            self.file_away_or_retry(id, &parcel.label, parcel.path);
        }
    }

    fn write_down(&self, parcel: &Parcel, sha256: &str) -> Result<(PatchId, Option<Last>), HistoryError> {
        self.books(|books| {
            books.catch_up()?;
            let history = &mut books.history;
            let last = history.last_live(&parcel.service, &parcel.name)?;
            let intake = Intake {
                service: parcel.service.clone(),
                name: parcel.name.clone(),
                bytes: parcel.bytes.clone(),
                sha256: sha256.to_owned(),
                previous: last.as_ref().map(|last| last.id),
                by: parcel.by.name.clone(),
                reason: record::reason(&parcel.bytes),
                origin: parcel.origin,
                target: parcel.target,
            };
            Ok((history.begin(&intake)?, last))
        })
    }

    async fn send(
        self: &Arc<Self>,
        parcel: &Parcel,
        texts: Vec<PatchText>,
        id: PatchId,
        sha256: &str,
        instances: &[Arc<Instance>],
    ) -> (Vec<InstanceReport>, Option<Late>) {
        let patch = Arc::new(Patch {
            id: id.0,
            service: parcel.service.clone(),
            name: parcel.name.clone(),
            texts,
            sha256: sha256.to_owned(),
            args: parcel.args.clone(),
            forced: parcel.origin == Origin::Injected,
            sources: OnceLock::new(),
        });
        // Read here: the instances stand still while they work on it.
        for text in &patch.texts {
            text.whole_file();
        }
        let stands = parcel.stands();
        let mut instances = instances.to_vec();
        if stands {
            self.standing.post(&patch);
            // Whoever is not there yet gets it when it starts; whoever has come since the others were listed may have missed it.
            let known: HashSet<Handle> = instances.iter().map(|instance| instance.identity.handle).collect();
            let all = self.node.registry().of_service(&parcel.service).into_iter();
            instances.extend(all.filter(|instance| !known.contains(&instance.identity.handle)));
        }
        let answers = self.apply(&patch, &instances, &HashSet::new(), &parcel.by).await;
        if stands {
            self.settle(&patch, &answers.reports);
        }
        let late = (!answers.lost.is_empty()).then_some(Late {
            patch,
            reports: answers.late,
            owed: answers.lost,
        });
        (answers.reports, late)
    }

    /// Has instances apply a patch; those that have it already answer so. `lost`: those that are known not to answer now.
    pub(super) async fn apply(
        &self,
        patch: &Arc<Patch>,
        instances: &[Arc<Instance>],
        lost: &HashSet<u32>,
        asker: &Asker,
    ) -> Answers {
        let order = |reply, progress| Order::Apply {
            patch: patch.clone(),
            reply,
            progress,
        };
        let round = Round {
            asker,
            what: &format!("{}/{}", patch.service, patch.name),
            node: &self.node,
            limits: self.limits(),
            order: &order,
            noun: "patch",
            pending: "the patch is pending there and will be applied before its next message",
        };
        round.ask(instances, lost).await
    }

    /// The same; those that are too busy are noted and logged when they answer.
    pub(super) async fn apply_and_await(
        self: &Arc<Self>,
        patch: &Arc<Patch>,
        instances: &[Arc<Instance>],
        lost: &HashSet<u32>,
        asker: &Asker,
    ) -> Vec<InstanceReport> {
        let answers = self.apply(patch, instances, lost, asker).await;
        if !answers.lost.is_empty() {
            self.await_late(patch, answers.late);
        }
        answers.reports
    }

    /// Decides whether new instances get the patch.
    pub(super) fn settle(&self, patch: &Arc<Patch>, reports: &[InstanceReport]) {
        match reports.iter().find(|report| report.status == Status::Applied) {
            Some(applied) => {
                // The first delivery decides; nobody else sets it.
                let _ = patch.sources.set(applied.sources.clone());
                self.standing.confirm(patch);
                reports.iter().for_each(|report| self.note_behind(patch, report));
            }
            None => {
                self.standing.withdraw(&patch.service, &[patch.id]);
            }
        }
    }

    /// An instance without a patch that its peers have is behind.
    pub(super) fn note_behind(&self, patch: &Patch, report: &InstanceReport) {
        if let Some(instance) = self.node.registry().get(Handle(report.handle)) {
            let has_it = report.status.is_live() || report.status == Status::NoEffect;
            instance.set_behind(&patch.name, !has_it);
        }
    }

    /// Logs the answers of instances that were busy for too long.
    pub(super) fn await_late(self: &Arc<Self>, patch: &Arc<Patch>, late: UnboundedReceiver<InstanceReport>) {
        let (office, patch) = (self.clone(), patch.clone());
        let what = format!("{}/{}", patch.service, patch.name);
        answers::tell_late(late, what, move |reports| {
            for report in reports {
                office.note_late(&patch, report);
                office.note_behind(&patch, report);
            }
            Delivery::of(&patch, reports).summary()
        });
    }

    /// Logs the delivery, and says it to whoever waits. What the patch printed stands above, as the instance's own words.
    fn tell(&self, parcel: &Parcel, delivery: &Delivery<'_>, diff: &str) -> Told {
        let (speaker, output) = answers::output_of(delivery.reports);
        for line in output.lines() {
            info!(handle = speaker, "{line}");
        }
        let head = format!(
            "[hotfix] {}/{} {}\n{}",
            parcel.service,
            parcel.name,
            delivery.summary(),
            delivery.details()
        );
        self.log(&head, diff);
        Told {
            output,
            ..Told::of(&parcel.service, delivery, head, diff.to_owned())
        }
    }

    /// Logs a report with its diff.
    pub(super) fn log(&self, head: &str, diff: &str) {
        let painted = self.config.colour;
        let text = match painted {
            true => plain::lines(head.as_bytes()).into_owned() + &diff::coloured(diff),
            false => head.to_owned() + diff,
        };
        info!(painted, "{}", text.trim_end());
    }

    pub(super) fn finish(&self, id: PatchId, delivery: &Delivery<'_>, diff: &str, took: Duration) {
        let verdict = verdict_of(delivery, diff, took);
        if let Err(error) = self.enter(Due::Verdict(id, verdict)) {
            warn!("[hotfix] the outcome of patch {id} is {}", not_yet(&error));
        }
    }
}

/// What was carried, to be told.
pub(super) fn delivery<'a>(parcel: &'a Parcel, carried: &'a Carried) -> Delivery<'a> {
    let deed = Deed::Apply {
        id: carried.id.0,
        sha256: &carried.sha256,
        by: (parcel.origin == Origin::Injected).then_some(parcel.by.name.as_str()),
    };
    Delivery {
        deed,
        reports: &carried.reports,
    }
}
