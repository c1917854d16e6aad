//! The actor around a VM: begins it, hands it messages and patches, ends it.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::ffi::{self, lua_State};
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Next};
use crate::actor::mailbox::Job;
use crate::actor::message::Message;
use crate::lua::apply::rollback::roll_back;
use crate::lua::apply::{self, Outcome, in_flight};
use crate::lua::context::Context;
use crate::lua::coroutines;
use crate::lua::functions::lua_functions;
use crate::lua::launch::Begin;
use crate::lua::restart::{self, Restart};
use crate::lua::scheduler;
use crate::lua::values::{self, Slot};
use crate::lua::vm;
use crate::patch::order::{Order, Patch, Progress, Reply};
use crate::patch::outcome::{InstanceReport, Status};

/// One instance of a Lua service.
pub struct Service {
    /// `None` before its first job, and after its end.
    context: Option<Box<Context>>,
    /// Patches that came while the script was still running, or while another one waits: they are for what stands then.
    early: VecDeque<Order>,
    /// A patch that waits for a suspended function to go on.
    waiting: Option<Waiting>,
    /// Patches can reach it, and the node was told so.
    announced: bool,
    /// Its start function has returned.
    started: bool,
    /// It begins anew: `context` is the new VM.
    restart: Option<Restart>,
    /// What was held back meanwhile and is handled before anything else.
    due: VecDeque<Message>,
}

/// A patch that waits for a suspended function to go on.
struct Waiting {
    patch: Arc<Patch>,
    reply: Reply,
    progress: Arc<Progress>,
    /// When it is refused.
    deadline: Instant,
    /// When it is tried next, should there be a message then.
    next: Instant,
}

/// The shortest time between two attempts of a patch that waits.
const RETRY: Duration = Duration::from_millis(5);

// SAFETY: a context and its VM are reached through this one owner only, and the hall lets one thread at a time call an actor.
unsafe impl Send for Service {}

impl Service {
    /// An instance that has not begun.
    pub fn boxed() -> Box<dyn Actor> {
        Box::new(Service {
            context: None,
            early: VecDeque::new(),
            waiting: None,
            announced: false,
            started: false,
            restart: None,
            due: VecDeque::new(),
        })
    }

    fn begin(&mut self, begin: Begin) -> Next {
        let Begin { host, instance, parent } = begin;
        let context = self.context.insert(Box::new(Context::new(host, instance, parent)));
        context.show();
        let identity = &context.instance.identity;
        info!(handle = identity.handle.0, "LAUNCH snlua {}", identity.command_line());
        // SAFETY: the context is boxed and closed in `end` before it is dropped.
        let opened = unsafe { vm::open(context) };
        match opened {
            // SAFETY: the VM is open and idle.
            Ok(()) => unsafe { scheduler::protected(context, run_script) },
            Err(why) => fail_to_load(context, why),
        }
        self.after_turn()
    }

    fn order(&mut self, order: Order) -> Next {
        let Some(context) = self.context.as_deref() else {
            return Next::End;
        };
        let for_later = !context.loaded.get() || self.waiting.is_some() || self.restart.is_some();
        match order {
            Order::Stop if self.restart.is_some() => return self.stop_old(),
            Order::Stop => {}
            Order::Restart { reply, .. } if !self.started && self.restart.is_none() => {
                reply(unstarted(context));
                return Next::Continue;
            }
            _ if for_later => {
                self.early.push_back(order);
                return Next::Continue;
            }
            _ => {}
        }
        match order {
            Order::Apply { patch, reply, progress } => {
                progress.begin();
                let deadline = Instant::now() + context.host.config.in_flight_wait;
                self.attempt(Waiting {
                    patch,
                    reply,
                    progress,
                    deadline,
                    next: deadline,
                });
            }
            Order::Check { patch, reply, progress } => {
                progress.begin();
                reply(apply::check(context, &patch));
            }
            Order::Rollback {
                rollback,
                reply,
                progress,
            } => {
                progress.begin();
                *context.progress.borrow_mut() = Some(progress);
                let report = roll_back(context, &rollback);
                *context.progress.borrow_mut() = None;
                reply(report);
                // SAFETY: the VM is open and idle between two messages. A patch's last will may have forked.
                unsafe { scheduler::protected(context, scheduler::drain_queues) };
            }
            Order::Restart { reply, progress } => {
                progress.begin();
                return self.begin_again(reply, &progress);
            }
            // SAFETY: the VM is open and idle between two messages.
            Order::Stop => unsafe { scheduler::protected(context, run_stop) },
        }
        self.after_turn()
    }

    /// Tries to apply a patch; it waits if something suspended stands against it and there is time.
    fn attempt(&mut self, waiting: Waiting) {
        let Some(context) = self.context.as_deref() else { return };
        let began = Instant::now();
        *context.progress.borrow_mut() = Some(waiting.progress.clone());
        let outcome = apply::apply(context, &waiting.patch);
        *context.progress.borrow_mut() = None;
        let report = match outcome {
            Outcome::Wait(_) if began < waiting.deadline => {
                waiting.progress.wait();
                let next = Instant::now() + RETRY.max(began.elapsed() * 10);
                let next = next.min(waiting.deadline);
                let rest = next.saturating_duration_since(Instant::now());
                // The timer's own message finds nobody who waits for it; that it comes is what matters.
                context
                    .host
                    .node
                    .set_timer(centiseconds(rest), context.handle(), context.next_session());
                self.waiting = Some(Waiting { next, ..waiting });
                return;
            }
            Outcome::Told(report) | Outcome::Wait(report) => report,
        };
        (waiting.reply)(report);
        // SAFETY: the VM is open and idle between two messages. The forks of the patch start when it has been told.
        unsafe { scheduler::protected(context, scheduler::drain_queues) };
    }

    /// What waited for its turn: a patch that is tried again, and those behind it.
    fn go_on(&mut self) {
        if let Some(waiting) = self.waiting.take_if(|waiting| Instant::now() >= waiting.next) {
            waiting.progress.begin();
            self.attempt(waiting);
        }
        while self.waiting.is_none()
            && self.restart.is_none()
            && self.context.as_deref().is_some_and(|context| context.loaded.get())
            && let Some(order) = self.early.pop_front()
        {
            self.order(order);
        }
    }

    /// A new VM takes the place of the old one, if it starts.
    fn begin_again(&mut self, reply: Reply, progress: &Progress) -> Next {
        let Some(old) = self.context.take() else {
            return Next::End;
        };
        match Restart::begin(old, reply, progress) {
            Err(old) => self.context = Some(old),
            Ok((restart, new)) => {
                self.restart = Some(restart);
                let context = self.context.insert(new);
                // SAFETY: the VM is open and idle.
                unsafe { scheduler::protected(context, run_script) };
            }
        }
        self.after_turn()
    }

    /// Hands a message to the VM that starts in another one's place, if it is part of the start.
    fn message_meanwhile(&mut self, message: Message) -> Next {
        if let (Some(restart), Some(context)) = (&mut self.restart, self.context.as_deref())
            && let Some(message) = restart.hold(context, message)
        {
            // SAFETY: the VM is open, and this is the one thread that runs it now.
            unsafe { scheduler::handle(context, message) };
        }
        self.after_turn()
    }

    /// The node stops while it begins anew: what ran before has something to stop.
    fn stop_old(&mut self) -> Next {
        let (Some(restart), Some(new)) = (self.restart.take(), self.context.take()) else {
            return Next::End;
        };
        restart.give_up("the node stops");
        let (context, held) = restart.end(new);
        let context = self.context.insert(context);
        // SAFETY: the VM is open and idle between two messages.
        unsafe { scheduler::protected(context, run_stop) };
        self.catch_up(held)
    }

    /// Ends a restart: the new VM goes on, or the old one, with what was held back for it.
    fn end_restart(&mut self) -> Next {
        let (Some(restart), Some(new)) = (self.restart.take(), self.context.take()) else {
            return Next::End;
        };
        let (context, held) = restart.end(new);
        self.context = Some(context);
        self.go_on();
        self.catch_up(held)
    }

    /// Handles what was held back, in the order in which it came. Whoever asked gets an error if the instance ends before.
    fn catch_up(&mut self, mut held: VecDeque<Message>) -> Next {
        held.append(&mut self.due);
        self.due = held;
        let mut next = self.after_turn();
        while next == Next::Continue
            && let Some(message) = self.due.pop_front()
        {
            if let Some(context) = &self.context {
                context.instance.mailbox.handles(&message);
            }
            next = self.message(message);
        }
        next
    }

    /// What is due between two messages.
    fn after_turn(&mut self) -> Next {
        let Some(context) = self.context.as_deref() else {
            return Next::End;
        };
        if context.ending.get() && self.restart.is_some() {
            if let Some(parent) = context.parent.take() {
                parent.succeed(&context.host.node, context.handle(), false);
            }
            return self.end_restart();
        }
        if context.ending.get() {
            if let Some(parent) = context.parent.take() {
                parent.succeed(&context.host.node, context.handle(), false);
            }
            return Next::End;
        }
        if context.loaded.get() && !self.announced {
            self.announced = true;
            context.host.node.instance_is_reachable();
            self.go_on();
            return self.after_turn();
        }
        if context.ready.take() {
            if self.restart.is_some() {
                // It has its peers' patches once it has caught up, or is told as behind again.
                context.instance.forget_behind();
            }
            apply::catch_up(context);
            // SAFETY: the VM is open and idle between two messages.
            unsafe { scheduler::protected(context, scheduler::drain_queues) };
            // A patch may have ended it just now.
            let alive = !context.ending.get();
            if let Some(parent) = context.parent.take() {
                parent.succeed(&context.host.node, context.handle(), alive);
            }
            self.started = true;
            coroutines::settle(context);
            if !alive && self.restart.is_none() {
                return Next::End;
            }
        }
        match &self.restart {
            Some(restart) if restart.is_over(context) => self.end_restart(),
            _ => Next::Continue,
        }
    }
}

/// The answer to an order to restart what has not started yet.
fn unstarted(context: &Context) -> InstanceReport {
    InstanceReport {
        error: Some("its start function has not returned yet".to_owned()),
        ..InstanceReport::new(context.handle().0, Status::Rejected)
    }
}

impl Actor for Service {
    fn message(&mut self, message: Message) -> Next {
        if self.restart.is_some() {
            return self.message_meanwhile(message);
        }
        let Some(context) = self.context.as_deref() else {
            return Next::End;
        };
        // SAFETY: the VM is open, and this is the one thread that runs it now.
        unsafe { scheduler::handle(context, message) };
        in_flight::sweep(context);
        if self.waiting.is_some() {
            self.go_on();
        }
        self.after_turn()
    }

    fn job(&mut self, job: Job) -> Next {
        match job.downcast::<Begin>() {
            Ok(begin) => self.begin(*begin),
            Err(job) => match job.downcast::<Order>() {
                Ok(order) => self.order(*order),
                Err(_) => Next::Continue,
            },
        }
    }

    fn end(&mut self) -> Vec<(Handle, u32)> {
        let Some(context) = self.context.take() else {
            return Vec::new();
        };
        let mut orphans = restart::close(&context);
        if let Some(parent) = context.parent.take() {
            parent.fail(
                &context.host.node,
                context.handle(),
                "killed before its start function returned".into(),
            );
        }
        if let Some(restart) = self.restart.take() {
            orphans.extend(restart.abandon());
        }
        orphans.extend(restart::orphans(&self.due));
        orphans
    }
}

/// Longer than this, in the unit of timers: one that came too early would come in vain.
fn centiseconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(10) as u64 + 1
}

fn fail_to_load(context: &Context, why: String) {
    info!(handle = context.handle().0, "lua loader error : {why}");
    if let Some(parent) = context.parent.take() {
        parent.fail(&context.host.node, context.handle(), why);
    }
    context.end();
}

lua_functions! {
    /// Runs the service's script, after the preload file, in a coroutine.
    fn run_script(l, context) {
        let thread = coroutines::new_coroutine(l, context);
        match push_script(l, context) {
            Ok(count) => {
                if ffi::lua_checkstack(thread, count) == 0 {
                    context.raise(l, format_args!("too many arguments"));
                }
                ffi::lua_xmove(l, thread, count);
                scheduler::run(l, context, thread);
            }
            Err(why) => fail_to_load(context, why),
        }
        0
    }

    /// Runs what the service registered for the end of the node.
    fn run_stop(l, context) {
        values::slot(l, Slot::Hooks);
        if values::raw_field(l, -1, c"stop") == ffi::LUA_TNIL {
            // Nobody asked to be told.
            context.end();
            return 0;
        }
        let thread = coroutines::new_coroutine(l, context);
        ffi::lua_insert(l, -2);
        ffi::lua_xmove(l, thread, 1);
        scheduler::run(l, context, thread);
        0
    }
}

/// Pushes the hook that runs a script, and its arguments: three values for the preload file, three for the script, then the
/// service's own arguments. Their number, with the hook.
unsafe fn push_script(l: *mut lua_State, context: &Context) -> Result<i32, String> {
    let top = ffi::lua_gettop(l);
    let script = vm::script(l, context)?;
    set_globals(l, context, &script);
    values::slot(l, Slot::Hooks);
    values::raw_field(l, -1, c"script");
    ffi::lua_remove(l, -2);
    // The node's own parts are not the user's to prepare.
    match context
        .host
        .config
        .preload
        .as_ref()
        .filter(|_| context.instance.identity.listed)
    {
        Some(preload) => {
            let path = context.host.config.base.join(preload);
            vm::push_main(
                l,
                context,
                &vm::load(l, context, &path, &preload.to_string_lossy())?,
                None,
            );
        }
        None => ffi::lua_settop(l, top + 4),
    }
    context.script.set(Some(vm::push_main(l, context, &script.chunk, None)));
    for word in context.instance.identity.args.split_whitespace() {
        ffi::luaL_checkstack(l, 2, std::ptr::null());
        values::push(l, word.as_bytes());
    }
    Ok(ffi::lua_gettop(l) - top)
}

/// Sets `SERVICE_NAME` and `SERVICE_PATH`, and lets `require` find the neighbours of a script called `init.lua`.
unsafe fn set_globals(l: *mut lua_State, context: &Context, script: &vm::Script) {
    values::push(l, context.instance.identity.service.as_bytes());
    ffi::lua_setglobal(l, c"SERVICE_NAME".as_ptr());
    let label = script.chunk.label.as_bytes();
    let folder = label
        .iter()
        .rposition(|&b| b == b'/')
        .map_or(&b""[..], |slash| &label[..=slash]);
    values::push(l, folder);
    ffi::lua_setglobal(l, c"SERVICE_PATH".as_ptr());
    *context.neighbours.borrow_mut() = script.neighbours.clone();
}
