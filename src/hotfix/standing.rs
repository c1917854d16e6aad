//! The patches that new instances get: of each name the newest that is live, and what is on its way.
//!
//! Older versions are remembered behind it, because a rollback brings them back.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::patch::order::Patch;

/// See the module.
#[derive(Default)]
pub(super) struct Standing {
    /// By service, in the order in which they were applied.
    services: RwLock<HashMap<String, Vec<Entry>>>,
}

/// One patch that stands.
#[derive(Clone)]
pub(super) struct Entry {
    patch: Arc<Patch>,
    /// It is live somewhere; otherwise it is on its way.
    live: bool,
}

impl Standing {
    /// A patch is on its way to every instance: those that start meanwhile get it, too.
    pub fn post(&self, patch: &Arc<Patch>) {
        let entry = Entry {
            patch: patch.clone(),
            live: false,
        };
        self.put_back(&patch.service, vec![entry]);
    }

    /// The patch is live: it takes the place of the older versions of its name.
    pub fn confirm(&self, patch: &Patch) {
        let mut services = self.services.write();
        let entries = services.get_mut(&patch.service).map(Vec::as_mut_slice);
        for entry in entries.unwrap_or_default() {
            entry.live |= entry.patch.id == patch.id;
        }
    }

    /// These patches are not live: new instances do not get them. What was taken out.
    pub fn withdraw(&self, service: &str, ids: &[u64]) -> Vec<Entry> {
        self.take(service, |patch| ids.contains(&patch.id))
    }

    /// The source has taken the place of this patch and of its older versions; false if it did not stand.
    pub fn retire(&self, patch: &Patch) -> bool {
        let gone = self.take(&patch.service, |other| other.name == patch.name && other.id <= patch.id);
        gone.iter().any(|entry| entry.patch.id == patch.id)
    }

    /// What [`Standing::withdraw`] took out stands again.
    pub fn put_back(&self, service: &str, taken: Vec<Entry>) {
        let mut services = self.services.write();
        let entries = services.entry(service.to_owned()).or_default();
        entries.extend(taken);
        entries.sort_by_key(|entry| entry.patch.id);
    }

    /// What a new instance gets, in order.
    pub fn of(&self, service: &str) -> Vec<Arc<Patch>> {
        let services = self.services.read();
        let entries = services.get(service).map(Vec::as_slice).unwrap_or_default();
        let live = entries.iter().filter(|entry| entry.live);
        let newest: HashMap<&str, u64> = live.map(|entry| (entry.patch.name.as_str(), entry.patch.id)).collect();
        let is_superseded = |patch: &Patch| newest.get(patch.name.as_str()).is_some_and(|newest| *newest > patch.id);
        entries
            .iter()
            .map(|entry| &entry.patch)
            .filter(|patch| !is_superseded(patch))
            .cloned()
            .collect()
    }

    fn take(&self, service: &str, is_gone: impl Fn(&Patch) -> bool) -> Vec<Entry> {
        let mut services = self.services.write();
        let Some(entries) = services.get_mut(service) else {
            return Vec::new();
        };
        let (gone, stay) = std::mem::take(entries)
            .into_iter()
            .partition(|entry| is_gone(&entry.patch));
        *entries = stay;
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::Standing;
    use crate::patch::order::Patch;

    fn patch(id: u64, name: &str) -> Arc<Patch> {
        Arc::new(Patch {
            id,
            service: "svc".into(),
            name: name.into(),
            texts: Vec::new(),
            sha256: String::new(),
            args: Vec::new(),
            forced: false,
            sources: OnceLock::new(),
        })
    }

    fn ids(standing: &Standing) -> Vec<u64> {
        standing.of("svc").iter().map(|patch| patch.id).collect()
    }

    #[test]
    fn the_newest_live_version_stands_and_the_one_before_it_comes_back() {
        let standing = Standing::default();
        let [one, two, three] = [(1, "x"), (2, "y"), (3, "x")].map(|(id, name)| patch(id, name));
        for patch in [&one, &two] {
            standing.post(patch);
            standing.confirm(patch);
        }
        standing.post(&three);
        assert_eq!(ids(&standing), [1, 2, 3], "it is on its way");
        standing.confirm(&three);
        assert_eq!(ids(&standing), [2, 3]);
        let taken = standing.withdraw("svc", &[3]);
        assert_eq!(ids(&standing), [1, 2]);
        standing.put_back("svc", taken);
        assert_eq!(ids(&standing), [2, 3]);
        assert!(standing.retire(&three));
        assert!(!standing.retire(&three));
        assert_eq!(ids(&standing), [2], "a retirement ends the older versions, too");
        assert!(standing.withdraw("other", &[2]).is_empty());
        assert_eq!(standing.of("other").len(), 0);
    }
}
