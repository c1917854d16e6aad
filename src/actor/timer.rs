//! The clock that wakes instances: one thread, and the timers by the millisecond in which they are due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::actor::address::Handle;

/// Pending timers of all instances. One that has ended leaves its timers behind; they fire into nothing.
pub struct Timers {
    /// Milliseconds are counted from here.
    epoch: Instant,
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    /// Owner and session of each timer, by the millisecond before which it must not fire; in the order in which they were set.
    pending: BTreeMap<u64, Vec<(Handle, u32)>>,
    stopped: bool,
}

impl Default for Timers {
    /// No timers.
    fn default() -> Timers {
        Timers {
            epoch: Instant::now(),
            state: Mutex::default(),
            bell: Condvar::new(),
        }
    }
}

impl Timers {
    /// Sets a timer of `owner`, known to it as `session`. It fires at the end of the millisecond.
    pub fn set(&self, due: Instant, owner: Handle, session: u32) {
        let since = due.saturating_duration_since(self.epoch);
        let tick = u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let mut state = self.state.lock();
        let first = state.pending.first_key_value().is_none_or(|(next, _)| tick < *next);
        state.pending.entry(tick).or_default().push((owner, session));
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
        while let Some(due) = self.wait() {
            for (owner, session) in due {
                fire(owner, session);
            }
        }
    }

    /// Waits for the next deadline; the timers that are due then, or nothing when stopped.
    fn wait(&self) -> Option<Vec<(Handle, u32)>> {
        let mut state = self.state.lock();
        while !state.stopped {
            let Some(first) = state.pending.first_entry() else {
                self.bell.wait(&mut state);
                continue;
            };
            match self.epoch.checked_add(Duration::from_millis(*first.key())) {
                Some(due) if due <= Instant::now() => return Some(first.remove()),
                Some(due) => drop(self.bell.wait_until(&mut state, due)),
                // Further away than the clock goes.
                None => self.bell.wait(&mut state),
            }
        }
        None
    }
}
