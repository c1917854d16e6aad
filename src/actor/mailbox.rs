//! A mailbox: two lanes, one for messages and one for jobs. A job (a patch, an order to stop) overtakes every waiting message,
//! and is handled between two messages, never inside one.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::actor::message::Message;

/// What the jobs' lane carries. The hall does not know what it is: sender and receiver agree on the type.
pub type Job = Box<dyn Any + Send>;

/// The two lanes of one instance. Any thread may post; only the instance's own turn takes.
pub struct Mailbox {
    lanes: Mutex<Lanes>,
    /// Messages that were posted and not yet handled, for `mqlen` and `list`.
    waiting: AtomicUsize,
    /// A look at the jobs' lane without its lock, between two messages.
    has_jobs: AtomicBool,
    open: AtomicBool,
}

struct Lanes {
    messages: VecDeque<Message>,
    jobs: VecDeque<Job>,
}

impl Mailbox {
    /// An open, empty mailbox.
    pub fn new() -> Mailbox {
        Mailbox {
            lanes: Mutex::new(Lanes {
                messages: VecDeque::new(),
                jobs: VecDeque::new(),
            }),
            waiting: AtomicUsize::new(0),
            has_jobs: AtomicBool::new(false),
            open: AtomicBool::new(true),
        }
    }

    /// Adds a message; gives it back if the mailbox is closed.
    pub fn post(&self, message: Message) -> Result<(), Message> {
        let mut lanes = self.lanes.lock();
        if !self.is_open() {
            return Err(message);
        }
        lanes.messages.push_back(message);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Adds a job; gives it back if the mailbox is closed.
    pub fn post_job(&self, job: Job) -> Result<(), Job> {
        let mut lanes = self.lanes.lock();
        if !self.is_open() {
            return Err(job);
        }
        lanes.jobs.push_back(job);
        self.has_jobs.store(true, Ordering::Release);
        Ok(())
    }

    /// Moves every waiting message to the end of `batch`, in one step.
    pub fn take_messages(&self, batch: &mut VecDeque<Message>) {
        let mut lanes = self.lanes.lock();
        if batch.is_empty() {
            // The two buffers change places; one that a flood has grown shrinks in the turn that empties it.
            std::mem::swap(batch, &mut lanes.messages);
        } else {
            batch.append(&mut lanes.messages);
        }
    }

    /// Takes the next job, if there is one.
    pub fn take_job(&self) -> Option<Job> {
        if !self.has_jobs.load(Ordering::Acquire) {
            return None;
        }
        let mut lanes = self.lanes.lock();
        let job = lanes.jobs.pop_front();
        if lanes.jobs.is_empty() {
            self.has_jobs.store(false, Ordering::Release);
        }
        job
    }

    /// Says that one message that was taken is being handled now.
    pub fn handled_one(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether messages or jobs wait in the lanes.
    pub fn has_work(&self) -> bool {
        let lanes = self.lanes.lock();
        !lanes.messages.is_empty() || !lanes.jobs.is_empty()
    }

    /// Whether it still takes messages.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Closes it for ever. What waits stays for its instance to answer for; only the first call returns true.
    pub fn close(&self) -> bool {
        // Under the lock: whoever posts holds it while it looks.
        let _lanes = self.lanes.lock();
        self.open.swap(false, Ordering::AcqRel)
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}
