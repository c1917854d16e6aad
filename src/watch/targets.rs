//! Source files that are links: the folder of what each leads to is watched, too, because a save of it is no event of the link's own folder.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::watch::ledger::Ledger;
use crate::watch::spots::{Spot, Spots};
use crate::watch::stamp::Stamp;

/// The links and what they lead to.
#[derive(Default)]
pub(super) struct Targets {
    /// Link → file with no link in its path.
    of: HashMap<PathBuf, PathBuf>,
    /// The other way round.
    links: HashMap<PathBuf, BTreeSet<PathBuf>>,
    /// The folders of these files, and how many of them are in each.
    homes: HashMap<PathBuf, (Spot, usize)>,
}

impl Targets {
    /// The links that lead to this file.
    pub(super) fn at(&self, file: &Path) -> impl Iterator<Item = &PathBuf> {
        self.links.get(file).into_iter().flatten()
    }

    /// The file `link` leads to `target` from now on; `None`: it is no link (any more).
    pub(super) fn set(&mut self, spots: &mut Spots, ledger: &Ledger, link: &Path, target: Option<PathBuf>) {
        if self.of.get(link) == target.as_ref() {
            return self.watch_again(spots, ledger, target.as_deref());
        }
        if let Some(before) = self.of.remove(link) {
            self.drop_link(spots, link, &before);
        }
        let Some(target) = target else { return };
        self.of.insert(link.to_owned(), target.clone());
        let links = self.links.entry(target.clone()).or_default();
        if links.is_empty()
            && let Some(home) = target.parent()
        {
            match self.homes.get_mut(home) {
                Some((_, number)) => *number += 1,
                None => {
                    if let Some(spot) = watch(spots, ledger, None, home) {
                        self.homes.insert(home.to_owned(), (spot, 1));
                    }
                }
            }
        }
        links.insert(link.to_owned());
    }

    /// The folder at this path was removed or renamed away: its watch is worth nothing.
    pub(super) fn left(&mut self, spots: &mut Spots, path: &Path) {
        for (home, (spot, _)) in &mut self.homes {
            if spot.is_watched && home.starts_with(path) {
                spots.unwatch(spot);
                spot.is_watched = false;
            }
        }
    }

    /// All watches are lost.
    pub(super) fn forget_watches(&mut self) {
        *self = Self::default();
    }

    fn watch_again(&mut self, spots: &mut Spots, ledger: &Ledger, target: Option<&Path>) {
        let home = target.and_then(Path::parent);
        if let Some((spot, _)) = home.and_then(|home| self.homes.get_mut(home))
            && !spot.is_watched
            && let Some(again) = watch(spots, ledger, Some(spot.clone()), &spot.path)
        {
            *spot = again;
        }
    }

    fn drop_link(&mut self, spots: &mut Spots, link: &Path, target: &Path) {
        let Some(links) = self.links.get_mut(target) else {
            return;
        };
        links.remove(link);
        if !links.is_empty() {
            return;
        }
        self.links.remove(target);
        let Some(home) = target.parent() else { return };
        if let Some((spot, number)) = self.homes.get_mut(home) {
            *number -= 1;
            if *number == 0 {
                spots.unwatch(spot);
                self.homes.remove(home);
            }
        }
    }
}

fn watch(spots: &mut Spots, ledger: &Ledger, before: Option<Spot>, home: &Path) -> Option<Spot> {
    let id = Stamp::of(&fs::metadata(home).ok()?).id();
    Some(spots.keep_or_watch(before, home.to_owned(), id, ledger))
}
