//! The worker threads. Services run on threads of their own, apart from the async ones of console and control socket, so that Lua
//! code that never returns can take a worker away but never the operator's desk. A worker that is taken away is made up for by
//! another, so that every other service goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::warn;

use crate::actor::address::Handle;
use crate::actor::instance::{Instance, Turn};
use crate::actor::node::Node;
use crate::actor::queue::Lookout;

/// How often the workers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The same while all of them are idle: a node that does nothing takes no processor time.
const LOOK_EVERY_IDLE: Duration = Duration::from_millis(250);
/// Looks at one and the same turn after which its worker counts as taken away.
const AWAY_AFTER: u32 = 3;
/// Looks at one and the same turn after which the log says so: 5 s, as in skynet.
const SAID_AFTER: u32 = 100;
/// Threads that are started at most for those that are taken away.
const MOST_EXTRA: usize = 64;

/// The threads, and who looks after them.
pub struct Workers {
    crew: Arc<Crew>,
}

struct Crew {
    node: Arc<Node>,
    /// How many workers there are to be.
    wanted: usize,
    workers: Mutex<Vec<Arc<Worker>>>,
    /// How many workers there are too many, now that some came back.
    surplus: AtomicUsize,
}

/// What one thread does, as others see it.
#[derive(Default)]
struct Worker {
    /// Turns begun.
    turns: AtomicU64,
    /// Whose turn it is; 0 between turns.
    handle: AtomicU32,
}

impl Workers {
    /// Starts `count` threads that run the node's instances until [`Node::stop_threads`], and one that looks after them.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(node: &Arc<Node>, count: usize) -> std::io::Result<Workers> {
        let crew = Arc::new(Crew {
            node: node.clone(),
            wanted: count,
            workers: Mutex::default(),
            surplus: AtomicUsize::new(0),
        });
        for _ in 0..count {
            crew.hire()?;
        }
        let watched = crew.clone();
        std::thread::Builder::new()
            .name("foreman".into())
            .spawn(move || watched.look_after())?;
        Ok(Workers { crew })
    }

    /// Waits until every thread that is not stuck in Lua code has ended, at most `patience`; the number that have not.
    pub fn join(self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline && !self.crew.workers.lock().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.crew.workers.lock().len()
    }
}

impl Crew {
    fn hire(self: &Arc<Self>) -> std::io::Result<()> {
        let worker = Arc::new(Worker::default());
        let (crew, own) = (self.clone(), worker.clone());
        self.workers.lock().push(worker);
        let work = move || {
            let mut seat = crew.node.queue().sit_down();
            let mut now = Instant::now();
            while let Some(instance) = crew.node.queue().next(&mut seat) {
                // A clock is not looked at twice between two turns.
                let began = if seat.has_waited() { Instant::now() } else { now };
                now = crew.run(&own, instance, began);
                seat.took(now.saturating_duration_since(began));
                if crew.is_superfluous() {
                    break;
                }
            }
            crew.node.queue().stand_up(seat);
            crew.workers.lock().retain(|other| !Arc::ptr_eq(other, &own));
        };
        let started = std::thread::Builder::new().name("worker".into()).spawn(work);
        if started.is_err() {
            // The newest is the one that never came.
            self.workers.lock().pop();
        }
        started.map(drop)
    }

    /// Runs one turn, which begins now; when it has ended.
    fn run(&self, worker: &Worker, instance: Arc<Instance>, now: Instant) -> Instant {
        worker.handle.store(instance.identity.handle.0, Ordering::Relaxed);
        worker.turns.fetch_add(1, Ordering::Relaxed);
        let (turn, now) = instance.run_turn(now);
        worker.handle.store(0, Ordering::Relaxed);
        match turn {
            Turn::Over => {}
            Turn::Again => self.node.queue().push_back(instance),
            Turn::Ended(orphans) => self.node.bury(&instance, orphans),
        }
        now
    }

    /// Whether this worker is one of those that are too many.
    fn is_superfluous(&self) -> bool {
        self.surplus.load(Ordering::Relaxed) > 0
            && self
                .surplus
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1))
                .is_ok()
    }

    /// Looks at the workers until the node stops.
    fn look_after(self: &Arc<Self>) {
        let mut seen: Vec<(Arc<Worker>, u64, u32)> = Vec::new();
        let mut lookout = Lookout::default();
        while self.node.queue().running() {
            let is_busy = |(worker, ..): &(Arc<Worker>, u64, u32)| worker.handle.load(Ordering::Relaxed) != 0;
            let is_idle = !seen.iter().any(is_busy) && !self.node.queue().has_waiting();
            std::thread::sleep(if is_idle { LOOK_EVERY_IDLE } else { LOOK_EVERY });
            self.node.queue().rescue(&mut lookout);
            let workers = self.workers.lock().clone();
            seen = workers.into_iter().map(|worker| look(worker, &seen)).collect();
            let away = seen.iter().filter(|(_, _, looks)| *looks >= AWAY_AFTER).count();
            let free = seen.len() - away;
            self.surplus.store(free.saturating_sub(self.wanted), Ordering::Release);
            if free == 0 && seen.len() < self.wanted + MOST_EXTRA && self.node.queue().has_waiting() {
                // Without a further thread the others wait; the next look tries again.
                let _ = self.hire();
            }
        }
    }
}

/// One look at a worker: for how many looks it has been at the same turn.
fn look(worker: Arc<Worker>, seen: &[(Arc<Worker>, u64, u32)]) -> (Arc<Worker>, u64, u32) {
    let (turns, handle) = (
        worker.turns.load(Ordering::Relaxed),
        worker.handle.load(Ordering::Relaxed),
    );
    let before = seen.iter().find(|(other, ..)| Arc::ptr_eq(other, &worker));
    let looks = match before {
        Some((_, before, looks)) if handle != 0 && *before == turns => looks + 1,
        _ => 0,
    };
    if looks == SAID_AFTER {
        let seconds = (LOOK_EVERY * SAID_AFTER).as_secs();
        warn!(
            handle,
            "error: A message to [ {} ] maybe in an endless loop (busy for {seconds} s)",
            Handle(handle)
        );
    }
    (worker, turns, looks)
}
