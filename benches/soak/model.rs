//! What ought to run: the patches of one service as their author would reckon them.

use std::collections::BTreeMap;

use crate::world::Versions;

/// A patch that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    pub id: u64,
    pub name: String,
    /// The spots that it changes.
    pub spots: Vec<usize>,
    pub version: u64,
}

/// The patches of one service that were applied and not taken back, oldest first, also those whose name has a newer version.
#[derive(Debug, Default)]
pub struct Model {
    live: Vec<Applied>,
}

impl Model {
    /// A patch was applied.
    pub fn apply(&mut self, patch: Applied) {
        self.live.push(patch);
    }

    /// What every instance runs.
    pub fn versions(&self) -> Versions {
        let mut versions = [0; 6];
        for patch in &self.live {
            patch.spots.iter().for_each(|spot| versions[*spot] = patch.version);
        }
        versions
    }

    /// Of each name the newest, by name.
    pub fn standing(&self) -> BTreeMap<&str, &Applied> {
        self.live.iter().map(|patch| (patch.name.as_str(), patch)).collect()
    }

    /// How many patches have not been taken back.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// The patch at this place, and whether it can be taken back: nobody has built upon it.
    pub fn look(&self, at: usize) -> (&Applied, bool) {
        let patch = &self.live[at];
        let builds_upon = |later: &Applied| later.spots.iter().any(|spot| patch.spots.contains(spot));
        (patch, !self.live[at + 1..].iter().any(builds_upon))
    }

    /// It was taken back.
    pub fn take_back(&mut self, at: usize) {
        self.live.remove(at);
    }

    /// All were.
    pub fn clear(&mut self) {
        self.live.clear();
    }
}
