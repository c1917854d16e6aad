//! The clock that wakes instances: one thread, one heap of deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Weak;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::actor::node::Node;

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
    /// Sends `owner` the answer to its own `session` at `due`.
    pub fn set(&self, due: Instant, owner: Handle, session: u32) {
        let mut state = self.state.lock();
        let order = state.set;
        state.set += 1;
        let first = state.pending.peek().is_none_or(|Reverse(head)| due < head.due);
        state.pending.push(Reverse(Entry { due, order, owner, session }));
        if first {
            self.bell.notify_one();
        }
    }

    /// Ends the thread that runs [`Timers::run`].
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.bell.notify_one();
    }

    /// Fires timers until [`Timers::stop`], or until the node is gone.
    pub fn run(&self, node: &Weak<Node>) {
        let mut due = Vec::new();
        while self.wait(&mut due) {
            let Some(node) = node.upgrade() else { return };
            for entry in due.drain(..) {
                let message = Message { source: None, session: entry.session, kind: kind::RESPONSE, data: Box::default() };
                // The owner may have ended before its timer.
                let _ = node.send(entry.owner, message);
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
