//! Source files that were saved in dev mode, as one patch of one service.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::info;

use crate::actor::address::Handle;
use crate::hotfix::answers;
use crate::hotfix::asker::Asker;
use crate::hotfix::deliver::delivery;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::{Parcel, SavedFile, diff_of};
use crate::hotfix::record::{NAME_MAX_BYTES, Origin, PatchId, Target};
use crate::hotfix::sources::Concerned;
use crate::patch::outcome::{InstanceReport, Status};

/// What became of it.
pub struct SavedOutcome {
    /// The number of the patch that they were.
    pub id: PatchId,
    /// The verdict.
    pub status: Status,
    /// What each instance answered.
    pub reports: Vec<InstanceReport>,
    /// The files against what ran before.
    pub diff: String,
    /// Those of its files (what their instances call them) that are again as they were when the instances began.
    pub as_begun: Vec<String>,
}

impl SavedOutcome {
    /// Whether something of it cannot be applied to instances that run.
    pub fn needs_restart(&self) -> bool {
        self.reports.iter().any(|report| !report.restarts.is_empty())
    }

    /// The instances that run the new texts now: those that had nothing to do as well.
    fn reached(&self) -> BTreeSet<Handle> {
        let reports = self.reports.iter().filter(|report| report.has_reached());
        reports.map(|report| Handle(report.handle)).collect()
    }
}

impl Office {
    /// Applies files that were saved to the instances of a service that have loaded them, in its turn. Nothing of it is logged but what their
    /// code printed: dev mode tells the rest.
    ///
    /// # Errors
    /// When no instance is there any more, or the history cannot be written: nothing was applied then.
    pub async fn apply_saved(
        self: &Arc<Self>,
        service: &str,
        concerned: &Concerned,
        by: &str,
    ) -> Result<SavedOutcome, String> {
        let _turn = self.turn(service).await;
        if let Some(why) = self.frozen(service) {
            return Err(why);
        }
        let registry = self.node.registry();
        let instances: Vec<_> = concerned
            .handles
            .iter()
            .filter_map(|handle| registry.get(*handle))
            .collect();
        if instances.is_empty() {
            return Err("the instances have ended meanwhile".to_owned());
        }
        let parcel = parcel(service, &concerned.files, by);
        let mut carried = self.carry(&parcel, &instances).await.map_err(|e| e.to_string())?;
        let as_begun = self.as_begun(concerned);
        for report in &mut carried.reports {
            // Taken back before anybody restarted for it.
            report
                .restarts
                .retain(|line| !as_begun.iter().any(|label| is_about(line, label)));
        }
        let delivery = delivery(&parcel, &carried);
        let diff = diff_of(&delivery, &parcel, None);
        let (speaker, output) = answers::output_of(delivery.reports);
        output.lines().for_each(|line| info!(handle = speaker, "{line}"));
        self.finish(carried.id, &delivery, &diff, carried.began.elapsed());
        let outcome = SavedOutcome {
            id: carried.id,
            status: delivery.status(),
            reports: carried.reports.clone(),
            diff,
            as_begun,
        };
        if let Some(sources) = &self.sources {
            sources.applied(outcome.id.0, &concerned.files, &outcome.reached());
        }
        self.conclude(carried, outcome.status, parcel);
        Ok(outcome)
    }

    fn as_begun(&self, concerned: &Concerned) -> Vec<String> {
        let files = concerned.files.iter().filter(|(path, file)| {
            let sources = self.sources.as_ref();
            sources.is_some_and(|sources| sources.is_as_begun(path, file, &concerned.handles))
        });
        files.map(|(_, file)| file.label.clone()).collect()
    }
}

/// Whether what needs a restart is in this file.
pub fn is_about(restart: &str, label: &str) -> bool {
    restart.contains(&format!("{label}:"))
}

fn parcel(service: &str, files: &[(PathBuf, SavedFile)], by: &str) -> Parcel {
    let saved: Vec<SavedFile> = files.iter().map(|(_, file)| file.clone()).collect();
    Parcel {
        service: service.to_owned(),
        name: name(&saved),
        label: saved.first().map(|file| file.label.clone()).unwrap_or_default(),
        bytes: bundle(&saved),
        args: Vec::new(),
        by: Asker::patient(by),
        origin: Origin::Source,
        target: Target::All,
        path: None,
        saved,
    }
}

/// One name for all, fit for a file of the archive: `services.agent.lua`, `services.agent+2.lua`.
fn name(saved: &[SavedFile]) -> String {
    let first = saved.first().map_or("", |file| file.label.trim_end_matches(".lua"));
    let flat: String = first.trim_start_matches(['.', '/']).replace('/', ".");
    let more = match saved.len() {
        0 | 1 => String::new(),
        all => format!("+{}", all - 1),
    };
    let room = NAME_MAX_BYTES - more.len() - ".lua".len();
    let from = (flat.len().saturating_sub(room)..)
        .find(|at| flat.is_char_boundary(*at))
        .unwrap_or_default();
    format!("{}{more}.lua", &flat[from..])
}

/// A file's bytes; of several one after the other, each below a line with its name.
fn bundle(saved: &[SavedFile]) -> Vec<u8> {
    if let [file] = saved {
        return file.now.to_vec();
    }
    let with_head = |file: &SavedFile| [format!("-- file: {}\n", file.label).as_bytes(), &file.now, b"\n"].concat();
    saved.iter().flat_map(with_head).collect()
}

#[cfg(test)]
mod tests {
    use super::{bundle, name};
    use crate::hotfix::parcel::SavedFile;
    use crate::hotfix::record::check_name;

    fn file(label: &str, now: &str) -> SavedFile {
        SavedFile {
            label: label.into(),
            before: b"".as_slice().into(),
            now: now.as_bytes().into(),
        }
    }

    #[test]
    fn names_are_fit_for_a_file() {
        let long = format!("lualib/{}.lua", "é".repeat(200));
        for (files, expected) in [
            (vec!["services/game/agent.lua"], Some("services.game.agent.lua")),
            (vec!["../shared/a.lua", "b.lua", "c.lua"], Some("shared.a+2.lua")),
            (vec![long.as_str(), "b.lua"], None),
        ] {
            let files: Vec<SavedFile> = files.into_iter().map(|label| file(label, "")).collect();
            let name = name(&files);
            assert_eq!(check_name(&name), Ok(()), "{name}");
            assert!(expected.is_none_or(|expected| expected == name), "{name}");
        }
    }

    #[test]
    fn several_files_stand_one_after_the_other() {
        assert_eq!(bundle(&[file("a.lua", "x")]), b"x");
        assert_eq!(
            bundle(&[file("a.lua", "x"), file("b.lua", "y\n")]),
            b"-- file: a.lua\nx\n-- file: b.lua\ny\n\n"
        );
    }
}
