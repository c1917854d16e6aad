//! The node: everything that instances share, and the few things that can be done to them from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;
use tracing::error;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Identity, Instance};
use crate::actor::mailbox::Job;
use crate::actor::message::{Message, kind};
use crate::actor::queue::RunQueue;
use crate::actor::registry::Registry;
use crate::actor::timer::Timers;

/// The first handle given out: skynet's own parts have those below it, so its start service is 8, and people type these numbers.
pub const FIRST_HANDLE: u32 = 8;

/// What a new instance is to be.
pub struct Spawn {
    /// A fixed handle, for the node's own parts; `None` takes the next one.
    pub handle: Option<Handle>,
    /// The script's name.
    pub service: String,
    /// The arguments, joined with spaces.
    pub args: String,
    /// Whether `list` shows it.
    pub listed: bool,
}

/// The hall itself. One per process, shared by all threads.
pub struct Node {
    registry: Registry,
    queue: RunQueue,
    timers: Arc<Timers>,
    clock: Clock,
    living: Mutex<usize>,
    emptied: Condvar,
    stopping: AtomicBool,
    exit_code: AtomicUsize,
    stop_bell: Notify,
    changed: Notify,
    /// Somebody waits for instances.
    awaited: AtomicBool,
}

/// When the node started, on both clocks.
pub struct Clock {
    instant: Instant,
    /// Since the Unix epoch.
    wall: Duration,
}

impl Clock {
    /// Centiseconds since the start, beginning at the fraction of the wall second in which the node started (as skynet counts).
    pub fn now_cs(&self) -> u64 {
        let fraction = Duration::from_nanos(u64::from(self.wall.subsec_nanos()));
        ((fraction + self.instant.elapsed()).as_millis() / 10) as u64
    }

    /// The wall second in which the node started, since the Unix epoch.
    pub fn start_secs(&self) -> u64 {
        self.wall.as_secs()
    }

    /// Nanoseconds since the start.
    pub fn hpc_ns(&self) -> u64 {
        self.instant.elapsed().as_nanos() as u64
    }
}

impl Node {
    /// A node without instances. Its timer thread runs from now on; [`crate::actor::workers::Workers`] are started by the caller.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new() -> std::io::Result<Arc<Node>> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timers = Arc::new(Timers::default());
        let node = Arc::new(Node {
            registry: Registry::new(FIRST_HANDLE),
            queue: RunQueue::default(),
            timers: timers.clone(),
            clock: Clock {
                instant: Instant::now(),
                wall,
            },
            living: Mutex::new(0),
            emptied: Condvar::new(),
            stopping: AtomicBool::new(false),
            exit_code: AtomicUsize::new(0),
            stop_bell: Notify::new(),
            changed: Notify::new(),
            awaited: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&node);
        let fire = move |owner, session| {
            let Some(node) = weak.upgrade() else { return };
            let message = Message {
                source: None,
                session,
                kind: kind::RESPONSE,
                data: Box::default(),
            };
            // The owner may have ended before its timer.
            let _ = node.send(owner, message);
        };
        std::thread::Builder::new()
            .name("timer".into())
            .spawn(move || timers.run(fire))?;
        Ok(node)
    }

    /// The living instances and their names.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn queue(&self) -> &RunQueue {
        &self.queue
    }

    /// Brings an instance into being. Its actor gets nothing until somebody posts to it.
    pub fn spawn(&self, spawn: Spawn, actor: impl FnOnce(Handle) -> Box<dyn Actor>) -> Arc<Instance> {
        self.enter(spawn, actor, |_| None)
    }

    /// Brings an instance into being whose first job lies in its mailbox before anybody else can post to it.
    pub fn spawn_with(
        &self,
        spawn: Spawn,
        actor: impl FnOnce(Handle) -> Box<dyn Actor>,
        first: impl FnOnce(&Arc<Instance>) -> Job,
    ) -> Arc<Instance> {
        let instance = self.enter(spawn, actor, |instance| Some(first(instance)));
        // It begins where the one that made it runs, unless that makes more of them.
        if instance.wake_urgently() {
            self.queue.push(instance.clone());
        }
        instance
    }

    fn enter(
        &self,
        spawn: Spawn,
        actor: impl FnOnce(Handle) -> Box<dyn Actor>,
        first: impl FnOnce(&Arc<Instance>) -> Option<Job>,
    ) -> Arc<Instance> {
        *self.living.lock() += 1;
        self.registry.enter(spawn.handle, |handle| {
            let identity = Identity {
                handle,
                service: spawn.service,
                args: spawn.args,
                listed: spawn.listed,
            };
            let instance = Arc::new(Instance::new(identity, actor(handle)));
            if let Some(job) = first(&instance) {
                // Nobody knows this mailbox yet, so it is open.
                let _ = instance.mailbox.post_job(job);
            }
            instance
        })
    }

    /// Posts a message; gives it back if no living instance has that handle.
    pub fn send(&self, to: Handle, message: Message) -> Result<(), Message> {
        match self.registry.get(to) {
            Some(instance) => self.post(&instance, message),
            None => Err(message),
        }
    }

    /// Posts a message to a known instance; gives it back if that has ended.
    pub fn post(&self, instance: &Arc<Instance>, message: Message) -> Result<(), Message> {
        if let Some(length) = instance.mailbox.post(message)? {
            error!(
                handle = instance.identity.handle.0,
                "error: May overload, message queue length = {length}"
            );
        }
        if instance.wake() {
            self.queue.push(instance.clone());
        } else {
            self.queue.share(instance);
        }
        Ok(())
    }

    /// Posts a message to a name without a dot; it waits if nobody has that name yet. Gives it back if the owner is gone, or too many wait.
    pub fn send_to_name(&self, name: &str, message: Message) -> Result<(), Message> {
        match self.registry.find_or_park(name, message)? {
            Some((handle, message)) => self.send(handle, message),
            None => Ok(()),
        }
    }

    /// Gives a name to a living instance, and what was sent to that name before; false if nobody has that handle, or the name is taken.
    pub fn name(&self, name: &str, handle: Handle) -> bool {
        let Some((instance, posted)) = self.registry.name(name, handle) else {
            return false;
        };
        if posted > 0 && instance.wake() {
            self.queue.push(instance);
        }
        true
    }

    /// Posts a job, which overtakes every message; gives it back if the instance has ended.
    pub fn post_job(&self, instance: &Arc<Instance>, job: Job) -> Result<(), Job> {
        instance.mailbox.post_job(job)?;
        if instance.wake_urgently() {
            self.queue.push_urgent(instance.clone());
        }
        Ok(())
    }

    /// Sets a timer: `owner` gets the answer to its own `session` in `centiseconds`.
    pub fn set_timer(&self, centiseconds: u64, owner: Handle, session: u32) {
        self.timers.set(
            Instant::now() + Duration::from_millis(centiseconds.saturating_mul(10)),
            owner,
            session,
        );
    }

    /// Ends an instance from outside: no message reaches it any more, and whoever waits for it gets an error. False if it lives no more.
    pub fn kill(&self, handle: Handle) -> bool {
        let Some(instance) = self.registry.get(handle) else {
            return false;
        };
        if instance.mailbox.close() {
            self.registry.remove(handle);
            // It may be in a message that never ends: what has not been taken yet is not kept waiting for that.
            self.tell_orphans(handle, instance.mailbox.clear());
        }
        if instance.wake_urgently() {
            self.queue.push_urgent(instance);
        }
        true
    }

    /// An instance has ended: whoever waits for its answer gets an error, so that no caller waits for ever.
    pub(super) fn bury(&self, instance: &Instance, orphans: Vec<(Handle, u32)>) {
        self.registry.remove(instance.identity.handle);
        self.tell_orphans(instance.identity.handle, orphans);
        let mut living = self.living.lock();
        *living -= 1;
        if *living == 0 {
            self.emptied.notify_all();
        }
    }

    fn tell_orphans(&self, ended: Handle, orphans: Vec<(Handle, u32)>) {
        for (to, session) in orphans {
            let error = Message {
                source: Some(ended),
                session,
                kind: kind::ERROR,
                data: Box::default(),
            };
            // A caller that is gone as well needs no answer.
            let _ = self.send(to, error);
        }
    }

    /// Waits until no instance is left, at most `patience`; the number that is left.
    pub fn wait_empty(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let mut living = self.living.lock();
        while *living > 0 && !self.emptied.wait_until(&mut living, deadline).timed_out() {}
        *living
    }

    /// Says that an instance has become reachable for patches; somebody looks if one is awaited.
    pub fn instance_is_reachable(&self) {
        // Whoever says that it waits looks for instances afterwards: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.awaited.load(Ordering::SeqCst) {
            self.announce();
        }
    }

    /// Says whether somebody waits for instances.
    pub fn await_instances(&self, awaited: bool) {
        self.awaited.store(awaited, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Has those looked again who wait for instances, see [`Node::instance_changes`].
    pub fn announce(&self) {
        self.changed.notify_one();
    }

    /// Waits until an instance has become reachable since the last call.
    pub async fn instance_changes(&self) {
        self.changed.notified().await;
    }

    /// Asks for the end of the node, with the exit code of the process. The first code counts.
    pub fn request_stop(&self, exit_code: u8) {
        if !self.stopping.swap(true, Ordering::SeqCst) {
            self.exit_code.store(usize::from(exit_code), Ordering::SeqCst);
        }
        self.stop_bell.notify_one();
    }

    /// Waits until somebody has called [`Node::request_stop`]; the exit code.
    pub async fn stop_requested(&self) -> u8 {
        while !self.stopping.load(Ordering::SeqCst) {
            self.stop_bell.notified().await;
        }
        self.exit_code.load(Ordering::SeqCst) as u8
    }

    /// Stops timers and workers. Instances that still live are lost.
    pub fn stop_threads(&self) {
        self.timers.stop();
        self.queue.stop();
    }
}
