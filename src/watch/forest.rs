//! The source trees: folders of any depth below a few roots, each watched by itself, as in the drop folder.
//!
//! Trees may be large, and patches must not wait for them: what is to be looked at stands in a queue, and a little of it is done at a time.
//! Each folder counts once, under the first way that leads to it: so roots may overlap, and links be tied in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::watch::SourceRoot;
use crate::watch::folder;
use crate::watch::hints::Hint;
use crate::watch::ledger::{Ledger, Place};
use crate::watch::map::{Folder, Map};
use crate::watch::names::{self, Name};
use crate::watch::roots::Roots;
use crate::watch::spots::Spots;
use crate::watch::stamp::Stamp;
use crate::watch::targets::Targets;

/// What is to be done about a path, the urgent first. Links come last, so that a folder counts under its own path if that lies in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Something happened to it: find out what it is.
    Name,
    /// Look whether the file is news.
    File,
    /// Watch the folder and list it.
    Folder,
    /// The same for a link to a folder.
    Link,
}

/// A folder as it was found.
struct Found {
    canonical: PathBuf,
    id: (u64, u64),
    is_link: bool,
}

/// All source trees.
pub(super) struct Forest {
    roots: Roots,
    map: Map,
    targets: Targets,
    ledger: Ledger,
    /// Paths are as their root spells them.
    queue: BTreeMap<(Step, PathBuf), Hint>,
    /// A folder that other links may lead to has gone.
    is_way_lost: bool,
}

impl Forest {
    /// Nothing is known yet. Paths are absolute; below the roots, what is in `skip` is left out.
    pub(super) fn new(roots: Vec<SourceRoot>, skip: Vec<PathBuf>, ledger: Ledger) -> Self {
        Self {
            roots: Roots::new(roots, skip),
            map: Map::default(),
            targets: Targets::default(),
            ledger,
            queue: BTreeMap::new(),
            is_way_lost: false,
        }
    }

    /// What has been said about the files.
    pub(super) fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Whether there is anything to watch.
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Whether nothing stands in the queue.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether there are folders that nobody watches.
    pub(super) fn has_blind_spots(&self) -> bool {
        self.map.has_blind_spots()
    }

    /// Whether a folder that other links may lead to has gone since the last call: only a sweep finds them.
    pub(super) fn take_way_lost(&mut self) -> bool {
        std::mem::take(&mut self.is_way_lost)
    }

    /// Takes a further folder, without those below it: a file that was loaded from a home directory is no reason to walk through all of it.
    pub(super) fn add(&mut self, spots: &mut Spots, root: SourceRoot) {
        let is_known = fs::canonicalize(&root.path).is_ok_and(|path| self.map.at(&path).is_some());
        if !is_known && self.roots.add(root, false) {
            self.look_for_roots(spots, Hint::Appeared);
        }
    }

    /// Queues all roots, and with [`Hint::Sweep`] everything below them.
    pub(super) fn look_for_roots(&mut self, spots: &mut Spots, hint: Hint) {
        self.roots.watch_above(spots, &self.ledger);
        for path in self.roots.paths() {
            self.add_step(Step::Folder, path, hint);
        }
    }

    /// All watches are lost: what is found next counts as new.
    pub(super) fn forget_watches(&mut self) {
        self.map.clear();
        self.targets.forget_watches();
        self.roots.forget_watches();
        // What has gone meanwhile is in no folder's list.
        for (folder, name) in self.ledger.keys_below("") {
            self.add_step(Step::File, Path::new(&folder).join(name), Hint::Sweep);
        }
    }

    /// Takes note of an event. Its path has no links in it.
    pub(super) fn touched(&mut self, spots: &mut Spots, path: &Path, hint: Hint) {
        let mut may_move_root = self.roots.may_move(path);
        if hint == Hint::Left {
            self.targets.left(spots, path);
            may_move_root |= self.roots.left(spots, path);
            for spelled in self.map.at_or_below(path) {
                self.leave(spots, &spelled);
                self.add_step(Step::Name, spelled, Hint::Appeared);
            }
        }
        if may_move_root && hint != Hint::Attributes {
            self.look_for_roots(spots, Hint::Appeared);
        }
        let links: Vec<PathBuf> = self.targets.at(path).cloned().collect();
        for link in links {
            self.add_step(Step::File, link, hint);
        }
        let folder = path.parent().and_then(|parent| self.map.at(parent));
        let (Some(folder), Some(name)) = (folder, path.file_name()) else {
            return;
        };
        let is_ours = names::patch(name) != Name::Ignored;
        match hint {
            _ if names::service(name) == Name::Ignored => {}
            // Only files are closed.
            Hint::Closed if is_ours => self.add_step(Step::File, folder.join(name), hint),
            Hint::Closed => {}
            _ => self.add_step(Step::Name, folder.join(name), hint),
        }
    }

    /// What was offered of this file counts no more.
    pub(super) fn renew(&mut self, path: &Path) {
        if let Some(key) = key(path) {
            self.ledger.renew(&key);
        }
    }

    /// Works on the queue for about so long.
    pub(super) fn work(&mut self, spots: &mut Spots, slice: Duration) {
        let end = Instant::now() + slice;
        for (folder, name) in self.ledger.due_now() {
            self.add_step(Step::File, Path::new(&folder).join(name), Hint::Timer);
        }
        while let Some(((step, path), hint)) = self.queue.pop_first() {
            match step {
                Step::Name => self.look_at_name(spots, path, hint),
                Step::File => self.look_at_file(spots, &path, hint),
                Step::Folder | Step::Link => self.visit(spots, path, hint),
            }
            if Instant::now() >= end || self.ledger.is_halted() {
                break;
            }
        }
        // On a local file system a save without an event is one through a hard link: nothing to wonder at in a source tree.
        self.ledger.take_finds();
    }

    fn add_step(&mut self, step: Step, path: PathBuf, hint: Hint) {
        let known = self.queue.entry((step, path)).or_insert(hint);
        *known = (*known).max(hint);
    }

    fn look_at_name(&mut self, spots: &mut Spots, path: PathBuf, hint: Hint) {
        let own = fs::symlink_metadata(&path).map(|metadata| metadata.file_type());
        let is_link = own.as_ref().is_ok_and(FileType::is_symlink);
        if own.is_ok_and(|kind| kind.is_dir()) || is_link && path.is_dir() {
            let step = if is_link { Step::Link } else { Step::Folder };
            let is_part = self.roots.is_root(&path) || path.parent().is_some_and(|it| self.roots.has_subfolders(it));
            // The times of a folder change with every file in it; only a refusal can be cured by new permissions.
            if is_part && (hint != Hint::Attributes || self.ledger.is_refused(&path)) {
                self.add_step(step, path.clone(), hint);
            }
        } else {
            self.leave(spots, &path);
        }
        // Even if it is a folder now: it may have been a file.
        if names::patch(path.file_name().unwrap_or_default()) != Name::Ignored {
            self.add_step(Step::File, path, hint);
        }
    }

    fn look_at_file(&mut self, spots: &mut Spots, path: &Path, hint: Hint) {
        let (Some(home), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        let display = self.roots.display(path);
        let refusal = match (names::patch(name), key(path)) {
            (Name::Ignored, _) => return,
            (Name::Ours(_), Some(key)) => {
                let place = Place {
                    key,
                    home: home.to_owned(),
                    path: path.to_owned(),
                    display,
                };
                let target = self.ledger.look(&place, hint);
                return self.targets.set(spots, &self.ledger, path, target);
            }
            (Name::Refused(why), _) => why,
            (Name::Ours(_), None) => "lies in a folder whose name is not UTF-8; rename it",
        };
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_dir() => {
                self.ledger
                    .refuse(path.to_owned(), &display, Stamp::of(&metadata), refusal);
            }
            _ => self.ledger.accept(path),
        }
    }

    /// Watches the folder, then lists it.
    fn visit(&mut self, spots: &mut Spots, path: PathBuf, hint: Hint) {
        let found = self.find(&path);
        let Some(found) = found.filter(|found| !self.roots.is_skipped(&path, &found.canonical)) else {
            return self.leave(spots, &path);
        };
        if !self.is_the_way(spots, &path, &found) {
            return self.leave(spots, &path);
        }
        let before = self.map.get(&path).map(|folder| folder.spot.clone());
        let before = before.filter(|spot| spot.is_at(&found.canonical, found.id));
        let is_new = before.is_none();
        if is_new {
            self.leave(spots, &path);
            if found.is_link || self.roots.is_root(&path) {
                spots.check_kind(&found.canonical, &self.roots.display(&path), &self.ledger);
            }
        }
        let Found { canonical, id, is_link } = found;
        let spot = spots.keep_or_watch(before, canonical, id, &self.ledger);
        self.map.insert(path.clone(), Folder { spot, is_link });
        match folder::entries(&path) {
            Ok(entries) => {
                self.ledger.accept(&path);
                self.take_list(spots, &path, entries, if is_new { Hint::Scan } else { hint });
            }
            // Removed since it was found.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.leave(spots, &path),
            Err(error) => {
                let why = format!("cannot be listed ({error}); its files are not seen");
                let display = self.roots.display(&path);
                self.ledger.refuse(path, &display, Stamp::of_folder(id), &why);
            }
        }
    }

    /// Queues what is in a folder. A hint about the folder itself says nothing of folders that are known: they have watches of their own.
    fn take_list(&mut self, spots: &mut Spots, path: &Path, entries: Vec<(OsString, FileType)>, hint: Hint) {
        let file_hint = if hint == Hint::Scan { Hint::Scan } else { Hint::Sweep };
        let is_deep = self.roots.has_subfolders(path);
        let (mut folders, mut present) = (BTreeSet::new(), BTreeSet::new());
        for (name, kind) in entries {
            if names::service(&name) == Name::Ignored {
                continue;
            }
            let child = path.join(&name);
            if kind.is_dir() || kind.is_symlink() && child.is_dir() {
                let step = if kind.is_dir() { Step::Folder } else { Step::Link };
                let is_known = self.map.get(&child).is_some();
                folders.insert(child.clone());
                match hint {
                    _ if !is_deep => {}
                    Hint::Scan | Hint::Sweep => self.add_step(step, child, hint),
                    _ if is_known => {}
                    _ => self.add_step(step, child, Hint::Scan),
                }
            } else if names::patch(&name) != Name::Ignored {
                self.add_step(Step::File, child, file_hint);
            }
            present.insert(name);
        }
        for child in self.map.children(path) {
            if !folders.contains(&child) && !self.roots.is_root(&child) {
                self.leave(spots, &child);
            }
        }
        for name in path.to_str().map(|key| self.ledger.names(key)).unwrap_or_default() {
            self.add_step(Step::File, path.join(name), file_hint);
        }
        self.ledger.forget_refusals(path, &present);
    }

    fn find(&self, path: &Path) -> Option<Found> {
        let own = fs::symlink_metadata(path).ok()?;
        let is_link = own.is_symlink();
        let parent = path.parent().and_then(|parent| self.map.get(parent));
        let canonical = match (parent, path.file_name()) {
            (Some(parent), Some(name)) if !is_link => parent.spot.path.join(name),
            _ => fs::canonicalize(path).ok()?,
        };
        let metadata = if is_link { fs::metadata(&canonical).ok()? } else { own };
        let id = Stamp::of(&metadata).id();
        metadata.is_dir().then_some(Found { canonical, id, is_link })
    }

    /// Whether the folder counts under this path; other paths that led to it and do so no more are left.
    fn is_the_way(&mut self, spots: &mut Spots, path: &Path, found: &Found) -> bool {
        let known = self.map.at(&found.canonical).filter(|known| *known != path).cloned();
        if let Some(known) = known {
            let leads_here = fs::canonicalize(&known).is_ok_and(|canonical| canonical == found.canonical);
            if leads_here {
                return false;
            }
            self.leave(spots, &known);
        }
        // Renamed, and the event of that is still to come: the old watch goes first, for the system has one for both.
        let moved = self.map.with_id(found.id).filter(|known| *known != path).cloned();
        if let Some(known) = moved.filter(|known| self.find(known).is_none_or(|it| it.id != found.id)) {
            self.leave(spots, &known);
        }
        true
    }

    /// The folder is gone, with all below it: so, perhaps, are their files.
    fn leave(&mut self, spots: &mut Spots, path: &Path) {
        let folders = self.map.remove(path);
        if folders.is_empty() {
            return;
        }
        for folder in folders {
            spots.unwatch(&folder.spot);
            self.is_way_lost |= folder.is_link;
        }
        let keys = path.to_str().map(|path| self.ledger.keys_below(path));
        for (folder, name) in keys.unwrap_or_default() {
            self.add_step(Step::File, Path::new(&folder).join(name), Hint::Left);
        }
    }
}

/// What the ledger calls a source file: its folder's path and its name.
fn key(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?;
    Some((path.parent()?.to_str()?.to_owned(), name.to_owned()))
}
