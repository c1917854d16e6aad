//! Source trees: folders of any depth below a few roots, each watched by itself, as in the drop folder. A folder is known by its canonical
//! path, so that links, however they are tied, and roots that overlap make no file appear twice.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::watch::SourceRoot;
use crate::watch::folder;
use crate::watch::hints::Hint;
use crate::watch::ledger::{Ledger, Place};
use crate::watch::names::{self, Name};
use crate::watch::spots::{Spot, Spots};
use crate::watch::stamp::Stamp;

/// One folder.
struct Folder {
    spot: Spot,
    /// As the root is spelled in the configuration.
    spelled: PathBuf,
    /// As messages name it.
    display: String,
}

/// A root, and what is known of the folder above it, which tells when the root is made or exchanged.
struct Root {
    root: SourceRoot,
    above: Option<Spot>,
}

/// All source trees.
pub(super) struct Forest {
    roots: Vec<Root>,
    /// Canonical paths of folders that are none of the sources.
    skip: Vec<PathBuf>,
    /// By canonical path.
    folders: BTreeMap<PathBuf, Folder>,
}

impl Forest {
    /// Nothing is known yet. Paths are absolute.
    pub(super) fn new(roots: Vec<SourceRoot>, skip: Vec<PathBuf>) -> Self {
        let mut forest = Self {
            roots: Vec::new(),
            skip,
            folders: BTreeMap::new(),
        };
        for root in roots {
            forest.add(root);
        }
        forest
    }

    /// Whether there is anything to watch.
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Takes a further root; false if its folder is known.
    pub(super) fn add(&mut self, root: SourceRoot) -> bool {
        let is_root = self.roots.iter().any(|known| known.root.path == root.path);
        let is_known = || fs::canonicalize(&root.path).is_ok_and(|path| self.folders.contains_key(&path));
        let is_new = !is_root && !is_known();
        if is_new {
            self.roots.push(Root { root, above: None });
        }
        is_new
    }

    /// Brings the watches in line with what is there, and looks at every file.
    pub(super) fn reconcile(&mut self, spots: &mut Spots, ledger: &mut Ledger, hint: Hint) {
        let gone: Vec<PathBuf> = self
            .folders
            .iter()
            .filter(|(path, known)| !known.is_there(path))
            .map(first)
            .collect();
        gone.iter().for_each(|path| self.leave(spots, ledger, path));
        for number in 0..self.roots.len() {
            self.watch_above(spots, ledger, number);
            let SourceRoot { path, label } = self.roots[number].root.clone();
            if let Ok(canonical) = fs::canonicalize(&path) {
                self.enter(spots, ledger, canonical, path, label, hint);
            }
        }
    }

    /// What a touched path is here: a name in a folder, and whether a root has to be looked for.
    pub(super) fn locate(&self, path: &Path) -> (Option<(PathBuf, OsString)>, bool) {
        let is_root = |root: &&Root| {
            let above = root.above.as_ref().map(|above| above.path.as_path());
            above.is_some() && above == path.parent() && root.root.path.file_name() == path.file_name()
        };
        let found = self.roots.iter().find(is_root).is_some();
        let parent = path.parent().filter(|parent| self.folders.contains_key(*parent));
        let name = parent.and_then(|parent| Some((parent.to_owned(), path.file_name()?.to_owned())));
        (name, found)
    }

    /// The folder at this path was removed or renamed away, with all below it.
    pub(super) fn left(&mut self, spots: &mut Spots, ledger: &mut Ledger, path: &Path) {
        if self.folders.contains_key(path) {
            self.leave(spots, ledger, path);
        }
    }

    /// Looks at one name in a folder.
    pub(super) fn visit(&mut self, spots: &mut Spots, ledger: &mut Ledger, home: &Path, name: &OsStr, hint: Hint) {
        let Some(folder) = self.folders.get(home) else {
            return;
        };
        if name.as_encoded_bytes().starts_with(b".") {
            return;
        }
        let path = home.join(name);
        let metadata = fs::metadata(&path);
        let display = format!("{}{}", folder.prefix(), names::escaped(name));
        if metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
            if let Ok(canonical) = fs::canonicalize(&path) {
                let spelled = folder.spelled.join(name);
                self.enter(spots, ledger, canonical, spelled, display, hint);
            }
            return;
        }
        match (names::patch(name), home.to_str()) {
            (Name::Ignored, _) => {}
            (Name::Ours(name), Some(folder_key)) => {
                let place = Place {
                    path: folder.spelled.join(&name),
                    key: (folder_key.to_owned(), name),
                    home: home.to_owned(),
                    display,
                };
                ledger.look(&place, hint);
            }
            (judged, _) => {
                let why = match judged {
                    Name::Refused(why) => why,
                    _ => "lies in a folder whose name is not UTF-8; rename it",
                };
                if let Ok(metadata) = metadata {
                    ledger.refuse(path, &display, Stamp::of(&metadata), why);
                }
            }
        }
    }

    /// All watches are lost: whatever is found next counts as new.
    pub(super) fn forget_watches(&mut self) {
        self.folders.clear();
        self.roots.iter_mut().for_each(|root| root.above = None);
    }

    /// Whether there are folders that nobody watches.
    pub(super) fn has_blind_spots(&self) -> bool {
        self.folders.values().any(|folder| !folder.spot.is_watched)
    }

    fn watch_above(&mut self, spots: &mut Spots, ledger: &Ledger, number: usize) {
        let root = &mut self.roots[number];
        let parent = root.root.path.parent().and_then(|parent| fs::canonicalize(parent).ok());
        let found = parent.and_then(|path| Some((fs::metadata(&path).ok()?, path)));
        root.above = found.map(|(metadata, path)| {
            let id = Stamp::of(&metadata).id();
            spots.keep_or_watch(root.above.take(), path, id, ledger)
        });
    }

    fn enter(
        &mut self,
        spots: &mut Spots,
        ledger: &mut Ledger,
        canonical: PathBuf,
        spelled: PathBuf,
        display: String,
        hint: Hint,
    ) {
        let Ok(metadata) = fs::metadata(&canonical) else {
            return;
        };
        if ledger.is_halted() || self.skip.contains(&canonical) || !metadata.is_dir() {
            return;
        }
        let id = Stamp::of(&metadata).id();
        let before = self
            .folders
            .get(&canonical)
            .filter(|known| known.spot.is_at(&canonical, id));
        // Another way to a folder that is known already.
        if before.is_some_and(|known| known.spelled != spelled) {
            return;
        }
        let known = before.map(|known| known.spot.clone());
        if known.is_none() {
            self.leave(spots, ledger, &canonical);
        }
        let was_watched = known.as_ref().map(|spot| spot.is_watched);
        let spot = spots.keep_or_watch(known, canonical.clone(), id, ledger);
        let is_new = was_watched != Some(spot.is_watched);
        self.folders
            .insert(canonical.clone(), Folder { spot, spelled, display });
        match hint {
            _ if is_new => self.scan(spots, ledger, &canonical, Hint::Scan),
            Hint::Sweep | Hint::Scan => self.scan(spots, ledger, &canonical, hint),
            // Its own watch tells what happens in it.
            _ => {}
        }
    }

    /// Looks at every name in a folder.
    fn scan(&mut self, spots: &mut Spots, ledger: &mut Ledger, home: &Path, hint: Hint) {
        // Removed since it was found, or not to be read: its files are gone for us either way.
        let Ok(names) = folder::list(home) else {
            return self.leave(spots, ledger, home);
        };
        let known = home.to_str().map(|key| ledger.names(key)).unwrap_or_default();
        let known = known
            .into_iter()
            .map(OsString::from)
            .filter(|name| !names.contains(name));
        let gone: Vec<OsString> = known.collect();
        for name in gone.iter().chain(&names) {
            if ledger.is_halted() {
                return;
            }
            self.visit(spots, ledger, home, name, hint);
        }
        // On a local file system a save without an event is one through a link: nothing to wonder at in a source tree.
        ledger.take_finds();
    }

    /// A folder is gone, with all below it.
    fn leave(&mut self, spots: &mut Spots, ledger: &mut Ledger, path: &Path) {
        let below: Vec<PathBuf> = self
            .folders
            .keys()
            .filter(|folder| folder.starts_with(path))
            .cloned()
            .collect();
        for path in below {
            if let Some(folder) = self.folders.remove(&path) {
                spots.unwatch(&folder.spot);
            }
            if let Some(key) = path.to_str() {
                ledger.service_gone(key);
            }
        }
    }
}

impl Folder {
    /// What stands before the names in it, for people.
    fn prefix(&self) -> String {
        match self.display.as_str() {
            "." => String::new(),
            display => format!("{}/", display.trim_end_matches('/')),
        }
    }

    /// Whether its folder is still at its place.
    fn is_there(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() && Stamp::of(&metadata).id() == self.spot.id)
    }
}

fn first<T>((path, _): (&PathBuf, T)) -> PathBuf {
    path.clone()
}
