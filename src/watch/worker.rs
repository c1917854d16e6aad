//! The doorkeeper's thread: gathers hints, drops doubles, and looks where they point; sweeps when nothing is said.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::watch::POLL_SWEEP;
use crate::watch::forest::Forest;
use crate::watch::hints::{Hint, Signal};
use crate::watch::layout::{self, Touched};
use crate::watch::ledger::Ledger;
use crate::watch::names;
use crate::watch::round::Round;
use crate::watch::tree::Tree;

/// The shortest time between two sweeps, whatever the configuration says.
const SHORTEST_SWEEP: Duration = Duration::from_millis(10);
/// The longest time between two sweeps.
const LONGEST_SWEEP: Duration = Duration::from_secs(24 * 3600);
/// After a sweep that took long, rest this many times as long.
const REST_AFTER_SWEEP: u32 = 10;
/// The first scan ends after this time even if some file keeps changing.
const FIRST_SCAN_LIMIT: Duration = Duration::from_secs(2);
/// So many signals are gathered at most before they are acted upon.
const BATCH: usize = 10_000;

/// What the gathered signals ask for, each thing once.
#[derive(Default)]
struct Todo {
    lost: Option<String>,
    root: Option<Hint>,
    entries: BTreeMap<OsString, Hint>,
    files: BTreeMap<(String, OsString), Hint>,
    forget: Vec<PathBuf>,
    stop: bool,
}

/// The thread's state.
pub(super) struct Worker {
    tree: Tree,
    ledger: Ledger,
    forest: Forest,
    round: Round,
    signals: Receiver<Signal>,
    sweep: Duration,
    next_sweep: Instant,
    next_blind_look: Instant,
}

impl Worker {
    /// Ready to [`run`](Self::run).
    pub(super) fn new(
        (tree, ledger): (Tree, Ledger),
        forest: Forest,
        signals: Receiver<Signal>,
        sweep: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            tree,
            ledger,
            forest,
            round: Round::new(),
            signals,
            sweep: sweep.clamp(SHORTEST_SWEEP, LONGEST_SWEEP),
            next_sweep: now,
            next_blind_look: now,
        }
    }

    /// Works until told to stop, or until nobody listens.
    pub(super) fn run(mut self) {
        let first_scan_end = Instant::now() + FIRST_SCAN_LIMIT;
        self.tree.spots.begin(&self.ledger);
        self.tree.reconcile(&mut self.ledger, Hint::Scan);
        self.plan_sweeps(Duration::ZERO);
        loop {
            if self.ledger.is_holding() && (!self.ledger.is_steadying() || Instant::now() >= first_scan_end) {
                self.ledger.release();
            }
            if self.ledger.is_halted() {
                return;
            }
            let todo = self.gather();
            if todo.stop {
                return;
            }
            self.act(todo);
            self.look_at_due_files();
            self.sweep_if_due();
            if !self.forest.is_empty() {
                self.round
                    .work(&mut self.forest, &mut self.tree.spots, self.sweep, first_scan_end);
            }
        }
    }

    /// Waits for a signal or the next date, and takes all signals that are there.
    fn gather(&mut self) -> Todo {
        let mut todo = Todo::default();
        let pause = self.next_date().saturating_duration_since(Instant::now());
        let first = self.signals.recv_timeout(pause);
        match first {
            Ok(signal) => self.note(signal, &mut todo),
            Err(RecvTimeoutError::Timeout) => return todo,
            Err(RecvTimeoutError::Disconnected) => todo.stop = true,
        }
        for signal in self.signals.try_iter().take(BATCH).collect::<Vec<_>>() {
            self.note(signal, &mut todo);
        }
        todo
    }

    fn next_date(&mut self) -> Instant {
        let blind_look = self.tree.layout.has_blind_spots().then_some(self.next_blind_look);
        let sources = (!self.forest.is_empty()).then(|| self.round.date(&mut self.forest));
        [blind_look, self.ledger.due(), sources]
            .into_iter()
            .flatten()
            .fold(self.next_sweep, Instant::min)
    }

    fn note(&mut self, signal: Signal, todo: &mut Todo) {
        match signal {
            Signal::Touched(path, hint) => self.note_touched(&path, hint, todo),
            Signal::Lost(why) => todo.lost = Some(why),
            Signal::Recheck(path) => {
                if let Some(key) = layout::key(&path) {
                    self.ledger.recheck(&key);
                    raise(&mut todo.files, (key.0, key.1.into()), Hint::Scan);
                }
            }
            Signal::Forget(path) => todo.forget.push(path),
            Signal::Renew(path) => {
                if let Some(key) = layout::key(&path) {
                    self.ledger.renew(&key);
                }
                self.forest.renew(&path);
            }
            Signal::AddSource(root) => self.forest.add(&mut self.tree.spots, root),
            Signal::Stop => todo.stop = true,
        }
    }

    fn note_touched(&mut self, path: &Path, hint: Hint, todo: &mut Todo) {
        let touched = self.tree.layout.locate(path);
        if hint == Hint::Left {
            self.tree.left(path);
        }
        self.forest.touched(&mut self.tree.spots, path, hint);
        match touched {
            Touched::Nothing => {}
            Touched::Root if hint == Hint::Attributes && !self.tree.layout.has_blind_spots() => {}
            Touched::Root => todo.root = Some(Hint::Scan),
            Touched::Entries(names) => {
                for name in names {
                    if names::can_move_others(&name) {
                        todo.root = Some(Hint::Scan);
                    }
                    raise(&mut todo.entries, name, hint);
                }
            }
            Touched::Files(services, name) => {
                for service in services {
                    if names::can_move_others(&name) {
                        raise(&mut todo.entries, service.clone().into(), Hint::Scan);
                    }
                    raise(&mut todo.files, (service, name.clone()), hint);
                }
            }
        }
    }

    fn act(&mut self, todo: Todo) {
        let Self {
            tree, ledger, forest, ..
        } = self;
        for path in &todo.forget {
            if let Some(key) = layout::key(path) {
                ledger.forget(&key, tree.layout.folder(&key.0));
                tree.look(ledger, &key.0, key.1.as_ref(), Hint::Scan);
            }
        }
        if let Some(why) = todo.lost {
            ledger.notice(format!("events were lost ({why}): rescan of everything"));
            tree.forget_watches();
            tree.spots.begin(ledger);
            forest.forget_watches();
            tree.reconcile(ledger, Hint::Scan);
            return forest.look_for_roots(&mut tree.spots, Hint::Scan);
        }
        if let Some(hint) = todo.root {
            tree.reconcile(ledger, hint);
        }
        for (name, hint) in &todo.entries {
            tree.visit(ledger, name, *hint);
        }
        for ((service, name), hint) in &todo.files {
            if ledger.is_halted() {
                return;
            }
            tree.look(ledger, service, name, *hint);
        }
    }

    fn look_at_due_files(&mut self) {
        for (service, name) in self.ledger.due_now() {
            self.tree.look(&mut self.ledger, &service, name.as_ref(), Hint::Timer);
        }
    }

    fn sweep_if_due(&mut self) {
        let start = Instant::now();
        if start >= self.next_sweep {
            if self.tree.spots.are_broken() {
                self.tree.forget_watches();
                self.forest.forget_watches();
                self.tree.spots.begin(&self.ledger);
                self.round.hurry();
            }
            self.tree.reconcile(&mut self.ledger, Hint::Sweep);
        } else if start >= self.next_blind_look && self.tree.layout.has_blind_spots() {
            self.tree.look_where_blind(&mut self.ledger);
        } else {
            return;
        }
        self.plan_sweeps(start.elapsed());
    }

    /// Sets the next dates after a sweep that took so long.
    fn plan_sweeps(&mut self, took: Duration) {
        let now = Instant::now();
        let often = self.sweep.min(POLL_SWEEP);
        let pause = if self.tree.spots.rely_on_sweeps() {
            often
        } else {
            self.sweep
        };
        let rest = (took * REST_AFTER_SWEEP).max(SHORTEST_SWEEP);
        if now >= self.next_sweep {
            self.next_sweep = now + pause.max(rest);
        }
        self.next_blind_look = now + often.max(rest);
    }
}

/// Keeps the greatest hint for each thing.
fn raise<K: Ord>(hints: &mut BTreeMap<K, Hint>, key: K, hint: Hint) {
    let known = hints.entry(key).or_insert(hint);
    *known = (*known).max(hint);
}
