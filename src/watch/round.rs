//! The sweep over the source trees, which is done piece by piece, and when the next is due.

use std::time::{Duration, Instant};

use crate::watch::POLL_SWEEP;
use crate::watch::forest::Forest;
use crate::watch::hints::Hint;
use crate::watch::spots::Spots;

/// For so long the source trees may keep a patch waiting, and one file more.
const SLICE: Duration = Duration::from_millis(2);
/// After a sweep, rest this many times as long as it took: a tree may be large, and events tell nearly all.
const REST: u32 = 100;
/// The same where not all events can be had.
const REST_IF_BLIND: u32 = 10;

/// The state of the sweep.
pub(super) struct Round {
    is_on: bool,
    /// When the next begins.
    next: Instant,
    /// The work so far.
    took: Duration,
    /// The first has found all that was there.
    is_first_over: bool,
    /// That was said.
    is_told: bool,
}

impl Round {
    /// The first is due at once.
    pub(super) fn new() -> Self {
        Self {
            is_on: false,
            next: Instant::now(),
            took: Duration::ZERO,
            is_first_over: false,
            is_told: false,
        }
    }

    /// The next begins at once.
    pub(super) fn hurry(&mut self) {
        self.next = Instant::now();
    }

    /// Does a little of what is to be done. `sweep`: the time between two sweeps at least. At `first_scan_end` the first scan is over even if
    /// some file keeps changing.
    pub(super) fn work(&mut self, forest: &mut Forest, spots: &mut Spots, sweep: Duration, first_scan_end: Instant) {
        let start = Instant::now();
        if forest.take_way_lost() {
            self.next = start;
        }
        if !self.is_on && start >= self.next {
            (self.is_on, self.took) = (true, Duration::ZERO);
            forest.look_for_roots(spots, Hint::Sweep);
        }
        forest.work(spots, SLICE);
        self.took += start.elapsed();
        if self.is_on && forest.is_idle() {
            let is_blind = forest.has_blind_spots() || spots.rely_on_sweeps();
            let (pause, rest) = if is_blind {
                (sweep.min(POLL_SWEEP), REST_IF_BLIND)
            } else {
                (sweep, REST)
            };
            (self.is_on, self.is_first_over) = (false, true);
            self.next = Instant::now() + pause.max(self.took * rest);
        }
        let ledger = forest.ledger();
        if self.is_first_over && !self.is_told && (!ledger.is_steadying() || start >= first_scan_end) {
            self.is_told = true;
            ledger.sources_scanned();
        }
    }

    /// When there is something to do.
    pub(super) fn date(&self, forest: &mut Forest) -> Instant {
        if self.is_on || !forest.is_idle() {
            return Instant::now();
        }
        let due = forest.ledger().due();
        due.map_or(self.next, |due| due.min(self.next))
    }
}
