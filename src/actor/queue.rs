//! The run queue: which instances have work, and which worker gets the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::actor::instance::Instance;

/// Instances that have work, in the order in which they got it; those with a job come first.
#[derive(Default)]
pub struct RunQueue {
    queues: Mutex<Queues>,
    bell: Condvar,
    /// Workers that look for work just now: while there is one, nobody needs to be woken.
    searching: AtomicUsize,
    /// Queued instances, to look without the lock.
    waiting: AtomicUsize,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Queues {
    urgent: VecDeque<Arc<Instance>>,
    normal: VecDeque<Arc<Instance>>,
    asleep: usize,
}

/// How often an idle worker looks for work before it sleeps: some 10 µs, less than waking it again costs.
const SEARCH_ROUNDS: usize = 200;

impl RunQueue {
    /// Queues an instance that has messages.
    pub fn push(&self, instance: Arc<Instance>) {
        self.add(instance, false);
    }

    /// Queues an instance that has a job, ahead of all that only have messages.
    pub fn push_urgent(&self, instance: Arc<Instance>) {
        self.add(instance, true);
    }

    fn add(&self, instance: Arc<Instance>, urgent: bool) {
        let mut queues = self.queues.lock();
        let queue = if urgent { &mut queues.urgent } else { &mut queues.normal };
        queue.push_back(instance);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if queues.asleep > 0 && self.searching.load(Ordering::SeqCst) == 0 {
            self.bell.notify_one();
        }
    }

    /// Lets every worker end once its turn is over. What is queued is dropped.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _lock = self.queues.lock();
        self.bell.notify_all();
    }

    fn take(&self, queues: &mut Queues) -> Option<Arc<Instance>> {
        let instance = queues.urgent.pop_front().or_else(|| queues.normal.pop_front())?;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Some(instance)
    }

    /// Waits for the next instance to run; `None` when the node stops.
    pub(super) fn next(&self) -> Option<Arc<Instance>> {
        if let Some(instance) = self.take(&mut self.queues.lock()) {
            return self.running().then_some(instance);
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        let found = self.search();
        // The last searcher that found something rings for the next one, in case more has come meanwhile.
        let was_last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        if found.is_some() && was_last && self.waiting.load(Ordering::SeqCst) > 0 {
            self.bell.notify_one();
        }
        found.filter(|_| self.running())
    }

    fn search(&self) -> Option<Arc<Instance>> {
        for round in 0..SEARCH_ROUNDS {
            if self.waiting.load(Ordering::SeqCst) > 0
                && let Some(instance) = self.take(&mut self.queues.lock())
            {
                return Some(instance);
            }
            if round % 16 == 15 {
                std::thread::yield_now()
            } else {
                std::hint::spin_loop()
            }
        }
        let mut queues = self.queues.lock();
        loop {
            if let Some(instance) = self.take(&mut queues) {
                return Some(instance);
            }
            if !self.running() {
                return None;
            }
            queues.asleep += 1;
            self.searching.fetch_sub(1, Ordering::SeqCst);
            self.bell.wait(&mut queues);
            self.searching.fetch_add(1, Ordering::SeqCst);
            queues.asleep -= 1;
        }
    }

    /// Whether an instance waits for a worker.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    pub(super) fn running(&self) -> bool {
        !self.stopped.load(Ordering::SeqCst)
    }
}
