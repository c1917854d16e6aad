//! Which instance has loaded which source file, and in which version: what dev mode asks when a file is saved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::actor::address::Handle;
use crate::hotfix::parcel::SavedFile;
use crate::patch::order::{Loader, Patch};

/// How many versions of a file are remembered for each VM: more than can be taken back.
const BACK: usize = 32;

/// See the module. Whoever changes what a VM runs of a file says so here: a delivery, a late answer, a rollback. Paths are canonical: a file
/// is one file, however the patterns spell it.
#[derive(Default)]
pub struct Sources(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    files: HashMap<PathBuf, Vec<User>>,
    by_vm: HashMap<usize, BTreeSet<PathBuf>>,
    spelled: HashMap<PathBuf, PathBuf>,
}

/// A VM that has loaded a file.
struct User {
    vm: usize,
    handle: Handle,
    service: Arc<str>,
    /// What the VM calls the file.
    label: Arc<str>,
    /// The path that it was loaded by, with its links.
    loaded_by: Arc<Path>,
    /// The text that it loaded.
    begun: Arc<[u8]>,
    /// That text, and those that were applied since, with the patches that brought them.
    versions: Vec<(u64, Arc<[u8]>)>,
}

impl User {
    fn text(&self) -> &Arc<[u8]> {
        let (_, newest) = &self.versions[self.versions.len() - 1];
        newest
    }

    fn bring(&mut self, patch: u64, text: Arc<[u8]>) {
        self.versions.push((patch, text));
        let surplus = self.versions.len().saturating_sub(BACK);
        self.versions.drain(..surplus);
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
        let loaded_by = path.into();
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
            loaded_by,
            begun: text.clone(),
            versions: vec![(0, text.clone())],
        });
        is_new
    }

    /// A link was put in the place of a file, or leads to another one: whoever loaded the file by that path (as the doorkeeper spells it)
    /// would load the other one (both by canonical path) now.
    pub fn leads_elsewhere(&self, spelled: &Path, before: &Path, now: &Path) {
        let mut inner = self.0.lock();
        let Inner { files, by_vm, .. } = &mut *inner;
        let Some(users) = files.get_mut(before) else { return };
        let moved: Vec<User> = users.extract_if(.., |user| *user.loaded_by == *spelled).collect();
        if users.is_empty() {
            files.remove(before);
        }
        if moved.is_empty() {
            return;
        }
        for user in &moved {
            by_vm.entry(user.vm).or_default().insert(now.to_owned());
        }
        files.entry(now.to_owned()).or_default().extend(moved);
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
                user.bring(patch, file.now.clone());
            }
        }
    }

    /// Whether a file is again what these instances loaded.
    pub fn is_as_begun(&self, path: &Path, file: &SavedFile, handles: &BTreeSet<Handle>) -> bool {
        let inner = self.0.lock();
        let users = inner.files.get(path).map(Vec::as_slice).unwrap_or_default();
        let mut concerned = users
            .iter()
            .filter(|user| *user.label == *file.label && handles.contains(&user.handle));
        concerned.all(|user| user.begun == file.now)
    }

    /// The services whose instances all run a file (by canonical path) as they loaded it, in the version given, with what they call it.
    pub fn as_begun_in(&self, path: &Path, text: &Arc<[u8]>) -> Vec<(String, String)> {
        let inner = self.0.lock();
        let users = inner.files.get(path).map(Vec::as_slice).unwrap_or_default();
        let mut services: BTreeMap<(&str, &str), bool> = BTreeMap::new();
        for user in users {
            let is_as_begun = user.begun == *text && user.text() == text;
            *services.entry((&user.service, &user.label)).or_insert(true) &= is_as_begun;
        }
        let as_begun = services.into_iter().filter(|(_, is_as_begun)| *is_as_begun);
        as_begun
            .map(|((service, label), _)| (service.to_owned(), label.to_owned()))
            .collect()
    }

    /// A patch was taken back; the files that it had brought, as the doorkeeper spells them.
    pub fn taken_back(&self, patch: u64) -> Vec<PathBuf> {
        let mut inner = self.0.lock();
        let Inner { files, spelled, .. } = &mut *inner;
        let mut concerned = Vec::new();
        for (path, users) in files {
            let mut is_concerned = false;
            for user in users {
                let before = user.versions.len();
                user.versions.retain(|(brought_by, _)| *brought_by != patch);
                is_concerned |= user.versions.len() < before;
            }
            if is_concerned {
                concerned.extend(spelled.get(path).cloned());
            }
        }
        concerned
    }

    /// A late answer tells that a patch has brought its texts into an instance.
    pub fn applied_late(&self, patch: &Patch, handle: Handle) {
        let mut inner = self.0.lock();
        let users = inner.files.values_mut().flatten().filter(|user| user.handle == handle);
        for user in users {
            if let Some(text) = patch.texts.iter().find(|text| text.label == *user.label) {
                user.bring(patch.id, text.source.bytes().into());
            }
        }
    }

    /// As [`Sources::spell`] was told.
    pub fn spelling(&self, path: &Path) -> Option<PathBuf> {
        self.0.lock().spelled.get(path).cloned()
    }

    /// How the doorkeeper spells a file (by canonical path).
    pub fn spell(&self, path: &Path, spelled: &Path) {
        self.0.lock().spelled.insert(path.to_owned(), spelled.to_owned());
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
        sources.spell(&m, "/link/m.lua".as_ref());
        assert_eq!(sources.taken_back(7), [PathBuf::from("/link/m.lua")]);
        assert_eq!(sources.concerned(&saved("two")).len(), 2);
        sources.unloaded(2);
        assert_eq!(sources.concerned(&saved("two")).keys().collect::<Vec<_>>(), ["main"]);
        assert_eq!(sources.users(&m).len(), 1);
    }
}
