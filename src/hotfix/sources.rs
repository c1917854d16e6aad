//! Which instance has loaded which source file, and in which version: what dev mode asks when a file is saved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::actor::address::Handle;
use crate::hotfix::parcel::SavedFile;
use crate::patch::order::Loader;

/// How many versions of a file are remembered for each VM: more than can be taken back.
const BACK: usize = 32;

/// See the module. Paths are canonical: a file is one file, however the patterns spell it.
#[derive(Default)]
pub struct Sources(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    files: HashMap<PathBuf, Vec<User>>,
    by_vm: HashMap<usize, BTreeSet<PathBuf>>,
}

/// A VM that has loaded a file.
struct User {
    vm: usize,
    handle: Handle,
    service: Arc<str>,
    /// What the VM calls the file.
    label: Arc<str>,
    /// The text that it loaded, and those that were applied since, with the patches that brought them.
    versions: Vec<(u64, Arc<[u8]>)>,
}

impl User {
    fn text(&self) -> &Arc<[u8]> {
        let (_, newest) = &self.versions[self.versions.len() - 1];
        newest
    }
}

/// What the files of one save are to one service.
#[derive(Debug, Default)]
pub struct Concerned {
    /// The files that differ from what runs, with their canonical paths.
    pub files: Vec<(PathBuf, SavedFile)>,
    /// The instances in which they do.
    pub handles: BTreeSet<Handle>,
}

/// An instance that has loaded a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The service's folder name.
    pub service: String,
    /// What it calls the file.
    pub label: String,
    /// The instance.
    pub handle: Handle,
}

impl Sources {
    /// A VM is about to run a file. Whether nobody had loaded it before.
    pub fn loaded(&self, by: &Loader<'_>, path: &Path, label: &str, text: &Arc<[u8]>) -> bool {
        let path = canonical(path);
        let mut inner = self.0.lock();
        inner.by_vm.entry(by.vm).or_default().insert(path.clone());
        let users = inner.files.entry(path).or_default();
        let is_new = users.is_empty();
        users.push(User {
            vm: by.vm,
            handle: Handle(by.handle),
            service: by.service.replace('/', ".").into(),
            label: label.into(),
            versions: vec![(0, text.clone())],
        });
        is_new
    }

    /// Every file that is loaded somewhere.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().files.keys().cloned().collect()
    }

    /// A VM has ended.
    pub fn unloaded(&self, vm: usize) {
        let mut inner = self.0.lock();
        for path in inner.by_vm.remove(&vm).unwrap_or_default() {
            if let Some(users) = inner.files.get_mut(&path) {
                users.retain(|user| user.vm != vm);
                if users.is_empty() {
                    inner.files.remove(&path);
                }
            }
        }
    }

    /// What saved files (canonical paths and texts) are to the services that have loaded them, by service.
    pub fn concerned(&self, saved: &BTreeMap<PathBuf, Arc<[u8]>>) -> BTreeMap<String, Concerned> {
        let inner = self.0.lock();
        let mut services: BTreeMap<String, Concerned> = BTreeMap::new();
        for (path, now) in saved {
            let users = inner.files.get(path).map(Vec::as_slice).unwrap_or_default();
            for user in users.iter().filter(|user| user.text() != now) {
                let concerned = services.entry(user.service.to_string()).or_default();
                concerned.handles.insert(user.handle);
                if !concerned.files.iter().any(|(_, file)| *file.label == *user.label) {
                    let file = SavedFile {
                        label: user.label.to_string(),
                        before: user.text().clone(),
                        now: now.clone(),
                    };
                    concerned.files.push((path.clone(), file));
                }
            }
        }
        services
    }

    /// A patch has brought these files into instances.
    pub fn applied(&self, patch: u64, files: &[(PathBuf, SavedFile)], handles: &BTreeSet<Handle>) {
        let mut inner = self.0.lock();
        for (path, file) in files {
            let users = inner.files.get_mut(path).map(Vec::as_mut_slice).unwrap_or_default();
            let reached = |user: &&mut User| *user.label == *file.label && handles.contains(&user.handle);
            for user in users.iter_mut().filter(reached) {
                user.versions.push((patch, file.now.clone()));
                let surplus = user.versions.len().saturating_sub(BACK);
                user.versions.drain(..surplus);
            }
        }
    }

    /// A patch was taken back.
    pub fn taken_back(&self, patch: u64) {
        let mut inner = self.0.lock();
        for user in inner.files.values_mut().flatten() {
            user.versions.retain(|(brought_by, _)| *brought_by != patch);
        }
    }

    /// The instances that have loaded a file (by canonical path).
    pub fn users(&self, path: &Path) -> Vec<Usage> {
        let inner = self.0.lock();
        let users = inner.files.get(path).map(Vec::as_slice).unwrap_or_default();
        users.iter().map(usage).collect()
    }

    /// The instances in which one of these files (by canonical path) runs in another version than the given one.
    pub fn behind(&self, newest: &HashMap<PathBuf, Arc<[u8]>>) -> Vec<Usage> {
        let inner = self.0.lock();
        let outdated = newest.iter().flat_map(|(path, text)| {
            let users = inner.files.get(path).map(Vec::as_slice).unwrap_or_default();
            users.iter().filter(move |user| user.text() != text)
        });
        outdated.map(usage).collect()
    }
}

fn usage(user: &User) -> Usage {
    Usage {
        service: user.service.to_string(),
        label: user.label.to_string(),
        handle: user.handle,
    }
}

/// The path without links; as it is where there is nothing.
pub fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::Sources;
    use crate::actor::address::Handle;
    use crate::patch::order::Loader;

    fn text(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    fn load(sources: &Sources, handle: u32, service: &str, path: &str) -> bool {
        let by = Loader {
            vm: handle as usize,
            handle,
            service,
        };
        sources.loaded(&by, path.as_ref(), &path[1..], &text("one"))
    }

    #[test]
    fn a_save_concerns_whoever_runs_another_text() {
        let sources = Sources::default();
        assert!(load(&sources, 1, "game/agent", "/none/a.lua"));
        assert!(!load(&sources, 2, "game/agent", "/none/a.lua"));
        assert!(load(&sources, 2, "game/agent", "/none/m.lua"));
        assert!(!load(&sources, 3, "main", "/none/m.lua"));
        let m = PathBuf::from("/none/m.lua");
        let saved = |now: &str| BTreeMap::from([(m.clone(), text(now)), ("/none/other.lua".into(), text("two"))]);
        assert!(sources.concerned(&saved("one")).is_empty(), "it is what runs");
        let concerned = sources.concerned(&saved("two"));
        assert_eq!(concerned.keys().collect::<Vec<_>>(), ["game.agent", "main"]);
        let agent = &concerned["game.agent"];
        assert_eq!(agent.handles, BTreeSet::from([Handle(2)]));
        assert_eq!(agent.files[0].1.label, "none/m.lua");
        sources.applied(7, &agent.files, &agent.handles);
        assert_eq!(sources.concerned(&saved("two")).keys().collect::<Vec<_>>(), ["main"]);
        sources.taken_back(7);
        assert_eq!(sources.concerned(&saved("two")).len(), 2);
        sources.unloaded(2);
        assert_eq!(sources.concerned(&saved("two")).keys().collect::<Vec<_>>(), ["main"]);
        assert_eq!(sources.users(&m).len(), 1);
    }
}
