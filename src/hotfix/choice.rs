//! Which patches a rollback is about: found in the history, or why what is wanted is not live.

use crate::hotfix::history::{History, HistoryError};
use crate::hotfix::record::{PatchId, Record, Target, Withdrawn};
use crate::patch::outcome::Status;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The latest patch that all instances have.
    Latest,
    /// This one.
    One(PatchId),
    /// Every one: back to the source.
    All,
}

/// What is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The service's folder name.
    pub service: String,
    /// As messages name it: `svc/x.lua`, or `svc`.
    pub what: String,
    /// The patches, the latest first.
    pub ids: Vec<u64>,
    /// Their files' names, each once.
    pub names: Vec<String>,
    /// Whom they were for.
    pub target: Target,
    /// Everything is to go.
    pub all: bool,
}

/// Finds what is wanted. `is_here`: whether the instance that a patch was for still lives.
///
/// # Errors
/// Why it is not live, or why the history cannot be read.
pub(super) fn of(
    history: &History,
    service: &str,
    wanted: Wanted,
    is_here: impl Fn(&Record) -> bool,
) -> Result<Choice, String> {
    let live = history.live(service).map_err(|e| e.to_string())?;
    match wanted {
        Wanted::All => {
            let here: Vec<Record> = live.into_iter().filter(is_here).collect();
            every(service, &here).ok_or_else(|| format!("no patch of {service} is live"))
        }
        Wanted::Latest => {
            let latest = live.iter().find(|record| record.target == Target::All);
            let none = || match live.iter().any(is_here) {
                true => {
                    format!("no patch is live in all instances of {service}; give the number of the one that is meant")
                }
                false => format!("no patch of {service} is live"),
            };
            latest.map(one).ok_or_else(none)
        }
        Wanted::One(id) => {
            let record = history
                .show(id)
                .map_err(|e: HistoryError| e.to_string())?
                .map(|shown| shown.record);
            let record = record
                .ok_or_else(|| format!("there is no patch {id}; `history {service}` shows those that there are"))?;
            find(&live, &record, service, is_here).map(one)
        }
    }
}

fn every(service: &str, records: &[Record]) -> Option<Choice> {
    let mut names: Vec<String> = records.iter().map(|record| record.name.clone()).collect();
    names.sort();
    names.dedup();
    (!records.is_empty()).then(|| Choice {
        service: service.to_owned(),
        what: service.to_owned(),
        ids: records.iter().map(|record| record.id.0).collect(),
        names,
        target: Target::All,
        all: true,
    })
}

fn one(record: &Record) -> Choice {
    Choice {
        service: record.service.clone(),
        what: format!("{}/{}", record.service, record.name),
        ids: vec![record.id.0],
        names: vec![record.name.clone()],
        target: record.target,
        all: false,
    }
}

/// The live patch behind a record: itself, or the one whose bytes it repeats.
fn find<'a>(
    live: &'a [Record],
    record: &Record,
    service: &str,
    is_here: impl Fn(&Record) -> bool,
) -> Result<&'a Record, String> {
    let (id, name) = (record.id, &record.name);
    if record.service != service {
        return Err(format!(
            "patch {id} is one of {}, not of {service}: {}/{name}",
            record.service, record.service
        ));
    }
    let not_live = |why: &str| format!("patch {id} ({service}/{name}) is not live: {why}");
    let root = record.same_as.unwrap_or(id);
    let found = live
        .iter()
        .find(|live| live.id == root)
        .ok_or_else(|| not_live(why_not(record)))?;
    if !is_here(found) {
        return Err(not_live("the one instance that it was for has ended"));
    }
    let covers = |later: &&Record| {
        let reaches = later.target == Target::All || later.target == found.target;
        later.id > root && later.name == found.name && reaches && is_here(later)
    };
    match live.iter().find(covers) {
        Some(later) => Err(not_live(&format!("patch {} is a newer version of it", later.id))),
        None => Ok(found),
    }
}

fn why_not(record: &Record) -> &'static str {
    match (record.withdrawn, record.status) {
        (Some(Withdrawn::RolledBack), _) => "it was rolled back already",
        (Some(Withdrawn::Retired), _) => "it was retired, since the source that it was made for has changed",
        (Some(Withdrawn::Superseded), _) => "a newer version of it was applied in its place when the node started",
        (None, Some(Status::Rejected)) => "it was rejected",
        (None, Some(Status::Failed)) => "it failed and was undone",
        (None, Some(Status::NoEffect)) => "it had no effect",
        (None, Some(Status::TimedOut)) => "it had reached no instance when it was given up",
        (None, _) if record.never_happened => "the node ended before it was applied",
        (None, _) => "it is under way",
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::{Wanted, of};
    use crate::hotfix::history::History;
    use crate::hotfix::record::samples::{event, intake, verdict};
    use crate::hotfix::record::{EventKind, PatchId, Subject, Target};
    use crate::patch::outcome::Status;

    /// A history of simpledb: x (1), y (2, failed), x again (3), the same once more (4), z for one instance (5).
    fn filled() -> (TempDir, History) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut history = History::open(dir.path()).expect("a history");
        for (name, bytes, status, target) in [
            ("x.lua", b"a", Status::Applied, Target::All),
            ("y.lua", b"b", Status::Failed, Target::All),
            ("x.lua", b"c", Status::Applied, Target::All),
            ("x.lua", b"c", Status::Unchanged, Target::All),
            ("z.lua", b"d", Status::Applied, Target::Handle(10)),
        ] {
            let mut intake = intake("simpledb", name, bytes);
            intake.target = target;
            let id = history.begin(&intake).expect("written");
            history.finish(id, &verdict(status)).expect("written");
        }
        (dir, history)
    }

    fn chosen(history: &History, wanted: Wanted) -> Result<Vec<u64>, String> {
        of(history, "simpledb", wanted, |_| true).map(|choice| choice.ids)
    }

    fn one(history: &History, id: u64) -> Result<Vec<u64>, String> {
        chosen(history, Wanted::One(PatchId(id)))
    }

    #[test]
    fn what_is_live_is_found() {
        let (_dir, mut history) = filled();
        assert_eq!(chosen(&history, Wanted::Latest), Ok(vec![3]), "5 is for one instance");
        assert_eq!(chosen(&history, Wanted::All), Ok(vec![5, 3, 1]));
        assert_eq!(one(&history, 3), Ok(vec![3]));
        assert_eq!(one(&history, 4), Ok(vec![3]), "it is the same");
        assert_eq!(one(&history, 5), Ok(vec![5]));
        let all = of(&history, "simpledb", Wanted::All, |record| record.target == Target::All);
        assert_eq!(
            all.map(|choice| choice.ids),
            Ok(vec![3, 1]),
            "what was for one instance has ended with it"
        );
        let back = event(EventKind::RolledBack, Subject::Patch(PatchId(3)));
        history.event(&back).expect("written");
        assert_eq!(chosen(&history, Wanted::Latest), Ok(vec![1]));
        assert_eq!(one(&history, 1), Ok(vec![1]));
    }

    #[test]
    fn what_is_not_live_is_refused_by_name() {
        let (_dir, mut history) = filled();
        let no = |history: &History, id| one(history, id).expect_err("it is not live");
        assert!(no(&history, 1).contains("patch 1 (simpledb/x.lua) is not live: patch 3 is a newer version"));
        assert!(no(&history, 2).contains("it failed and was undone"));
        assert!(no(&history, 9).contains("there is no patch 9"));
        let other = of(&history, "other", Wanted::One(PatchId(3)), |_| true).expect_err("of another service");
        assert!(other.contains("patch 3 is one of simpledb"), "{other}");
        let ended = of(&history, "simpledb", Wanted::One(PatchId(5)), |_| false).expect_err("ended");
        assert!(ended.contains("has ended"), "{ended}");
        let all = event(EventKind::RolledBack, Subject::Service("simpledb".into()));
        history.event(&all).expect("written");
        for wanted in [Wanted::Latest, Wanted::All] {
            assert_eq!(chosen(&history, wanted), Err("no patch of simpledb is live".to_owned()));
        }
        assert!(no(&history, 3).contains("it was rolled back already"));
        assert!(no(&history, 4).contains("it was rolled back already"));
    }
}
