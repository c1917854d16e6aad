//! The run queue: which instances have work, and which worker gets the next one.
//!
//! An instance that a turn has woken waits in that worker's own [`Slot`] and runs next there; everything else waits in one queue for all
//! workers. One idle worker at a time looks now and then whether something waits in a slot whose worker does not come to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::actor::instance::Instance;
use crate::actor::slot::{self, Put, Sight, Slot};

/// Instances that have work, in the order in which they got it; those with a job come first.
#[derive(Default)]
pub struct RunQueue {
    queues: Mutex<Queues>,
    bell: Condvar,
    /// Of all workers.
    slots: RwLock<Vec<Arc<Slot>>>,
    /// Workers that look for work just now: while there is one, nobody needs to be woken.
    searching: AtomicUsize,
    /// Workers that wait for the bell.
    asleep: AtomicUsize,
    /// Those of them that wake up by themselves, to look at the slots.
    watching: AtomicUsize,
    /// Queued instances, to look without the lock.
    waiting: AtomicUsize,
    /// Those of them with a job.
    urgent: AtomicUsize,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Queues {
    urgent: VecDeque<Arc<Instance>>,
    normal: VecDeque<Arc<Instance>>,
}

/// How often an idle worker looks for work before it sleeps: some 10 µs, less than waking it again costs.
const SEARCH_ROUNDS: usize = 200;
/// How many turns a worker takes out of its slot while others wait in the queue.
const STREAK: usize = 16;
/// How often an idle worker looks at the slots. What waits there while its worker is busy is taken after twice that time at most.
const WATCH_EVERY: Duration = Duration::from_millis(1);

/// How many parts of a worker's time messages get for each part that jobs get, if there is enough of both: a patch for thousands of instances
/// slows others down, and does not stop them.
const MESSAGES_PER_JOB: u32 = 1;
/// For how long messages come first at most, however long a job took.
const MOST_OWED: Duration = Duration::from_millis(10);

/// What a worker keeps between two turns.
pub(super) struct Seat {
    slot: Arc<Slot>,
    /// Turns taken out of the slot since the last one from the queue.
    streak: usize,
    /// It was idle before the last turn.
    waited: bool,
    /// The last turn was for a job.
    urgent: bool,
    /// For how long messages come first, if there are any.
    owed: Duration,
    lookout: Lookout,
}

impl Seat {
    /// Says how long the last turn took. While many instances have jobs, messages get a worker's time in the proportion of [`MESSAGES_PER_JOB`].
    pub(super) fn took(&mut self, time: Duration) {
        self.owed = if self.urgent {
            (self.owed + time * MESSAGES_PER_JOB).min(MOST_OWED)
        } else {
            self.owed.saturating_sub(time)
        };
    }

    /// Whether the worker was idle before it got its last turn.
    pub(super) fn has_waited(&self) -> bool {
        self.waited
    }
}

/// What somebody saw in the slots when it looked last.
#[derive(Default)]
pub(super) struct Lookout {
    seen: Vec<(Arc<Slot>, Sight)>,
}

impl RunQueue {
    /// Makes this thread a worker.
    pub(super) fn sit_down(&self) -> Seat {
        let slot = Arc::new(Slot::default());
        self.slots.write().push(slot.clone());
        slot::sit_down(slot.clone());
        Seat {
            slot,
            streak: 0,
            waited: false,
            urgent: false,
            owed: Duration::ZERO,
            lookout: Lookout::default(),
        }
    }

    /// Ends what [`RunQueue::sit_down`] has begun.
    pub(super) fn stand_up(&self, seat: Seat) {
        self.slots.write().retain(|slot| !Arc::ptr_eq(slot, &seat.slot));
        if let Some(instance) = seat.slot.take() {
            self.add(instance, false);
        }
    }

    /// Queues an instance that was just woken by a message.
    pub fn push(&self, instance: Arc<Instance>) {
        match slot::put(instance) {
            Put::There => self.call_watcher(),
            Put::InPlaceOf(instance) | Put::Refused(instance) => self.add(instance, false),
        }
    }

    /// Queues an instance whose turn is over while there is more to do, behind all others; if there are none it stays with its worker.
    pub(super) fn push_back(&self, instance: Arc<Instance>) {
        if self.has_waiting() {
            return self.add(instance, false);
        }
        match slot::put_if_free(instance) {
            None => self.call_watcher(),
            Some(instance) => self.add(instance, false),
        }
    }

    /// Queues an instance that has a job, ahead of all that only have messages.
    pub fn push_urgent(&self, instance: Arc<Instance>) {
        self.add(instance, true);
    }

    /// One that was woken before gets another message: that is worth another worker, if there is one.
    pub(super) fn share(&self, instance: &Arc<Instance>) {
        if let Some(instance) = slot::take_out(instance) {
            self.add(instance, false);
        }
    }

    fn add(&self, instance: Arc<Instance>, urgent: bool) {
        let mut queues = self.queues.lock();
        if urgent {
            queues.urgent.push_back(instance);
            self.urgent.fetch_add(1, Ordering::SeqCst);
        } else {
            queues.normal.push_back(instance);
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 && self.searching.load(Ordering::SeqCst) == 0 {
            self.bell.notify_one();
        }
    }

    /// Something waits in a slot: somebody who has nothing else to do is to have an eye on it.
    fn call_watcher(&self) {
        // Whoever is about to sleep has said so before it looks at the slots, so one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0
            && self.watching.load(Ordering::SeqCst) == 0
            && self.searching.load(Ordering::SeqCst) == 0
        {
            let _lock = self.queues.lock();
            self.bell.notify_one();
        }
    }

    /// Lets every worker end once its turn is over. What is queued is dropped.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _lock = self.queues.lock();
        self.bell.notify_all();
    }

    fn take(&self, queues: &mut Queues, seat: &mut Seat) -> Option<Arc<Instance>> {
        let first = if seat.owed.is_zero() {
            None
        } else {
            queues.normal.pop_front()
        };
        seat.urgent = first.is_none() && !queues.urgent.is_empty();
        let instance = if seat.urgent {
            self.urgent.fetch_sub(1, Ordering::SeqCst);
            queues.urgent.pop_front()?
        } else {
            first.or_else(|| queues.normal.pop_front())?
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Some(instance)
    }

    /// Waits for the next instance to run; `None` when the node stops.
    pub(super) fn next(&self, seat: &mut Seat) -> Option<Arc<Instance>> {
        let found = self.next_of_slot(seat).or_else(|| {
            seat.streak = 0;
            self.take(&mut self.queues.lock(), seat)
        });
        seat.waited = found.is_none();
        if found.is_some() {
            return found.filter(|_| self.running());
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        let found = self.search(seat);
        // The last searcher that found something rings for the next one, in case more has come meanwhile.
        let was_last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        if found.is_some() && was_last && self.waiting.load(Ordering::SeqCst) > 0 {
            self.bell.notify_one();
        }
        found.filter(|_| self.running())
    }

    /// What waits in the worker's own slot, unless it is others' turn.
    fn next_of_slot(&self, seat: &mut Seat) -> Option<Arc<Instance>> {
        if self.urgent.load(Ordering::Relaxed) > 0 && seat.owed.is_zero() {
            return None;
        }
        let instance = seat.slot.take()?;
        if seat.streak < STREAK || self.waiting.load(Ordering::Relaxed) == 0 {
            seat.streak += 1;
            seat.urgent = false;
            return Some(instance);
        }
        self.add(instance, false);
        None
    }

    fn search(&self, seat: &mut Seat) -> Option<Arc<Instance>> {
        for round in 0..SEARCH_ROUNDS {
            if self.waiting.load(Ordering::SeqCst) > 0
                && let Some(instance) = self.take(&mut self.queues.lock(), seat)
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
            if let Some(instance) = self.take(&mut queues, seat) {
                return Some(instance);
            }
            if !self.running() {
                return None;
            }
            if let Some(instance) = self.sleep(&mut queues, &mut seat.lookout) {
                return Some(instance);
            }
        }
    }

    /// Sleeps until the bell rings, or, if something is going on in the slots and nobody else looks at them, a moment; what waits there too
    /// long then.
    fn sleep(&self, queues: &mut MutexGuard<'_, Queues>, lookout: &mut Lookout) -> Option<Arc<Instance>> {
        self.asleep.fetch_add(1, Ordering::SeqCst);
        self.searching.fetch_sub(1, Ordering::SeqCst);
        let watches = self.watching.load(Ordering::SeqCst) == 0 && lookout.something_goes_on(&self.slots.read());
        if watches {
            self.watching.fetch_add(1, Ordering::SeqCst);
            self.bell.wait_for(queues, WATCH_EVERY);
            self.watching.fetch_sub(1, Ordering::SeqCst);
        } else {
            self.bell.wait(queues);
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        if watches { lookout.overdue().next() } else { None }
    }

    /// Brings what waits in a slot since the last look into the queue: for when no worker is idle, and one of them is away.
    pub(super) fn rescue(&self, lookout: &mut Lookout) {
        for instance in lookout.overdue() {
            self.add(instance, false);
        }
        lookout.something_goes_on(&self.slots.read());
    }

    /// Whether an instance waits for a worker.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    pub(super) fn running(&self) -> bool {
        !self.stopped.load(Ordering::SeqCst)
    }
}

impl Lookout {
    /// Looks at the slots; whether something waits in one, or was put into one since the last look.
    fn something_goes_on(&mut self, slots: &[Arc<Slot>]) -> bool {
        let now: Vec<(Arc<Slot>, Sight)> = slots.iter().map(|slot| (slot.clone(), slot.look())).collect();
        let known = |(slot, sight): &(Arc<Slot>, Sight)| {
            let mut seen = self.seen.iter();
            seen.any(|(other, before)| Arc::ptr_eq(slot, other) && before == sight)
        };
        let goes_on = now.iter().any(|new| new.1.occupied || !known(new));
        self.seen = now;
        goes_on
    }

    /// Takes what waits in a slot and did so at the last look.
    fn overdue(&self) -> impl Iterator<Item = Arc<Instance>> + '_ {
        let occupied = self.seen.iter().filter(|(_, sight)| sight.occupied);
        occupied.filter_map(|(slot, sight)| slot.take_if_still(*sight))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{MOST_OWED, RunQueue, STREAK};
    use crate::actor::address::Handle;
    use crate::actor::instance::{Actor, Identity, Instance, Next};
    use crate::actor::mailbox::Job;
    use crate::actor::message::Message;

    struct Idle;

    impl Actor for Idle {
        fn message(&mut self, _message: Message) -> Next {
            Next::Continue
        }

        fn job(&mut self, _job: Job) -> Next {
            Next::Continue
        }

        fn end(&mut self) -> Vec<(Handle, u32)> {
            Vec::new()
        }
    }

    fn instance(handle: u32) -> Arc<Instance> {
        let identity = Identity {
            handle: Handle(handle),
            service: "svc".into(),
            args: String::new(),
            listed: true,
        };
        Arc::new(Instance::new(identity, Box::new(Idle)))
    }

    const TURN: Duration = Duration::from_millis(1);

    /// The handle of the instance whose turn it is.
    fn next(queue: &RunQueue, seat: &mut super::Seat) -> u32 {
        let found = queue.next(seat).expect("the node runs");
        seat.took(TURN);
        found.identity.handle.0
    }

    #[test]
    fn jobs_come_first_and_then_messages_get_as_much_time() {
        let queue = RunQueue::default();
        let mut seat = queue.sit_down();
        for handle in 1..=3 {
            queue.push_back(instance(handle));
        }
        for handle in 11..=13 {
            queue.push_urgent(instance(handle));
        }
        let order: Vec<u32> = (0..6).map(|_| next(&queue, &mut seat)).collect();
        assert_eq!(order, [11, 1, 12, 2, 13, 3]);
        // However long a job took, those behind it do not wait for ever.
        queue.push_urgent(instance(14));
        assert!(queue.next(&mut seat).is_some());
        seat.took(MOST_OWED * 100);
        queue.push_urgent(instance(15));
        let until_next = (0..).take_while(|_| {
            queue.push(instance(4));
            next(&queue, &mut seat) == 4
        });
        assert_eq!(until_next.count(), MOST_OWED.as_millis() as usize);
        queue.stand_up(seat);
    }

    #[test]
    fn whoever_was_woken_last_is_next_but_not_for_ever() {
        let queue = RunQueue::default();
        let mut seat = queue.sit_down();
        queue.push(instance(1));
        queue.push(instance(2));
        assert_eq!(next(&queue, &mut seat), 2);
        queue.push(instance(3));
        let mut turns = 1;
        while next(&queue, &mut seat) == 3 {
            queue.push(instance(3));
            turns += 1;
        }
        assert_eq!(turns, STREAK);
        // One that gets more than one message is for whoever comes first.
        let both = instance(4);
        queue.push(both.clone());
        queue.share(&both);
        let others = std::thread::scope(|scope| scope.spawn(|| queue.next(&mut queue.sit_down())).join());
        assert_eq!(others.expect("no panic").expect("one").identity.handle.0, 3);
        queue.stand_up(seat);
    }
}
