//! Which directories and names there are: watch, then scan. The layout is the drop folder's (`<root>/<service>/<name>.lua`):
//! the root's parent, the root and each service folder are watched one by one, never recursively, because a recursive watch
//! misses what is written into a directory before its own watch is in place.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::trust::{self, OPEN, REMEDY};
use crate::watch::folder::{self, Found};
use crate::watch::hints::Hint;
use crate::watch::layout::{Layout, Touched};
use crate::watch::ledger::{Ledger, Place};
use crate::watch::names::{self, Name};
use crate::watch::spots::Spots;
use crate::watch::stamp::Stamp;

/// The directory tree as far as it is known.
pub(super) struct Tree {
    /// What is where.
    pub layout: Layout,
    /// What is watched.
    pub spots: Spots,
    label: String,
    /// Why the root could not be used at the last look.
    trouble: Option<String>,
    /// Whether folders where everybody may write are refused.
    strict: bool,
    /// Those that there are: the service's folder, or the root as the empty name.
    open: BTreeSet<String>,
}

impl Tree {
    /// Nothing is known yet. `root` is absolute.
    pub(super) fn new(root: PathBuf, label: String, spots: Spots, strict: bool) -> Self {
        Self {
            layout: Layout::new(root),
            spots,
            label,
            trouble: None,
            strict,
            open: BTreeSet::new(),
        }
    }

    /// Brings the watches in line with what is there, and looks at every file.
    pub(super) fn reconcile(&mut self, ledger: &mut Ledger, hint: Hint) {
        self.spots.try_again();
        self.watch_above(ledger);
        let names = match self.find_home(ledger) {
            Ok(names) => names,
            Err(why) => return self.lose_home(ledger, why),
        };
        if self.trouble.take().is_some() {
            ledger.notice(format!("{} is back", self.label));
        }
        self.is_root_open(ledger);
        let known = self.layout.services.keys().cloned().chain(ledger.services());
        let all: BTreeSet<OsString> = names.iter().cloned().chain(known.map(OsString::from)).collect();
        for name in all {
            if ledger.is_halted() {
                return;
            }
            self.visit(ledger, &name, hint);
        }
        ledger.forget_refusals(Path::new(""), &names);
    }

    /// Looks at one name in the root.
    pub(super) fn visit(&mut self, ledger: &mut Ledger, name: &OsStr, hint: Hint) {
        let Some(home) = self.layout.home.as_ref().map(|home| home.path.clone()) else {
            return;
        };
        let judged = names::service(name);
        if judged == Name::Ignored {
            return;
        }
        let display = format!("{}/{}", self.label, names::escaped(name));
        match (folder::find(&home, name), judged) {
            (Found::Folder { path, id }, Name::Ours(service)) => self.enter(ledger, service, path, id, hint),
            (Found::Folder { id, .. }, Name::Refused(why)) => {
                ledger.refuse(name.into(), &display, Stamp::of_folder(id), why);
            }
            (found, _) => {
                if let Some(service) = name.to_str() {
                    self.leave(service);
                    ledger.service_gone(service);
                }
                self.refuse_file(ledger, name, &display, &found);
            }
        }
    }

    /// Looks at every file of one service.
    pub(super) fn scan(&mut self, ledger: &mut Ledger, service: &str, hint: Hint) {
        let Some(spot) = self.layout.services.get(service) else {
            return;
        };
        let relative = Path::new(service);
        let names = match folder::list(&spot.path) {
            Ok(names) => names,
            // Removed since it was found; its parent's event follows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.leave(service),
            Err(error) => {
                let why = format!("cannot be listed ({error}); its files are not seen");
                let display = format!("{}/{service}", self.label);
                ledger.refuse(relative.into(), &display, Stamp::of_folder(spot.id), &why);
                return;
            }
        };
        ledger.accept(relative);
        if self.is_barred(ledger, service) {
            return;
        }
        let known = ledger.names(service).into_iter().map(OsString::from);
        let all: BTreeSet<OsString> = names.iter().cloned().chain(known).collect();
        for name in all {
            if ledger.is_halted() {
                return;
            }
            self.look(ledger, service, &name, hint);
        }
        ledger.forget_refusals(relative, &names);
        self.report_finds(ledger, service);
    }

    /// Looks at one name in a service folder.
    pub(super) fn look(&mut self, ledger: &mut Ledger, service: &str, name: &OsStr, hint: Hint) {
        let Some(spot) = self.layout.services.get(service) else {
            // With its folder went the file.
            if let Some(name) = name.to_str() {
                ledger.gone(&(service.to_owned(), name.to_owned()));
            }
            return;
        };
        let home = spot.path.clone();
        if self.is_barred(ledger, service) {
            return;
        }
        let display = format!("{}/{service}/{}", self.label, names::escaped(name));
        match names::patch(name) {
            Name::Ignored => {}
            Name::Refused(why) => {
                let relative = Path::new(service).join(name);
                if let Ok(metadata) = fs::symlink_metadata(home.join(name)) {
                    ledger.refuse(relative, &display, Stamp::of(&metadata), why);
                } else {
                    ledger.accept(&relative);
                }
            }
            Name::Ours(name) => {
                let path = self.layout.root.join(service).join(&name);
                let place = Place {
                    key: (service.to_owned(), name),
                    home,
                    path,
                    display,
                };
                ledger.look(&place, hint);
            }
        }
    }

    /// The folders that nobody watches (all of them if the root itself is not watched) are looked at.
    pub(super) fn look_where_blind(&mut self, ledger: &mut Ledger) {
        if self.layout.home.as_ref().is_none_or(|home| !home.is_watched) {
            return self.reconcile(ledger, Hint::Sweep);
        }
        let blind: Vec<String> = self
            .layout
            .services
            .iter()
            .filter(|(_, spot)| !spot.is_watched)
            .map(|(service, _)| service.clone())
            .collect();
        for service in blind {
            self.visit(ledger, OsStr::new(&service), Hint::Sweep);
        }
    }

    /// All watches are lost: whatever is found next counts as new.
    pub(super) fn forget_watches(&mut self) {
        self.layout.home = None;
        self.layout.above = None;
        self.layout.services.clear();
    }

    /// The directory at this path was removed or renamed away: its watch is worth nothing, even if a directory with the same
    /// name or number is there again (numbers are used again, and a rename takes the watch along).
    pub(super) fn left(&mut self, path: &Path) {
        if self.layout.locate(path) == Touched::Root {
            if let Some(above) = self.layout.above.take_if(|above| above.path == path) {
                self.spots.unwatch(&above);
            }
            return self.leave_home();
        }
        for service in self.layout.services_sharing(path) {
            self.leave(&service);
        }
    }

    /// Whether what lies in the folder of this service waits there, because everybody may write to it or to the root.
    fn is_barred(&mut self, ledger: &Ledger, service: &str) -> bool {
        let folder = self.layout.services.get(service).map(|spot| spot.path.clone());
        let is_open = [
            self.is_root_open(ledger),
            folder.is_some_and(|folder| self.is_open(ledger, service, &folder)),
        ];
        self.strict && is_open.contains(&true)
    }

    fn is_root_open(&mut self, ledger: &Ledger) -> bool {
        let root = self.layout.home.as_ref().map(|home| home.path.clone());
        root.is_some_and(|root| self.is_open(ledger, "", &root))
    }

    /// Whether everybody may write to a folder, which is the root or, with a name, a service's. That they may is said once; until the first scan
    /// is over, whoever starts the node has said it.
    fn is_open(&mut self, ledger: &Ledger, name: &str, path: &Path) -> bool {
        if !trust::is_open(path) {
            self.open.remove(name);
            return false;
        }
        let display = format!("{}/{name}", self.label);
        let display = display.trim_end_matches('/');
        let is_news = self.open.insert(name.to_owned());
        if is_news && self.strict {
            ledger.say_refused(
                display,
                format!("{OPEN}: its patches wait until that is over ({REMEDY})"),
            );
        } else if is_news && !ledger.is_holding() {
            ledger.notice(format!(
                "{display} {OPEN}, who so may change what runs ({REMEDY}); in production its patches would wait"
            ));
        }
        true
    }

    fn watch_above(&mut self, ledger: &Ledger) {
        let parent = self
            .layout
            .root
            .parent()
            .and_then(|parent| fs::canonicalize(parent).ok());
        let found = parent.and_then(|path| Some((fs::metadata(&path).ok()?, path)));
        self.layout.above = match (found, self.layout.above.take()) {
            (None, _) => None,
            (Some((metadata, path)), before) => {
                let id = Stamp::of(&metadata).id();
                Some(self.spots.keep_or_watch(before, path, id, ledger))
            }
        };
    }

    /// Finds and watches the root, then lists it.
    fn find_home(&mut self, ledger: &Ledger) -> Result<BTreeSet<OsString>, String> {
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => "is missing".to_owned(),
            _ => format!("cannot be used ({error})"),
        };
        let path = fs::canonicalize(&self.layout.root).map_err(missing)?;
        let metadata = fs::metadata(&path).map_err(missing)?;
        if !metadata.is_dir() {
            return Err("is not a directory".to_owned());
        }
        let id = Stamp::of(&metadata).id();
        if !self.layout.home.as_ref().is_some_and(|home| home.is_at(&path, id)) {
            self.leave_home();
            self.spots.check_kind(&path, &self.label, ledger);
        }
        let before = self.layout.home.take();
        let home = self.spots.keep_or_watch(before, path, id, ledger);
        let names = folder::list(&home.path).map_err(missing);
        self.layout.home = Some(home);
        names
    }

    fn lose_home(&mut self, ledger: &mut Ledger, why: String) {
        self.leave_home();
        for service in ledger.services() {
            ledger.service_gone(&service);
        }
        if self.trouble.as_ref() != Some(&why) {
            let root = names::escaped(self.layout.root.as_os_str());
            ledger.notice(format!(
                "{} {why}: no patch can be dropped until there is a directory {root}",
                self.label
            ));
            self.trouble = Some(why);
        }
    }

    fn enter(&mut self, ledger: &mut Ledger, service: String, path: PathBuf, id: (u64, u64), hint: Hint) {
        let before = self.layout.services.get(&service).cloned();
        let is_known = before.as_ref().is_some_and(|spot| spot.is_at(&path, id));
        if !is_known {
            self.leave(&service);
        }
        let was_watched = is_known && before.as_ref().is_some_and(|spot| spot.is_watched);
        let shared = self
            .layout
            .services
            .values()
            .find(|spot| spot.is_watched && spot.is_at(&path, id))
            .cloned();
        let before = shared.or(before.filter(|_| is_known));
        let spot = self.spots.keep_or_watch(before, path, id, ledger);
        let is_new = !is_known || spot.is_watched != was_watched;
        self.layout.services.insert(service.clone(), spot);
        match hint {
            _ if is_new => self.scan(ledger, &service, Hint::Scan),
            Hint::Sweep => self.scan(ledger, &service, Hint::Sweep),
            Hint::Attributes if !ledger.is_refused(Path::new(&service)) && !self.open.contains(&service) => {}
            _ => self.scan(ledger, &service, Hint::Scan),
        }
    }

    /// Names in the root that are no service folder: a patch that was put one level too high, a link that leads elsewhere.
    fn refuse_file(&self, ledger: &mut Ledger, name: &OsStr, display: &str, found: &Found) {
        match found {
            Found::File(stamp) if names::patch(name) != Name::Ignored => {
                let why = format!("belongs to no service; put it into {}/<service>/", self.label);
                ledger.refuse(name.into(), display, *stamp, &why);
            }
            Found::Refused { why, stamp } => ledger.refuse(name.into(), display, *stamp, why),
            Found::Missing => ledger.accept(Path::new(name)),
            Found::File(_) | Found::Folder { .. } => {}
        }
    }

    /// A file that no event announced: on a local file system that is worth a line, and the watch worth a renewal.
    fn report_finds(&mut self, ledger: &mut Ledger, service: &str) {
        let finds = ledger.take_finds();
        let is_watched = self.layout.services.get(service).is_some_and(|spot| spot.is_watched);
        if finds.is_empty() || !is_watched || self.spots.rely_on_sweeps() {
            return;
        }
        ledger.notice(format!(
            "the sweep found what no event had announced: {} (written through a link, or below a mount?)",
            finds.join(", ")
        ));
        if let Some(mut spot) = self.layout.services.remove(service) {
            self.spots.unwatch(&spot);
            spot.is_watched = false;
            let (path, id) = (spot.path.clone(), spot.id);
            let spot = self.spots.keep_or_watch(Some(spot), path, id, ledger);
            self.layout.services.insert(service.to_owned(), spot);
        }
    }

    fn leave(&mut self, service: &str) {
        if let Some(spot) = self.layout.services.remove(service)
            && self.layout.services_at(&spot.path).is_empty()
        {
            self.spots.unwatch(&spot);
        }
    }

    fn leave_home(&mut self) {
        for spot in self
            .layout
            .home
            .take()
            .into_iter()
            .chain(std::mem::take(&mut self.layout.services).into_values())
        {
            self.spots.unwatch(&spot);
        }
    }
}
