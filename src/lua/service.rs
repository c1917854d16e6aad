//! The actor around a VM: begins it, hands it messages and patches, ends it.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Next};
use crate::actor::mailbox::Job;
use crate::actor::message::Message;
use crate::lua::apply;
use crate::lua::context::Context;
use crate::lua::coroutines;
use crate::lua::functions::lua_functions;
use crate::lua::launch::Begin;
use crate::lua::scheduler;
use crate::lua::values::{self, Slot};
use crate::lua::vm;
use crate::patch::order::Order;
use crate::patch::outcome::{InstanceReport, Status};

/// One instance of a Lua service.
pub struct Service {
    /// `None` before its first job, and after its end.
    context: Option<Box<Context>>,
    /// Patches that came while the script was still running: they are for what stands at its end.
    early: Vec<Order>,
    /// Patches can reach it, and the node was told so.
    announced: bool,
}

// SAFETY: a context and its VM are reached through this one owner only, and the hall lets one thread at a time call an actor.
unsafe impl Send for Service {}

impl Service {
    /// An instance that has not begun.
    pub fn boxed() -> Box<dyn Actor> {
        Box::new(Service {
            context: None,
            early: Vec::new(),
            announced: false,
        })
    }

    fn begin(&mut self, begin: Begin) -> Next {
        let Begin { host, instance, parent } = begin;
        let context = self.context.insert(Box::new(Context::new(host, instance, parent)));
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
        match order {
            Order::Apply { .. } if !context.loaded.get() => self.early.push(order),
            Order::Apply { patch, reply, .. } => {
                reply(apply::apply(context, &patch));
                // SAFETY: as below. The forks of the patch start when it has been told.
                unsafe { scheduler::protected(context, scheduler::drain_queues) };
            }
            Order::Check { reply, .. } => reply(InstanceReport::new(context.handle().0, Status::Rejected)),
            Order::Rollback { reply, .. } => reply(InstanceReport::new(context.handle().0, Status::Rejected)),
            // SAFETY: the VM is open and idle between two messages.
            Order::Stop => unsafe { scheduler::protected(context, run_stop) },
        }
        self.after_turn()
    }

    /// What is due between two messages.
    fn after_turn(&mut self) -> Next {
        let Some(context) = self.context.as_deref() else {
            return Next::End;
        };
        if context.ending.get() {
            if let Some(parent) = context.parent.take() {
                parent.succeed(&context.host.node, context.handle(), false);
            }
            return Next::End;
        }
        if context.loaded.get() && !self.announced {
            self.announced = true;
            context.host.node.announce();
            for order in std::mem::take(&mut self.early) {
                self.order(order);
            }
            return self.after_turn();
        }
        if context.ready.take() {
            apply::catch_up(context);
            // SAFETY: the VM is open and idle between two messages.
            unsafe { scheduler::protected(context, scheduler::drain_queues) };
            // A patch may have ended it just now.
            let alive = !context.ending.get();
            if let Some(parent) = context.parent.take() {
                parent.succeed(&context.host.node, context.handle(), alive);
            }
            if !alive {
                return Next::End;
            }
        }
        Next::Continue
    }
}

impl Actor for Service {
    fn message(&mut self, message: Message) -> Next {
        let Some(context) = self.context.as_deref() else {
            return Next::End;
        };
        // SAFETY: the VM is open, and this is the one thread that runs it now.
        unsafe { scheduler::handle(context, message) };
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
        // SAFETY: the VM is not running; the context outlives this call.
        unsafe { vm::close(&context) };
        if let Some(parent) = context.parent.take() {
            parent.fail(
                &context.host.node,
                context.handle(),
                "killed before its start function returned".into(),
            );
        }
        let requests = context.requests.borrow();
        let suspended = requests
            .values()
            .filter_map(|request| Some((request.source?, request.session)));
        let mut orphans: Vec<_> = suspended.filter(|(_, session)| *session != 0).collect();
        orphans.extend(context.deferred.borrow().iter().copied());
        orphans
    }
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
        let thread = coroutines::new_coroutine(l, context);
        values::slot(l, Slot::Hooks);
        values::raw_field(l, -1, c"stop");
        ffi::lua_xmove(l, thread, 1);
        ffi::lua_pop(l, 1);
        scheduler::run(l, context, thread);
        0
    }
}

/// Pushes the hook that runs a script, and its arguments: three values for the preload file, three for the script, then the
/// service's own arguments. Their number, with the hook.
unsafe fn push_script(l: *mut lua_State, context: &Context) -> Result<i32, String> {
    let top = ffi::lua_gettop(l);
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
                &context.host.chunks.file(l, &path, &preload.to_string_lossy())?,
            );
        }
        None => ffi::lua_settop(l, top + 4),
    }
    let script = vm::script(l, context)?;
    set_globals(l, context, &script);
    context.script.set(Some(vm::push_main(l, context, &script.chunk)));
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
    if let Some(pattern) = &script.neighbours {
        ffi::lua_getglobal(l, c"package".as_ptr());
        values::push(l, pattern.as_bytes());
        values::push(l, b";");
        values::raw_field(l, -3, c"path");
        ffi::lua_concat(l, 3);
        ffi::lua_setfield(l, -2, c"path".as_ptr());
        ffi::lua_pop(l, 1);
    }
}
