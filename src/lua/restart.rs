//! A restart in place: a new VM takes the place of an instance's old one, which is kept until the new one has started, and goes on
//! if it does not.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use mlua::ffi;
use parking_lot::Mutex;
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::lua::apply::step::protected;
use crate::lua::codec;
use crate::lua::context::Context;
use crate::lua::overdue;
use crate::lua::parent::Parent;
use crate::lua::values::{self, Slot};
use crate::lua::vm;
use crate::patch::order::{Progress, Reply};
use crate::patch::outcome::{InstanceReport, Status};

/// A restart that is under way.
pub struct Restart {
    /// The VM that ran before.
    pub old: Box<Context>,
    /// What has come meanwhile and is not part of the start, in the order in which it came: the VM that goes on gets it.
    held: VecDeque<Message>,
    reply: Reply,
    began: Instant,
    /// When the start has to be over.
    deadline: Instant,
    /// The last session that the old VM gave out.
    last: u32,
    had_state: bool,
    /// How the start function ended.
    outcome: Arc<Mutex<Option<Result<(), String>>>>,
}

impl Restart {
    /// Takes the state out of the old VM and opens the new one, whose script has not begun yet.
    ///
    /// # Errors
    /// Back comes the old VM, which goes on; the reply has been given.
    pub fn begin(
        old: Box<Context>,
        reply: Reply,
        progress: &Progress,
    ) -> Result<(Restart, Box<Context>), Box<Context>> {
        let began = Instant::now();
        let limit = old.host.config.restart_limit;
        // SAFETY: the VM is open and idle between two messages.
        let state = match unsafe { save(&old, began + limit) } {
            Ok(_) if old.ending.get() => {
                reply(failed(&old, began, "hotfix.save has ended the service (skynet.exit)"));
                return Err(old);
            }
            Ok(state) => state,
            Err(why) => {
                reply(failed(&old, began, &format!("hotfix.save: {why}")));
                return Err(old);
            }
        };
        let outcome = Arc::new(Mutex::new(None));
        let tell = outcome.clone();
        let parent = Parent::Caller(Box::new(move |started| {
            *tell.lock() = Some(started.and_then(|alive| match alive {
                Some(_) => Ok(()),
                None => Err("it ended itself (skynet.exit) while it started".to_owned()),
            }));
        }));
        let new = Box::new(Context::new(old.host.clone(), old.instance.clone(), Some(parent)));
        new.on_probation.set(true);
        // What the old VM still waits for is never taken for an answer to the new one.
        let last = old.session.get();
        new.session.set(last);
        new.foreign.borrow_mut().push((0, last));
        let had_state = state.is_some();
        *new.state.borrow_mut() = state;
        // SAFETY: the context is boxed, and closed before it is dropped.
        if let Err(why) = unsafe { vm::open(&new) } {
            close(&new);
            reply(failed(&old, began, &why));
            return Err(old);
        }
        progress.start();
        let deadline = Instant::now() + limit;
        // SAFETY: the VM is open and idle.
        unsafe { overdue::watch(&new, deadline) };
        // The timer's own message finds nobody who waits for it; that it comes is what matters.
        let centiseconds = limit.as_millis().div_ceil(10) as u64 + 1;
        old.host.node.set_timer(centiseconds, old.handle(), new.next_session());
        let restart = Restart {
            old,
            held: VecDeque::new(),
            reply,
            began,
            deadline,
            last,
            had_state,
            outcome,
        };
        Ok((restart, new))
    }

    /// Keeps a message that is not part of the start; gives it back if it is: an answer that the new VM waits for, a request of its own or of a
    /// service that it has launched. All others wait: before the start is over nobody knows which of the two VMs has to count them.
    pub fn hold(&mut self, new: &Context, message: Message) -> Option<Message> {
        let is_own = message.source == Some(new.handle()) && message.session > self.last;
        let is_part = match message.kind {
            // SAFETY: the VM is open and idle between two messages.
            kind::RESPONSE | kind::ERROR => unsafe { awaits(new, message.session) },
            _ => is_own || message.source.is_some_and(|from| new.launched.borrow().contains(&from)),
        };
        if is_part {
            return Some(message);
        }
        new.instance.mailbox.keeps(&message);
        self.held.push_back(message);
        None
    }

    /// Whether the start is over: it has succeeded, failed, or taken too long.
    pub fn is_over(&self, new: &Context) -> bool {
        let mut outcome = self.outcome.lock();
        // What was stopped has not done its work, though those that it returned to may have gone on.
        let was_stopped = new.overdue.borrow().is_some();
        if was_stopped || outcome.is_none() && Instant::now() >= self.deadline {
            let limit = new.host.config.restart_limit;
            let why = format!("its start function has not returned within {limit:?} (hotfix.restart_limit)");
            // SAFETY: the VM is open and idle between two messages.
            let place = unsafe { place(new) };
            *outcome = Some(Err(place.map_or(why.clone(), |place| format!("{why}\n{place}"))));
        }
        outcome.is_some()
    }

    /// Gives the start up, with a reason, unless it is over.
    pub fn give_up(&self, why: &str) {
        self.outcome.lock().get_or_insert(Err(why.to_owned()));
    }

    /// Ends it: one of the two VMs is closed; the other, and what was held back for it.
    pub fn end(mut self, new: Box<Context>) -> (Box<Context>, VecDeque<Message>) {
        // Closing a VM runs what the service has put there: the lock is not held meanwhile.
        let outcome = self.outcome.lock().take();
        match outcome {
            Some(Ok(())) => {
                bury(&self.old);
                new.on_probation.set(false);
                new.launched.take();
                // SAFETY: the VM is open and idle between two messages.
                unsafe { overdue::forget(&new) };
                new.show();
                (self.reply)(renewed(&new, self.began, self.had_state));
                // What answers the old VM is nobody's business.
                self.held.retain(|message| {
                    let is_answer = matches!(message.kind, kind::RESPONSE | kind::ERROR);
                    if is_answer {
                        new.instance.mailbox.handles(message);
                    }
                    !is_answer
                });
                (new, self.held)
            }
            failure => {
                let why = failure.and_then(Result::err).unwrap_or_default();
                self.old.foreign.borrow_mut().push((self.last, new.session.get()));
                self.old.session.set(new.session.get());
                bury(&new);
                kill_launched(&new);
                (self.reply)(failed(&self.old, self.began, &why));
                (self.old, self.held)
            }
        }
    }

    /// The instance ends meanwhile: the requests that nobody will answer.
    pub fn abandon(self) -> Vec<(Handle, u32)> {
        close(&self.old).into_iter().chain(orphans(&self.held)).collect()
    }
}

/// The requests among messages that nobody will handle, as (source, session).
pub fn orphans(messages: &VecDeque<Message>) -> impl Iterator<Item = (Handle, u32)> {
    let asked = messages.iter().filter(|message| message.wants_answer());
    asked.filter_map(|message| Some((message.source?, message.session)))
}

fn renewed(new: &Context, began: Instant, had_state: bool) -> InstanceReport {
    let has_taken = new.state.take().is_none();
    let mut report = InstanceReport::new(new.handle().0, Status::Applied);
    report.micros = began.elapsed().as_micros() as u64;
    if !had_state {
        report
            .notes
            .push("without state: the service provides no hotfix.save".to_owned());
    } else if !has_taken {
        report
            .notes
            .push("without state: the new code provides no hotfix.restore".to_owned());
    }
    report
}

/// Ends what a start that failed has launched: the code that goes on knows nothing of it.
fn kill_launched(new: &Context) {
    for child in new.launched.take() {
        if new.host.node.kill(child) {
            info!(handle = new.handle().0, "KILL :{:x}", child.0);
        }
    }
}

/// Closes a VM whose instance lives on; whoever waits for an answer of it gets an error.
fn bury(context: &Context) {
    for (to, session) in close(context) {
        let error = Message {
            source: Some(context.handle()),
            session,
            kind: kind::ERROR,
            data: Box::default(),
        };
        // Whoever asked may have ended meanwhile.
        let _ = context.host.node.send(to, error);
    }
}

/// Closes a VM; the requests that it leaves unanswered, as (source, session).
pub fn close(context: &Context) -> Vec<(Handle, u32)> {
    // SAFETY: the VM is not running; the context outlives this call.
    unsafe { vm::close(context) };
    let requests = context.requests.borrow();
    let suspended = requests
        .values()
        .filter_map(|request| Some((request.source?, request.session)));
    let mut orphans: Vec<_> = suspended.filter(|(_, session)| *session != 0).collect();
    orphans.extend(context.deferred.borrow().iter().copied());
    orphans
}

fn failed(old: &Context, began: Instant, why: &str) -> InstanceReport {
    let (message, traceback) = match why.split_once("\nstack traceback:\n") {
        Some((message, traceback)) => (message, Some(traceback.to_owned())),
        None => (why, None),
    };
    InstanceReport {
        error: Some(message.to_owned()),
        traceback,
        micros: began.elapsed().as_micros() as u64,
        ..InstanceReport::new(old.handle().0, Status::Failed)
    }
}

/// What `hotfix.save` returns, packed; `None` if the service provides none.
unsafe fn save(context: &Context, deadline: Instant) -> Result<Option<Box<[u8]>>, String> {
    let mut state = None;
    overdue::watch(context, deadline);
    let saved = protected(context, &mut |l| {
        values::slot(l, Slot::Hooks);
        if values::raw_field(l, -1, c"save") == ffi::LUA_TFUNCTION {
            let first = ffi::lua_gettop(l);
            ffi::lua_call(l, 0, ffi::LUA_MULTRET);
            let start = codec::pack(l, context, first);
            state = Some(codec::take(context, start));
        }
        Ok(())
    });
    overdue::forget(context);
    saved.map(|()| state)
}

/// Whether a VM waits for the answer to a session.
unsafe fn awaits(context: &Context, session: u32) -> bool {
    let l = context.main.get();
    values::slot(l, Slot::Sessions);
    let waiting = ffi::lua_rawgeti(l, -1, i64::from(session));
    ffi::lua_pop(l, 2);
    waiting != ffi::LUA_TNIL
}

/// Where the start of a VM is, as a traceback.
unsafe fn place(context: &Context) -> Option<String> {
    let stopped = context.overdue.borrow().clone();
    if stopped.is_some() {
        return stopped;
    }
    overdue::forget(context);
    let mut place = None;
    // A service that does not know where it is is told without.
    let _ = protected(context, &mut |l| {
        values::slot(l, Slot::Core);
        values::raw_field(l, -1, c"start_thread");
        let thread = ffi::lua_tothread(l, -1);
        if !thread.is_null() {
            ffi::luaL_traceback(l, thread, std::ptr::null(), 0);
            place = values::text(l, -1);
        }
        Ok(())
    });
    place
}
