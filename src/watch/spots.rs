//! Watching single directories, and what is done where that is not possible.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::watch::hints::{Blind, Eyes, limit_on_watches};
use crate::watch::ledger::Ledger;
use crate::watch::names;
use crate::watch::remote;

/// A directory that counts, watched or not.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Without links.
    pub path: PathBuf,
    /// Device and number.
    pub id: (u64, u64),
    /// Whether events of it arrive.
    pub is_watched: bool,
}

impl Spot {
    /// Whether this is the same directory at the same place.
    pub(super) fn is_at(&self, path: &Path, id: (u64, u64)) -> bool {
        self.id == id && self.path == path
    }
}

/// The means of watching.
pub(super) struct Spots {
    eyes: Eyes,
    /// Never watch, only sweep.
    poll: bool,
    /// What lies where other machines write, by label.
    remote: BTreeSet<String>,
    /// The limit was met since the last [`try_again`](Self::try_again): no use in asking for each directory.
    is_full: bool,
    /// People know about the limit.
    is_limit_said: bool,
    /// People know that there are no events at all.
    is_blindness_said: bool,
}

impl Spots {
    /// Nothing is watched before [`begin`](Self::begin).
    pub(super) fn new(eyes: Eyes, poll: bool) -> Self {
        Self {
            eyes,
            poll,
            remote: BTreeSet::new(),
            is_full: false,
            is_limit_said: false,
            is_blindness_said: false,
        }
    }

    /// Begins anew with nothing watched.
    pub(super) fn begin(&mut self, ledger: &Ledger) {
        if self.poll {
            return;
        }
        match self.eyes.open() {
            Ok(()) => self.is_blindness_said = false,
            Err(_) if self.is_blindness_said => {}
            Err(why) => {
                ledger.notice(format!(
                    "the system's file events are not available ({why}): sweeping instead"
                ));
                self.is_blindness_said = true;
            }
        }
    }

    /// Whether events cannot be had, or not from everybody who writes.
    pub(super) fn rely_on_sweeps(&self) -> bool {
        self.poll || !self.remote.is_empty() || !self.eyes.are_open()
    }

    /// Whether the means of watching failed and may be asked for again.
    pub(super) fn are_broken(&self) -> bool {
        !self.poll && !self.eyes.are_open()
    }

    /// A new round: directories that could not be watched are tried again, and a limit that no longer binds is forgotten.
    pub(super) fn try_again(&mut self) {
        self.is_limit_said &= self.is_full;
        self.is_full = false;
    }

    /// Keeps a spot that is watched, or watches the directory.
    pub(super) fn keep_or_watch(
        &mut self,
        before: Option<Spot>,
        path: PathBuf,
        id: (u64, u64),
        ledger: &Ledger,
    ) -> Spot {
        match before {
            Some(spot) if spot.is_watched && spot.is_at(&path, id) => spot,
            before => {
                if let Some(before) = before {
                    self.unwatch(&before);
                }
                let is_watched = self.watch(&path, id, ledger);
                Spot { path, id, is_watched }
            }
        }
    }

    /// Stops watching.
    pub(super) fn unwatch(&mut self, spot: &Spot) {
        if spot.is_watched {
            self.eyes.unwatch(&spot.path, spot.id);
        }
    }

    /// Finds out whether other machines write here.
    pub(super) fn check_kind(&mut self, path: &Path, label: &str, ledger: &Ledger) {
        let kind = File::open(path).ok().and_then(|directory| remote::kind(&directory));
        let Some(kind) = kind else {
            self.remote.remove(label);
            return;
        };
        if self.remote.insert(label.to_owned()) && !self.poll {
            ledger.notice(format!(
                "{label} is on {kind}, where others can write without an event: it is swept often as well"
            ));
        }
    }

    fn watch(&mut self, path: &Path, id: (u64, u64), ledger: &Ledger) -> bool {
        if self.poll || self.is_full || !self.eyes.are_open() {
            return false;
        }
        match self.eyes.watch(path, id) {
            Ok(()) => true,
            Err(Blind::Limit) => {
                self.is_full = true;
                if !self.is_limit_said {
                    self.is_limit_said = true;
                    ledger.notice(format!(
                        "the limit on watched directories is reached ({}): {} and what else cannot be watched is swept instead; \
                         raise the limit with sysctl",
                        limit_on_watches(),
                        names::escaped(path.as_os_str())
                    ));
                }
                false
            }
            // The directory went away (its parent tells), or may not be read (listing it says so).
            Err(Blind::Other) => false,
        }
    }
}
