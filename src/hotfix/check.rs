//! What a patch would do to the instances that run: asked, told, and written down nowhere.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use tracing::debug;

use crate::actor::instance::Instance;
use crate::hotfix::answers;
use crate::hotfix::history::HistoryError;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::{Parcel, diff_of};
use crate::hotfix::record;
use crate::hotfix::round::Round;
use crate::hotfix::told::Told;
use crate::patch::order::{Order, Patch, PatchText};
use crate::patch::outcome::InstanceReport;
use crate::patch::report::{Deed, Delivery};

impl Office {
    /// Asks `instances` what a patch would do. Nothing of it is executed.
    ///
    /// # Errors
    /// When the history, which has the previous version, cannot be read.
    pub async fn check(&self, parcel: Parcel, instances: &[Arc<Instance>]) -> Result<Told, HistoryError> {
        let last = self.books(|books| books.history.last_live(&parcel.service, &parcel.name))?;
        let reports = match parcel.texts() {
            Ok(texts) => self.ask_plans(&parcel, texts, instances).await,
            Err(why) => instances.iter().map(|i| answers::rejected(i, why.clone())).collect(),
        };
        let deed = Deed::Check;
        let delivery = Delivery {
            deed,
            reports: &reports,
        };
        let diff = diff_of(&delivery, &parcel, last.as_ref().map(|last| last.bytes.as_slice()));
        let head = format!("[check] {}/{} {}\n", parcel.service, parcel.name, delivery.summary());
        debug!("{} (asked by {})", head.trim_end(), parcel.by.name);
        Ok(Told::of(&parcel.service, &delivery, head + &delivery.details(), diff))
    }

    async fn ask_plans(
        &self,
        parcel: &Parcel,
        texts: Vec<PatchText>,
        instances: &[Arc<Instance>],
    ) -> Vec<InstanceReport> {
        let patch = Arc::new(Patch {
            id: 0,
            service: parcel.service.clone(),
            name: parcel.name.clone(),
            texts,
            sha256: record::sha256(&parcel.bytes),
            args: parcel.args.clone(),
            forced: false,
            sources: OnceLock::new(),
        });
        let order = |reply, progress| Order::Check {
            patch: patch.clone(),
            reply,
            progress,
        };
        let round = Round {
            asker: &parcel.by,
            what: &format!("{}/{}", parcel.service, parcel.name),
            node: &self.node,
            limits: self.limits(),
            order: &order,
            noun: "check",
            pending: "its answer is not waited for",
        };
        round.ask(instances, &HashSet::new()).await.reports
    }
}
