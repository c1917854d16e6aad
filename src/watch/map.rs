//! The map of the source trees: which folder is where, by the path that its root spells, by its canonical path and by its number.
//! Pure memory: nothing is looked at here.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::watch::spots::Spot;

/// One folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Where it is.
    pub spot: Spot,
    /// It was reached by a link: others may lead to it as well.
    pub is_link: bool,
}

/// All folders; each is there once, however many ways lead to it.
#[derive(Default)]
pub(super) struct Map {
    /// By the path as spelled.
    folders: BTreeMap<PathBuf, Folder>,
    /// Canonical path → path as spelled.
    spelled: BTreeMap<PathBuf, PathBuf>,
    /// Device and number → path as spelled.
    by_id: HashMap<(u64, u64), PathBuf>,
}

impl Map {
    /// The folder of this spelling.
    pub(super) fn get(&self, spelled: &Path) -> Option<&Folder> {
        self.folders.get(spelled)
    }

    /// The spelling of the folder at this canonical path.
    pub(super) fn at(&self, canonical: &Path) -> Option<&PathBuf> {
        self.spelled.get(canonical)
    }

    /// The spelling of the folder that has this number.
    pub(super) fn with_id(&self, id: (u64, u64)) -> Option<&PathBuf> {
        self.by_id.get(&id)
    }

    /// The spellings of the folders at this canonical path and below.
    pub(super) fn at_or_below(&self, canonical: &Path) -> Vec<PathBuf> {
        let from = self.spelled.range(canonical.to_owned()..);
        from.take_while(|(path, _)| path.starts_with(canonical))
            .map(|(_, spelled)| spelled.clone())
            .collect()
    }

    /// The spellings of the folders right below one.
    pub(super) fn children(&self, spelled: &Path) -> Vec<PathBuf> {
        self.subtree(spelled)
            .filter(|path| path.parent() == Some(spelled))
            .cloned()
            .collect()
    }

    /// Adds a folder, or puts it in the place of the one of that spelling.
    pub(super) fn insert(&mut self, spelled: PathBuf, folder: Folder) {
        self.spelled.insert(folder.spot.path.clone(), spelled.clone());
        self.by_id.insert(folder.spot.id, spelled.clone());
        self.folders.insert(spelled, folder);
    }

    /// Takes out the folder of this spelling and all below it.
    pub(super) fn remove(&mut self, spelled: &Path) -> Vec<Folder> {
        let paths: Vec<PathBuf> = self.subtree(spelled).cloned().collect();
        let folders = paths.into_iter().filter_map(|path| {
            let folder = self.folders.remove(&path)?;
            if self.spelled.get(&folder.spot.path) == Some(&path) {
                self.spelled.remove(&folder.spot.path);
            }
            if self.by_id.get(&folder.spot.id) == Some(&path) {
                self.by_id.remove(&folder.spot.id);
            }
            Some(folder)
        });
        folders.collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether there are folders that nobody watches.
    pub(super) fn has_blind_spots(&self) -> bool {
        self.folders.values().any(|folder| !folder.spot.is_watched)
    }

    fn subtree(&self, spelled: &Path) -> impl Iterator<Item = &PathBuf> {
        let from = self.folders.range(spelled.to_owned()..);
        from.map(|(path, _)| path)
            .take_while(move |path| path.starts_with(spelled))
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, Map};
    use crate::watch::spots::Spot;
    use std::path::{Path, PathBuf};

    /// `/app/lualib` is a link to `/mono/lib`.
    fn map() -> Map {
        let mut map = Map::default();
        for (number, spelled, canonical) in [
            (1, "/app/lualib", "/mono/lib"),
            (2, "/app/lualib/a", "/mono/lib/a"),
            (3, "/app/lualib/a/b", "/mono/lib/a/b"),
            (4, "/app/lualib-old", "/app/lualib-old"),
        ] {
            let spot = Spot {
                path: PathBuf::from(canonical),
                id: (1, number),
                is_watched: number != 3,
            };
            map.insert(PathBuf::from(spelled), Folder { spot, is_link: false });
        }
        map
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_folder_is_found_by_spelling_place_and_number() {
        let map = map();
        assert!(map.get(Path::new("/app/lualib/a")).is_some());
        assert!(map.get(Path::new("/mono/lib/a")).is_none());
        assert_eq!(map.at(Path::new("/mono/lib/a")), Some(&PathBuf::from("/app/lualib/a")));
        assert_eq!(map.with_id((1, 4)), Some(&PathBuf::from("/app/lualib-old")));
        assert_eq!(map.children(Path::new("/app/lualib")), paths(&["/app/lualib/a"]));
        assert_eq!(
            map.at_or_below(Path::new("/mono/lib/a")),
            paths(&["/app/lualib/a", "/app/lualib/a/b"])
        );
        assert_eq!(map.at_or_below(Path::new("/mono")).len(), 3);
    }

    #[test]
    fn what_is_removed_goes_with_all_below_it() {
        let mut map = map();
        assert!(map.has_blind_spots());
        assert_eq!(map.remove(Path::new("/app/lualib/a")).len(), 2);
        assert!(!map.has_blind_spots());
        assert_eq!(map.at(Path::new("/mono/lib/a/b")), None);
        assert_eq!(map.with_id((1, 3)), None);
        assert_eq!(map.remove(Path::new("/app/lualib")).len(), 1);
        assert!(map.get(Path::new("/app/lualib-old")).is_some(), "only a like name");
    }
}
