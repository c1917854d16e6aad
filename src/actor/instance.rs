//! One running instance of a service: its mailbox, its turn on a worker thread, and what others may know about it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::actor::address::Handle;
use crate::actor::mailbox::{Job, Mailbox};
use crate::actor::message::Message;
use crate::plain;

/// What an actor wants after a message or a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To be given the next one.
    Continue,
    /// To be ended.
    End,
}

/// What runs behind a mailbox. One thread at a time calls it; panics are not expected.
pub trait Actor: Send {
    /// Handles one message.
    fn message(&mut self, message: Message) -> Next;
    /// Handles one job, between two messages.
    fn job(&mut self, job: Job) -> Next;
    /// The mailbox is closed and this is the last call. Returns the requests that were taken and never answered, as (source, session).
    fn end(&mut self) -> Vec<(Handle, u32)>;
}

/// Who an instance is: fixed for its life.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its handle.
    pub handle: Handle,
    /// The script's name, as `newservice` was given it: `simpledb`, `game/agent`.
    pub service: String,
    /// The arguments, joined with spaces.
    pub args: String,
    /// Whether `list` shows it (the node's own parts are not shown).
    pub listed: bool,
}

impl Identity {
    /// The service's name as its folder in `hotfix/` is called: `game/agent` is `game.agent` there.
    pub fn folder(&self) -> String {
        self.service.replace('/', ".")
    }

    /// Script and arguments, as `list` shows them behind `snlua `: a part of one line.
    pub fn command_line(&self) -> String {
        let shown = match self.args.as_str() {
            "" => self.service.clone(),
            args => format!("{} {args}", self.service),
        };
        plain::line(shown.as_bytes()).into_owned()
    }
}

/// One instance, shared by its registry slot, the run queue and whoever posts to it.
pub struct Instance {
    /// Who it is.
    pub identity: Identity,
    /// Where its work waits.
    pub mailbox: Mailbox,
    /// What it has done so far.
    pub counters: Counters,
    /// What its peers have and it has not: names that people know.
    behind: Mutex<BTreeSet<String>>,
    /// What was put into it since it started.
    live: Mutex<Vec<Live>>,
    turn: AtomicU8,
    body: Mutex<Body>,
}

/// What `stat` tells, readable from any thread.
#[derive(Default)]
pub struct Counters {
    /// Messages handled.
    pub messages: AtomicU64,
    /// Time spent in handling, in nanoseconds.
    pub busy_ns: AtomicU64,
    /// Where its actor counts its memory.
    memory: Mutex<Arc<AtomicUsize>>,
}

impl Counters {
    /// How much memory it has just now, in bytes, whatever it does.
    pub fn memory(&self) -> usize {
        self.memory.lock().load(Ordering::Relaxed)
    }

    /// Says where the actor counts its memory, in bytes.
    pub fn count_memory_in(&self, count: Arc<AtomicUsize>) {
        *self.memory.lock() = count;
    }
}

/// Something that was put into an instance after it had started, as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
}

struct Body {
    actor: Option<Box<dyn Actor>>,
    batch: VecDeque<Message>,
}

/// How a turn ended.
pub(super) enum Turn {
    /// Nothing is left to do.
    Over,
    /// More waits: it must be queued again.
    Again,
    /// The instance has ended, leaving these requests (source, session) unanswered.
    Ended(Vec<(Handle, u32)>),
}

/// `turn` bit: it is in the run queue, or must go there when its turn ends.
const QUEUED: u8 = 1;
/// `turn` bit: a worker runs it.
const RUNNING: u8 = 2;
/// For how many messages there is room between two turns; more, after a flood, is given back.
const BATCH_MAX: usize = 4096;
/// Messages in one turn, before others get theirs.
const TURN_LENGTH: usize = 64;

impl Instance {
    pub(super) fn new(identity: Identity, actor: Box<dyn Actor>) -> Instance {
        Instance {
            identity,
            mailbox: Mailbox::new(),
            counters: Counters::default(),
            behind: Mutex::default(),
            live: Mutex::default(),
            turn: AtomicU8::new(0),
            body: Mutex::new(Body {
                actor: Some(actor),
                batch: VecDeque::new(),
            }),
        }
    }

    /// Notes whether it lacks something that its peers have.
    pub fn set_behind(&self, what: &str, is_behind: bool) {
        let mut behind = self.behind.lock();
        if is_behind {
            behind.insert(what.to_owned());
        } else {
            behind.remove(what);
        }
    }

    /// It begins anew and lacks nothing.
    pub fn forget_behind(&self) {
        self.behind.lock().clear();
    }

    /// What its peers have and it has not, sorted.
    pub fn behind(&self) -> Vec<String> {
        self.behind.lock().iter().cloned().collect()
    }

    /// Says what was put into it and is live, in the order in which it came.
    pub fn set_live(&self, live: Vec<Live>) {
        *self.live.lock() = live;
    }

    /// What was put into it and is live, in the order in which it came.
    pub fn live(&self) -> Vec<Live> {
        self.live.lock().clone()
    }

    /// Whether a worker runs it just now.
    pub fn is_running(&self) -> bool {
        self.turn.load(Ordering::Acquire) & RUNNING != 0
    }

    /// Marks that there is work; true if the caller must put it into the run queue.
    pub(super) fn wake(&self) -> bool {
        self.turn.fetch_or(QUEUED, Ordering::AcqRel) & (QUEUED | RUNNING) == 0
    }

    /// As [`Instance::wake`], for a job: true unless a worker runs it just now (which looks at the jobs itself).
    /// It may then stand in the run queue twice; the second turn finds nothing and is free.
    pub(super) fn wake_urgently(&self) -> bool {
        self.turn.fetch_or(QUEUED, Ordering::AcqRel) & RUNNING == 0
    }

    /// Runs one turn, if it is due, which begins now; how and when it has ended.
    pub(super) fn run_turn(&self, now: Instant) -> (Turn, Instant) {
        let due = self.turn.fetch_update(Ordering::AcqRel, Ordering::Acquire, |turn| {
            (turn & RUNNING == 0 && turn & QUEUED != 0).then_some(RUNNING)
        });
        if due.is_err() {
            return (Turn::Over, now);
        }
        let (turn, now) = self.run_batch(now);
        if let Turn::Again = turn {
            self.turn.fetch_or(QUEUED, Ordering::AcqRel);
        }
        let queued = self.turn.fetch_and(!RUNNING, Ordering::AcqRel) & QUEUED != 0;
        match turn {
            Turn::Over if queued => (Turn::Again, now),
            turn => (turn, now),
        }
    }

    /// Handles jobs and up to [`TURN_LENGTH`] messages.
    fn run_batch(&self, began: Instant) -> (Turn, Instant) {
        let mut body = self.body.lock();
        let Body { actor: slot, batch } = &mut *body;
        let Some(actor) = slot.as_mut() else {
            return (Turn::Over, began);
        };
        let mut next = Next::Continue;
        let mut handled = 0;
        while next == Next::Continue {
            if let Some(job) = self.mailbox.take_job() {
                next = actor.job(job);
                continue;
            }
            if handled == TURN_LENGTH || !self.mailbox.is_open() {
                break;
            }
            if batch.is_empty() {
                self.mailbox.take_messages(batch);
            }
            let Some(message) = batch.pop_front() else { break };
            self.mailbox.handles(&message);
            handled += 1;
            next = actor.message(message);
        }
        self.counters.messages.fetch_add(handled as u64, Ordering::Relaxed);
        let now = Instant::now();
        let busy = now.saturating_duration_since(began).as_nanos() as u64;
        self.counters.busy_ns.fetch_add(busy, Ordering::Relaxed);
        if next == Next::End {
            self.mailbox.close();
        }
        if !self.mailbox.is_open() {
            return (Turn::Ended(self.end(slot, batch)), now);
        }
        if batch.is_empty() && batch.capacity() > BATCH_MAX {
            batch.shrink_to(BATCH_MAX);
        }
        let turn = if batch.is_empty() && !self.mailbox.has_work() {
            Turn::Over
        } else {
            Turn::Again
        };
        (turn, now)
    }

    /// Ends the actor; the requests that it leaves unanswered.
    fn end(&self, slot: &mut Option<Box<dyn Actor>>, batch: &mut VecDeque<Message>) -> Vec<(Handle, u32)> {
        let Some(mut actor) = slot.take() else {
            return Vec::new();
        };
        let mut orphans = actor.end();
        drop(actor);
        self.mailbox.take_messages(batch);
        for message in batch.drain(..) {
            if let (true, Some(source)) = (message.wants_answer(), message.source) {
                orphans.push((source, message.session));
            }
        }
        while self.mailbox.take_job().is_some() {}
        orphans
    }
}
