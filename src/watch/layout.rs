//! What is known of the drop folder's layout, and what a path that an event names is to it. Pure memory: nothing is looked at here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::watch::ledger::Key;
use crate::watch::spots::Spot;

/// The directories that count.
pub(super) struct Layout {
    /// The root's path: absolute, otherwise as the configuration spells it.
    pub root: PathBuf,
    /// The root, while it is there.
    pub home: Option<Spot>,
    /// The root's parent; it tells when the root is made or exchanged.
    pub above: Option<Spot>,
    /// The service folders by name.
    pub services: BTreeMap<String, Spot>,
}

/// What a touched path is to the tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// The root itself.
    Root,
    /// Names in the root.
    Entries(Vec<OsString>),
    /// A name in one or more service folders (a link makes one folder two services).
    Files(Vec<String>, OsString),
    /// None of ours.
    Nothing,
}

impl Layout {
    /// Nothing is known yet. `root` is absolute.
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            home: None,
            above: None,
            services: BTreeMap::new(),
        }
    }

    /// What an event's path is to the tree.
    pub(super) fn locate(&self, path: &Path) -> Touched {
        let is_at = |spot: &Option<Spot>| spot.as_ref().is_some_and(|spot| spot.path == path);
        // What happens to the parent itself happens to the root.
        if is_at(&self.home) || is_at(&self.above) || self.is_root_by_parent(path) {
            return Touched::Root;
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Touched::Nothing;
        };
        let services = self.services_at(parent);
        if !services.is_empty() {
            return Touched::Files(services, name.to_owned());
        }
        let mut entries: Vec<OsString> = self.services_at(path).into_iter().map(OsString::from).collect();
        if self.home.as_ref().is_some_and(|home| home.path == parent) && !entries.iter().any(|entry| entry == name) {
            entries.push(name.to_owned());
        }
        if entries.is_empty() {
            Touched::Nothing
        } else {
            Touched::Entries(entries)
        }
    }

    /// The canonical folder of a service, if there is one.
    pub(super) fn folder(&self, service: &str) -> Option<&Path> {
        self.services.get(service).map(|spot| spot.path.as_path())
    }

    /// Whether there is anything that only a sweep can see.
    pub(super) fn has_blind_spots(&self) -> bool {
        self.home.as_ref().is_none_or(|home| !home.is_watched) || self.services.values().any(|spot| !spot.is_watched)
    }

    /// The services whose folder is at this path, and those that are the same directory under another name: what happened to
    /// one watch happened to them all.
    pub(super) fn services_sharing(&self, path: &Path) -> Vec<String> {
        let at_path = self.services_at(path);
        let ids: BTreeSet<(u64, u64)> = at_path
            .iter()
            .filter_map(|service| Some(self.services.get(service)?.id))
            .collect();
        let sharing = self.services.iter().filter(|(_, spot)| ids.contains(&spot.id));
        sharing.map(|(service, _)| service.clone()).collect()
    }

    /// The services whose folder this is. Called for every event, so it compares bytes, not path components.
    pub(super) fn services_at(&self, path: &Path) -> Vec<String> {
        let services = self.services.iter();
        let here = services.filter(|(_, spot)| spot.path.as_os_str() == path.as_os_str());
        here.map(|(service, _)| service.clone()).collect()
    }

    /// Whether an event of the parent means the root.
    fn is_root_by_parent(&self, path: &Path) -> bool {
        let parent = self.above.as_ref().map(|above| above.path.as_path());
        parent.is_some() && path.parent() == parent && path.file_name() == self.root.file_name()
    }
}

/// The service and name that a path which we once handed out stands for.
pub(super) fn key(path: &Path) -> Option<Key> {
    let service = path.parent()?.file_name()?.to_str()?;
    Some((service.to_owned(), path.file_name()?.to_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Layout, Touched, key};
    use crate::watch::spots::Spot;
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    fn spot(path: &str, number: u64) -> Spot {
        Spot {
            path: PathBuf::from(path),
            id: (1, number),
            is_watched: true,
        }
    }

    /// `/app/hotfix` is a link to `/data/fixes`, and the service `alias` is a link to `db`.
    fn layout() -> Layout {
        let mut layout = Layout::new(PathBuf::from("/app/hotfix"));
        layout.above = Some(spot("/app", 1));
        layout.home = Some(spot("/data/fixes", 2));
        for (service, path, number) in [
            ("alias", "/data/fixes/db", 3),
            ("db", "/data/fixes/db", 3),
            ("game", "/data/fixes/game", 4),
        ] {
            layout.services.insert(service.to_owned(), spot(path, number));
        }
        layout
    }

    #[test]
    fn what_a_path_is() {
        let entries = |names: &[&str]| Touched::Entries(names.iter().map(OsString::from).collect());
        let files = |services: &[&str], name: &str| {
            Touched::Files(
                services.iter().map(|service| (*service).to_owned()).collect(),
                name.into(),
            )
        };
        for (path, expected) in [
            ("/app/hotfix", Touched::Root),
            ("/data/fixes", Touched::Root),
            ("/app", Touched::Root),
            ("/app/node.log", Touched::Nothing),
            ("/data/fixes/new", entries(&["new"])),
            ("/data/fixes/db", entries(&["alias", "db"])),
            ("/data/fixes/game/x.lua", files(&["game"], "x.lua")),
            ("/data/fixes/db/x.lua", files(&["alias", "db"], "x.lua")),
            ("/data/fixes/old/x.lua", Touched::Nothing),
            ("/", Touched::Nothing),
        ] {
            assert_eq!(layout().locate(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn one_directory_under_two_names_is_lost_under_both() {
        let mut layout = layout();
        layout
            .services
            .insert("renamed".to_owned(), spot("/data/fixes/renamed", 4));
        assert_eq!(
            layout.services_sharing(Path::new("/data/fixes/game")),
            ["game", "renamed"]
        );
        assert!(layout.services_sharing(Path::new("/data/fixes/none")).is_empty());
    }

    #[test]
    fn the_key_of_a_path() {
        assert_eq!(
            key(Path::new("/app/hotfix/db/x.lua")),
            Some(("db".to_owned(), "x.lua".to_owned()))
        );
        assert_eq!(key(Path::new("/")), None);
    }
}
