//! A mailbox: two lanes, one for messages and one for jobs. A job (a patch, an order to stop) overtakes every waiting message,
//! and is handled between two messages, never inside one.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::actor::address::Handle;
use crate::actor::message::Message;

/// What the jobs' lane carries. The hall does not know what it is: sender and receiver agree on the type.
pub type Job = Box<dyn Any + Send>;

/// How many messages may wait before that is said; then twice as many, and so on, until it was empty.
const OVERLOAD: usize = 1024;
/// What memory is counted in, in bytes.
const UNIT: usize = 16;
/// One message more in [`Mailbox::waiting`], whose lower bits count units of memory.
const ONE: u64 = 1 << 36;

/// The two lanes of one instance. Any thread may post; only the instance's own turn takes.
pub struct Mailbox {
    lanes: Mutex<Lanes>,
    /// Messages that were posted and not yet handled: how many, and their memory. See [`ONE`].
    waiting: AtomicU64,
    /// A look at the jobs' lane without its lock, between two messages.
    has_jobs: AtomicBool,
    open: AtomicBool,
}

struct Lanes {
    messages: VecDeque<Message>,
    jobs: VecDeque<Job>,
    /// The first job was taken.
    begun: bool,
    /// How many messages have to wait for that to be said.
    overload: usize,
}

/// What one message counts.
fn weight(message: &Message) -> u64 {
    let bytes = size_of::<Message>() + message.data.len();
    ONE + bytes.div_ceil(UNIT) as u64
}

impl Mailbox {
    /// An open, empty mailbox.
    pub fn new() -> Mailbox {
        Mailbox {
            lanes: Mutex::new(Lanes {
                messages: VecDeque::new(),
                jobs: VecDeque::new(),
                begun: false,
                overload: OVERLOAD,
            }),
            waiting: AtomicU64::new(0),
            has_jobs: AtomicBool::new(false),
            open: AtomicBool::new(true),
        }
    }

    /// Adds a message; gives it back if the mailbox is closed. How many wait now, if these are so many that it should be said.
    pub fn post(&self, message: Message) -> Result<Option<usize>, Message> {
        let mut lanes = self.lanes.lock();
        if !self.is_open() {
            return Err(message);
        }
        let weight = weight(&message);
        lanes.messages.push_back(message);
        let before = count(self.waiting.fetch_add(weight, Ordering::Relaxed));
        if before == 0 {
            lanes.overload = OVERLOAD;
        }
        if before < lanes.overload {
            return Ok(None);
        }
        lanes.overload *= 2;
        Ok(Some(before + 1))
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
        lanes.begun = true;
        if lanes.jobs.is_empty() {
            self.has_jobs.store(false, Ordering::Release);
        }
        job
    }

    /// Says that a message that was taken is being handled now.
    pub fn handles(&self, message: &Message) {
        self.waiting.fetch_sub(weight(message), Ordering::Relaxed);
    }

    /// Says that a message that was taken waits on, elsewhere, until [`Mailbox::handles`] is told of it again.
    pub fn keeps(&self, message: &Message) {
        self.waiting.fetch_add(weight(message), Ordering::Relaxed);
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        count(self.waiting.load(Ordering::Relaxed))
    }

    /// How much memory the waiting messages take, in bytes.
    pub fn memory(&self) -> usize {
        let units = self.waiting.load(Ordering::Relaxed) % ONE;
        usize::try_from(units).unwrap_or(usize::MAX).saturating_mul(UNIT)
    }

    /// Whether messages or jobs wait in the lanes.
    pub fn has_work(&self) -> bool {
        if self.waiting() == 0 && !self.has_jobs.load(Ordering::Acquire) {
            return false;
        }
        // Messages may be kept elsewhere.
        let lanes = self.lanes.lock();
        !lanes.messages.is_empty() || !lanes.jobs.is_empty()
    }

    /// Whether it still takes messages.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Drops everything that waits in a closed mailbox, but for the job with which an instance begins; the requests that nobody will answer.
    pub fn clear(&self) -> Vec<(Handle, u32)> {
        let (messages, jobs) = {
            let mut lanes = self.lanes.lock();
            let first = usize::from(!lanes.begun).min(lanes.jobs.len());
            let jobs = lanes.jobs.split_off(first);
            self.has_jobs.store(first > 0, Ordering::Release);
            (std::mem::take(&mut lanes.messages), jobs)
        };
        // Whoever waits for what became of a job learns it by this.
        drop(jobs);
        let requests = messages.iter().filter(|message| message.wants_answer());
        requests
            .filter_map(|message| Some((message.source?, message.session)))
            .collect()
    }

    /// Closes it for ever. What waits stays for its instance to answer for; only the first call returns true.
    pub fn close(&self) -> bool {
        // Under the lock: whoever posts holds it while it looks.
        let _lanes = self.lanes.lock();
        self.open.swap(false, Ordering::AcqRel)
    }
}

fn count(waiting: u64) -> usize {
    (waiting / ONE) as usize
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}
