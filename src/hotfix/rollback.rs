//! Taking patches back: first every instance is asked whether it can, then all do it, so that it is never half done.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::failpoint::failpoint;
use crate::hotfix::answers;
use crate::hotfix::asker::Asker;
use crate::hotfix::books::{Due, not_yet};
use crate::hotfix::choice::{self, Choice, Wanted};
use crate::hotfix::office::Office;
use crate::hotfix::record::{self, Event, EventKind, Outcome, Record, Subject, Target};
use crate::hotfix::round::{Answers, Round};
use crate::hotfix::told::Told;
use crate::patch::diff;
use crate::patch::order::{Order, Rollback};
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::{Deed, Delivery};

/// How many refusing instances are listed one by one.
pub(super) const LISTED: usize = 20;

impl Office {
    /// Takes patches of a service (its folder name) back, in every instance that they were for, or says why not.
    ///
    /// # Errors
    /// When what is wanted is not live, or the history cannot be read.
    pub async fn roll_back(self: &Arc<Self>, service: &str, wanted: Wanted, asker: &Asker) -> Result<Told, String> {
        let by = asker.name.as_str();
        let _turn = self.turn(service).await;
        let began = Instant::now();
        let is_here = |record: &Record| match record.target {
            Target::All => true,
            Target::Handle(_) => record.id > self.newest_before && !self.concerned(service, record.target).is_empty(),
        };
        let choice = self.books(|books| choice::of(&books.history, service, wanted, is_here))?;
        let dry = self.take_back(&choice, true, &HashSet::new(), asker).await;
        let refused: Vec<InstanceReport> = dry.reports.iter().filter(|report| refuses(report)).cloned().collect();
        let deed = Deed::Rollback { ids: &choice.ids, by };
        if !refused.is_empty() {
            let delivery = Delivery {
                deed,
                reports: &refused,
            };
            return Ok(self.tell_refusal(&choice, &delivery, dry.reports.len()));
        }
        // Before the order leaves: an instance that starts just now has the patch already and gets the order, or never gets the patch.
        let withdrawn = self.standing.withdraw(service, &choice.ids);
        let answers = self.take_back(&choice, false, &dry.lost, asker).await;
        let Answers { reports, lost, late } = answers;
        let delivery = Delivery {
            deed,
            reports: &reports,
        };
        if reports.iter().any(refuses)
            && matches!(delivery.status(), Status::Failed | Status::Rejected | Status::Unchanged)
        {
            self.standing.put_back(service, withdrawn);
            return Ok(self.tell_refusal(&choice, &delivery, reports.len()));
        }
        if !lost.is_empty() {
            let (ids, by) = (choice.ids.clone(), by.to_owned());
            answers::tell_late(late, choice.what.clone(), move |reports| {
                let deed = Deed::Rollback { ids: &ids, by: &by };
                Delivery { deed, reports }.summary()
            });
        }
        failpoint!("taken-back");
        let written = self.enter(Due::Event(event_of(&choice, &delivery, by, began)));
        self.renew_files(service, &choice);
        for instance in self.concerned(service, choice.target) {
            choice.names.iter().for_each(|name| instance.set_behind(name, false));
        }
        let again = self.bring_back_previous(service, &choice, &lost, asker).await;
        let (mut extra, mut done) = (again.told, !again.failed);
        if let Err(error) = written {
            done = false;
            let _ = writeln!(
                extra,
                "  {}; until then a start of the node would apply it again",
                not_yet(&error)
            );
        }
        let head = format!(
            "[hotfix] {} {}\n{}{extra}",
            choice.what,
            delivery.summary(),
            delivery.details()
        );
        let diff = delivery
            .applied()
            .map(|report| diff::of_functions(&report.functions))
            .unwrap_or_default();
        self.log(&head, &diff);
        Ok(Told {
            done: done && (reports.is_empty() || delivery.is_complete()),
            ..Told::of(service, &delivery, head, diff)
        })
    }

    /// The living instances that a patch was for.
    pub(super) fn concerned(&self, service: &str, target: Target) -> Vec<Arc<Instance>> {
        let mut instances = self.node.registry().of_service(service);
        if let Target::Handle(handle) = target {
            instances.retain(|instance| instance.identity.handle == Handle(handle));
        }
        instances
    }

    /// Orders a rollback. What has ended meanwhile has nothing to take back.
    async fn take_back(&self, choice: &Choice, dry: bool, lost: &HashSet<u32>, asker: &Asker) -> Answers {
        let instances = self.concerned(&choice.service, choice.target);
        let rollback = Rollback {
            ids: choice.ids.clone(),
            dry,
        };
        self.take_back_in(&instances, &choice.what, rollback, lost, asker).await
    }

    /// The same in these instances.
    pub(super) async fn take_back_in(
        &self,
        instances: &[Arc<Instance>],
        what: &str,
        rollback: Rollback,
        lost: &HashSet<u32>,
        asker: &Asker,
    ) -> Answers {
        let rollback = Arc::new(rollback);
        let order = |reply, progress| Order::Rollback {
            rollback: rollback.clone(),
            reply,
            progress,
        };
        let round = Round {
            asker,
            what,
            node: &self.node,
            limits: self.limits(),
            order: &order,
            noun: "rollback",
            pending: "the rollback is pending there and will be done before its next message",
        };
        let mut answers = round.ask(instances, lost).await;
        let lost = &answers.lost;
        answers
            .reports
            .retain(|report| report.status != Status::TimedOut || lost.contains(&report.handle));
        answers
    }

    fn tell_refusal(&self, choice: &Choice, delivery: &Delivery<'_>, asked: usize) -> Told {
        let refused: Vec<&InstanceReport> = delivery.reports.iter().filter(|report| refuses(report)).collect();
        let first = [InstanceReport::clone(refused[0])];
        let alone = Delivery {
            reports: &first,
            ..*delivery
        };
        let mut head = format!("[hotfix] {} {}\n", choice.what, alone.summary());
        for report in refused.iter().take(LISTED).filter(|_| asked > 1) {
            let why = report.error.as_deref().unwrap_or("it gave no reason");
            // Writing into a String cannot fail.
            let _ = writeln!(head, "  {} {why}", Handle(report.handle));
        }
        if refused.len() > LISTED {
            let _ = writeln!(head, "  and {} more", refused.len() - LISTED);
        }
        self.log(&head, "");
        Told {
            done: false,
            ..Told::of(&choice.service, delivery, head, String::new())
        }
    }

    /// A file that was left in the letterbox, or is a source that was saved, is a new patch once it is saved again, though its bytes be the
    /// same.
    fn renew_files(&self, service: &str, choice: &Choice) {
        let Some(watcher) = self.watcher() else { return };
        for name in &choice.names {
            watcher.renew(&self.config.dir.join(service).join(name));
        }
        if let Some(sources) = &self.sources {
            let saved = choice.ids.iter().flat_map(|id| sources.taken_back(*id));
            saved.for_each(|path| watcher.renew(&path));
        }
    }
}

pub(super) fn refuses(report: &InstanceReport) -> bool {
    matches!(report.status, Status::Rejected | Status::Failed)
}

fn event_of(choice: &Choice, delivery: &Delivery<'_>, by: &str, began: Instant) -> Event {
    Event {
        kind: EventKind::RolledBack,
        subject: choice.subject(),
        by: by.to_owned(),
        reason: None,
        outcome: Outcome {
            ms: Some(began.elapsed().as_secs_f64() * 1e3),
            error: None,
            instances: delivery.reports.iter().map(record::Instance::from).collect(),
            functions: delivery.functions().iter().map(record::Function::from).collect(),
            warnings: delivery.warnings(),
        },
    }
}

impl Choice {
    fn subject(&self) -> Subject {
        match self.ids.first() {
            Some(id) if !self.all => Subject::Patch(record::PatchId(*id)),
            _ => Subject::Service(self.service.clone()),
        }
    }
}
