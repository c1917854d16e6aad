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

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::lua::apply::step::protected;
use crate::lua::codec;
use crate::lua::context::Context;
use crate::lua::parent::Parent;
use crate::lua::values::{self, Slot};
use crate::lua::vm;
use crate::patch::order::{Progress, Reply, START_LIMIT};
use crate::patch::outcome::{InstanceReport, Status};

/// A restart that is under way.
pub struct Restart {
    /// The VM that ran before.
    pub old: Box<Context>,
    /// Answers for the old VM: it gets them if it goes on.
    answers: VecDeque<Message>,
    /// Requests that the new VM cannot take yet.
    requests: VecDeque<Message>,
    reply: Reply,
    began: Instant,
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
        // SAFETY: the VM is open and idle between two messages.
        let state = match unsafe { save(&old) } {
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
        new.session.set(old.session.get());
        new.foreign.set((0, old.session.get()));
        let had_state = state.is_some();
        *new.state.borrow_mut() = state;
        // SAFETY: the context is boxed, and closed before it is dropped.
        if let Err(why) = unsafe { vm::open(&new) } {
            reply(failed(&old, began, &why));
            return Err(old);
        }
        progress.start();
        let node = &old.host.node;
        node.set_timer(
            START_LIMIT.as_millis() as u64 / 10 + 1,
            old.handle(),
            new.next_session(),
        );
        let restart = Restart {
            old,
            answers: VecDeque::new(),
            requests: VecDeque::new(),
            reply,
            began,
            had_state,
            outcome,
        };
        Ok((restart, new))
    }

    /// Keeps a message that the new VM is not to get (yet); gives it back if it is.
    pub fn hold(&mut self, new: &Context, message: Message) -> Option<Message> {
        // SAFETY: the VM is open and idle between two messages.
        let is_taken = unsafe { takes(new, &message) };
        match message.kind {
            _ if is_taken && self.requests.is_empty() => return Some(message),
            kind::RESPONSE | kind::ERROR if is_taken => return Some(message),
            kind::RESPONSE | kind::ERROR => self.answers.push_back(message),
            _ => self.requests.push_back(message),
        }
        None
    }

    /// The next request that was held back and can be taken now.
    pub fn next(&mut self, new: &Context) -> Option<Message> {
        // SAFETY: as above.
        let is_taken = self
            .requests
            .front()
            .is_some_and(|message| unsafe { takes(new, message) });
        if is_taken { self.requests.pop_front() } else { None }
    }

    /// Whether the start is over: it has succeeded, failed, or taken too long.
    pub fn is_over(&self) -> bool {
        let mut outcome = self.outcome.lock();
        if outcome.is_none() && self.began.elapsed() >= START_LIMIT {
            let limit = START_LIMIT.as_secs();
            *outcome = Some(Err(format!("its start function has not returned within {limit} s")));
        }
        outcome.is_some()
    }

    /// Ends it: one of the two VMs is closed; the other, and what was held back for it.
    pub fn end(mut self, new: Box<Context>) -> (Box<Context>, VecDeque<Message>) {
        match self.outcome.lock().take() {
            Some(Ok(())) => {
                bury(&self.old);
                new.on_probation.set(false);
                new.show();
                new.instance.forget_behind();
                (self.reply)(renewed(&new, self.began, self.had_state));
                (new, self.requests)
            }
            failure => {
                let why = failure.and_then(Result::err).unwrap_or_default();
                self.old.foreign.set((self.old.session.get(), new.session.get()));
                self.old.session.set(new.session.get());
                bury(&new);
                (self.reply)(failed(&self.old, self.began, &why));
                self.answers.extend(self.requests);
                (self.old, self.answers)
            }
        }
    }

    /// The instance ends meanwhile: the requests that nobody will answer.
    pub fn abandon(self) -> Vec<(Handle, u32)> {
        let held = self.requests.into_iter().filter(Message::wants_answer);
        let held = held.filter_map(|message| Some((message.source?, message.session)));
        close(&self.old).into_iter().chain(held).collect()
    }
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
unsafe fn save(context: &Context) -> Result<Option<Box<[u8]>>, String> {
    let mut state = None;
    protected(context, &mut |l| {
        values::slot(l, Slot::Hooks);
        if values::raw_field(l, -1, c"save") == ffi::LUA_TFUNCTION {
            let first = ffi::lua_gettop(l);
            ffi::lua_call(l, 0, ffi::LUA_MULTRET);
            let start = codec::pack(l, context, first);
            state = Some(codec::take(context, start));
        }
        Ok(())
    })?;
    Ok(state)
}

/// Whether a VM that starts can take a message: an answer that it waits for, a request of a protocol that it serves already.
unsafe fn takes(context: &Context, message: &Message) -> bool {
    let l = context.main.get();
    let top = ffi::lua_gettop(l);
    let is_taken = match message.kind {
        kind::RESPONSE | kind::ERROR => {
            values::slot(l, Slot::Sessions);
            ffi::lua_rawgeti(l, -1, i64::from(message.session)) != ffi::LUA_TNIL
        }
        kind => {
            values::slot(l, Slot::Proto);
            ffi::lua_rawgeti(l, -1, i64::from(kind)) == ffi::LUA_TTABLE
                && values::raw_field(l, -1, c"dispatch") == ffi::LUA_TFUNCTION
        }
    };
    ffi::lua_settop(l, top);
    is_taken
}
