//! After a rollback: the version before the one that was taken back stands again, also in instances that never had it.
//!
//! Such an instance may have later patches that replaced the same functions. Applied on top of them the version would take their place there,
//! and nowhere else. So they go first and come again after it: what runs in an instance does not depend on when it was started.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::hotfix::asker::Asker;
use crate::hotfix::choice::Choice;
use crate::hotfix::deliver::Carried;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::Parcel;
use crate::hotfix::record::{PatchId, Target};
use crate::hotfix::rollback::{LISTED, refuses};
use crate::patch::order::{Patch, Rollback};
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::Delivery;

/// What is told of it.
#[derive(Default)]
pub(super) struct Again {
    /// Lines, each with a newline.
    pub told: String,
    /// Something did not go well.
    pub failed: bool,
}

impl Office {
    /// See the module. `lost`: the instances that are known not to answer now.
    pub(super) async fn bring_back_previous(
        self: &Arc<Self>,
        service: &str,
        choice: &Choice,
        lost: &HashSet<u32>,
        asker: &Asker,
    ) -> Again {
        let Some(patch) = self.previous(service, choice) else {
            return Again::default();
        };
        let instances = self.concerned(service, Target::All);
        let has_it = |instance: &Arc<Instance>| instance.live().iter().any(|live| live.id == patch.id);
        let (mut instances, without): (Vec<_>, Vec<_>) = instances.into_iter().partition(has_it);
        let above = self.built_above(&patch);
        let mut bad = Vec::new();
        let cleared = match above.is_empty() {
            true => without.clone(),
            false => self.clear(&patch, &above, &without, &mut bad, lost, asker).await,
        };
        instances.extend(cleared.iter().cloned());
        let anew = self.stands(&patch, &instances, &mut bad, lost, asker).await;
        for later in &above {
            self.stands(later, &cleared, &mut bad, lost, asker).await;
        }
        Again {
            told: tell(&patch, &anew, &above, &bad),
            failed: !bad.is_empty(),
        }
    }

    fn previous(&self, service: &str, choice: &Choice) -> Option<Arc<Patch>> {
        let name = choice
            .names
            .first()
            .filter(|_| !choice.all && choice.target == Target::All)?;
        self.standing.of(service).into_iter().find(|patch| patch.name == *name)
    }

    /// The patches that stand and were applied later to the same functions, or to those of one of these, in their order.
    fn built_above(&self, patch: &Patch) -> Vec<Arc<Patch>> {
        let mut touched = self.functions_of(patch.id);
        let mut above = self.standing.of(&patch.service);
        above.retain(|later| {
            let functions = self.functions_of(later.id);
            let is_above = later.id > patch.id && !functions.is_disjoint(&touched);
            if is_above {
                touched.extend(functions);
            }
            is_above
        });
        above
    }

    /// The functions that a patch replaced or defined, by name.
    fn functions_of(&self, id: u64) -> HashSet<String> {
        let shown = self.look_up(|history| history.show(PatchId(id)));
        let functions = shown.map(|shown| shown.record.outcome.functions).unwrap_or_default();
        functions.into_iter().map(|function| function.name).collect()
    }

    /// What a version of a patch defines no more, instances that start later do not have, and the others do. (A new version of a whole file
    /// has all that it is.)
    pub(super) fn warn_of_left_out(&self, parcel: &Parcel, carried: &mut Carried) {
        let Some(before) = carried.before.filter(|_| parcel.stands()) else {
            return;
        };
        let mut reports = carried.reports.iter_mut();
        let Some(applied) = reports.find(|report| report.status == Status::Applied) else {
            return;
        };
        let text = String::from_utf8_lossy(&parcel.bytes);
        let is_left_out = |name: &String| {
            let own = name.rsplit(['.', ':']).next().unwrap_or(name);
            !applied.functions.iter().any(|function| function.name == *name) && !text.contains(own)
        };
        let mut left_out: Vec<String> = self.functions_of(before.0).into_iter().filter(is_left_out).collect();
        left_out.sort();
        let is_whole = || {
            parcel
                .texts()
                .is_ok_and(|texts| texts.iter().any(|text| text.whole_file().is_some()))
        };
        if !left_out.is_empty() && !is_whole() {
            applied.warnings.push(format!(
                "this version has no `{}` any more, which the version before it (patch {before}) replaced: instances that start from now \
                 on have the source's; keep in the file what is to stay, or roll that version back first",
                left_out.join("`, `")
            ));
        }
    }

    /// Takes what was applied later back in these instances, to apply it again; those in which that was done. What refuses, stays as it is.
    async fn clear(
        &self,
        patch: &Patch,
        above: &[Arc<Patch>],
        instances: &[Arc<Instance>],
        bad: &mut Vec<(u64, InstanceReport)>,
        lost: &HashSet<u32>,
        asker: &Asker,
    ) -> Vec<Arc<Instance>> {
        let rollback = Rollback {
            ids: above.iter().rev().map(|later| later.id).collect(),
            dry: false,
        };
        let what = format!("{}/{}", patch.service, patch.name);
        let answers = self.take_back_in(instances, &what, rollback, lost, asker).await;
        let refused = answers.reports.into_iter().filter(refuses);
        let refused: Vec<InstanceReport> = refused.collect();
        let is_clear = |instance: &&Arc<Instance>| {
            let handle = instance.identity.handle.0;
            refused.iter().all(|report| report.handle != handle)
        };
        let clear = instances.iter().filter(is_clear).cloned().collect();
        refused.iter().for_each(|report| self.note_behind(patch, report));
        bad.extend(refused.into_iter().map(|report| (patch.id, report)));
        clear
    }

    /// Applies a patch that stands; the instances that had not had it.
    async fn stands(
        self: &Arc<Self>,
        patch: &Arc<Patch>,
        instances: &[Arc<Instance>],
        bad: &mut Vec<(u64, InstanceReport)>,
        lost: &HashSet<u32>,
        asker: &Asker,
    ) -> Vec<Handle> {
        let reports = self.apply_and_await(patch, instances, lost, asker).await;
        reports.iter().for_each(|report| self.note_behind(patch, report));
        let anew = reports.iter().filter(|report| report.status == Status::Applied);
        let anew = anew.map(|report| Handle(report.handle)).collect();
        let failed = reports.into_iter().filter(|report| !report.status.is_live());
        bad.extend(failed.map(|report| (patch.id, report)));
        anew
    }
}

fn tell(patch: &Patch, anew: &[Handle], above: &[Arc<Patch>], bad: &[(u64, InstanceReport)]) -> String {
    let mut told = format!("  patch {}, the version before it, stands again", patch.id);
    // Writing into a String cannot fail.
    if !anew.is_empty() {
        let named: Vec<String> = anew.iter().take(LISTED).map(Handle::to_string).collect();
        let more = match anew.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = write!(told, "; applied to {}{more}, which had not had it", named.join(", "));
        if !above.is_empty() {
            let above: Vec<String> = above.iter().map(|later| later.id.to_string()).collect();
            let _ = write!(told, ", below patch {}, which was applied there anew", above.join(", "));
        }
    }
    told.push('\n');
    for (id, report) in bad.iter().take(LISTED) {
        let alone = std::slice::from_ref(report);
        let (handle, summary) = (Handle(report.handle), Delivery::of(patch, alone).summary());
        let _ = writeln!(told, "  {handle} patch {id}: {summary}");
    }
    told
}
