//! The clock that wakes instances: one thread, one heap of deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::actor::address::Handle;

/// Pending timers of all instances. One that has ended leaves its timers behind; they fire into nothing.
#[derive(Default)]
pub struct Timers {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    pending: BinaryHeap<Reverse<Entry>>,
    /// Counts the timers ever set: those with one deadline fire in the order in which they were set.
    set: u64,
    stopped: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    due: Instant,
    order: u64,
    owner: Handle,
    session: u32,
}

impl Timers {
    /// Sets a timer of `owner`, known to it as `session`.
    pub fn set(&self, due: Instant, owner: Handle, session: u32) {
        let mut state = self.state.lock();
        let order = state.set;
        state.set += 1;
        let first = state.pending.peek().is_none_or(|Reverse(head)| due < head.due);
        state.pending.push(Reverse(Entry {
            due,
            order,
            owner,
            session,
        }));
        if first {
            self.bell.notify_one();
        }
    }

    /// Ends the thread that runs [`Timers::run`].
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.bell.notify_one();
    }

    /// Calls `fire` with owner and session of each timer that is due, until [`Timers::stop`].
    pub fn run(&self, fire: impl Fn(Handle, u32)) {
        let mut due = Vec::new();
        while self.wait(&mut due) {
            for entry in due.drain(..) {
                fire(entry.owner, entry.session);
            }
        }
    }

    /// Waits for deadlines and moves what is due to `due`; false when stopped.
    fn wait(&self, due: &mut Vec<Entry>) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return false;
            }
            let now = Instant::now();
            while state.pending.peek().is_some_and(|Reverse(head)| head.due <= now) {
                due.extend(state.pending.pop().map(|Reverse(entry)| entry));
            }
            if !due.is_empty() {
                return true;
            }
            match state.pending.peek().map(|Reverse(head)| head.due) {
                Some(next) => drop(self.bell.wait_until(&mut state, next)),
                None => self.bell.wait(&mut state),
            }
        }
    }
}
