//! What one VM knows about its place in the node. Reached from any of its coroutines through Lua's extra space, so every function
//! that Lua calls finds it in a nanosecond. Interior mutability throughout: Rust and Lua call each other in turns.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use mlua::ffi::{self, lua_State};
use rustc_hash::{FxHashMap, FxHashSet};
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::instance::{Instance, Live};
use crate::actor::message::Message;
use crate::lua::applied::Applied;
use crate::lua::files::Files;
use crate::lua::host::Host;
use crate::lua::layout::{OwnLines, Proto};

use crate::lua::memory::Memory;
use crate::lua::parent::Parent;
use crate::patch::order::Progress;
use crate::patch::outcome::InstanceReport;

/// Whom a coroutine has to answer.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Who asked; `None` is the node.
    pub source: Option<Handle>,
    /// 0 if no answer is wanted.
    pub session: u32,
    /// The kind of the message, which is that of its protocol.
    pub kind: u8,
}

/// What an error report says about the message during which it happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Occasion {
    /// Who sent the message; 0 is the node.
    pub source: u32,
    /// Its session.
    pub session: u32,
    /// Its size in bytes.
    pub size: usize,
}

/// The state of one instance that is not Lua's.
pub struct Context {
    /// What all instances share.
    pub host: Arc<Host>,
    /// This instance.
    pub instance: Arc<Instance>,
    /// The VM's heap.
    pub memory: Box<Memory>,
    /// The VM's main thread.
    pub main: Cell<*mut lua_State>,
    /// The last session given out.
    pub session: Cell<u32>,
    /// The coroutine that the scheduler resumed; null between messages.
    pub running: Cell<*mut lua_State>,
    /// Whom the running coroutine has to answer.
    pub request: Cell<Option<Request>>,
    /// Whom each suspended coroutine has to answer.
    pub requests: RefCell<FxHashMap<*mut lua_State, Request>>,
    /// Requests that a coroutine has put off (`response`) or forgotten: answered with an error at the latest when the instance ends.
    pub deferred: RefCell<FxHashSet<(Handle, u32)>>,
    /// The coroutine that yields has registered what it waits for.
    pub waits: Cell<bool>,
    /// The coroutine that is resumed was woken before its time.
    pub woken: Cell<bool>,
    /// Forks or wakeups may be queued.
    pub stirred: Cell<bool>,
    /// The instance is to end after this message.
    pub ending: Cell<bool>,
    /// Who waits for the start function to return.
    pub parent: Cell<Option<Parent>>,
    /// `skynet.start` was called, so the instance is ready only when that function has returned.
    pub has_start: Cell<bool>,
    /// The pattern for the modules beside a script that is called `init.lua`.
    pub neighbours: RefCell<Option<String>>,
    /// The script has run to its end.
    pub loaded: Cell<bool>,
    /// The start function has returned, and nobody has acted on it yet.
    pub ready: Cell<bool>,
    /// The message that is being handled.
    pub incoming: UnsafeCell<Option<Message>>,
    /// What an error report calls it.
    pub occasion: Cell<Occasion>,
    /// Buffers that Lua holds as light userdata, by address.
    pub buffers: RefCell<FxHashMap<usize, Box<[u8]>>>,
    /// Where values are packed.
    pub scratch: UnsafeCell<Vec<u8>>,
    /// Idle coroutines.
    pub idle: RefCell<Vec<*mut lua_State>>,
    /// The texts behind the functions that live here.
    pub files: RefCell<Files>,
    /// Lines of functions that have moved: prototypes point there.
    pub own_lines: RefCell<HashMap<Proto, OwnLines>>,
    /// What is withheld while a patch runs; `None` at other times.
    pub trial: RefCell<Option<Trial>>,
    /// The number of the script in [`Context::files`]; `None` until it is loaded.
    pub script: Cell<Option<usize>>,
    /// What is remembered of the patches that are live here.
    pub applied: Applied,
    /// Where it is told how far the order is that is carried out just now.
    pub progress: RefCell<Option<Arc<Progress>>>,
    /// The standing patches below this number were looked at.
    pub caught_up: Cell<u64>,
    /// How those went that were on their way still: the order to apply them comes later.
    pub caught: RefCell<HashMap<u64, InstanceReport>>,
    /// Sessions that other VMs in this place gave out: after the first number and up to the second.
    pub foreign: RefCell<Vec<(u32, u32)>>,
    /// It takes the place of another VM, which goes on if this one does not start.
    pub on_probation: Cell<bool>,
    /// The packed state of that one, until it is taken.
    pub state: RefCell<Option<Box<[u8]>>>,
    /// What it launched meanwhile.
    pub launched: RefCell<Vec<Handle>>,
    /// When what runs has to end, see [`crate::lua::overdue`].
    pub deadline: Cell<Option<Instant>>,
    /// Where it was then, as a traceback, if it had not ended.
    pub overdue: RefCell<Option<String>>,
    text: UnsafeCell<String>,
}

/// What a running patch has done that the heap does not show: it leaves only when the patch is committed.
#[derive(Default)]
pub struct Trial {
    /// What it printed.
    pub output: Vec<u8>,
    /// Messages that it sent.
    pub messages: Vec<(Arc<Instance>, Message)>,
    /// Timers that it set: (centiseconds, session).
    pub timers: Vec<(u64, u32)>,
    /// How many bytes all that is, counted as memory of the VM meanwhile.
    pub withheld: usize,
    /// When its time is up.
    pub deadline: Option<Instant>,
    /// Its time was up.
    pub late: bool,
    /// Keys of tables that a new version of a file could not add.
    pub occupied: Vec<String>,
}

impl Context {
    /// Tells this VM from every other that lives.
    pub fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The context of an instance whose VM is not made yet.
    pub fn new(host: Arc<Host>, instance: Arc<Instance>, parent: Option<Parent>) -> Context {
        Context {
            host,
            instance,
            memory: Box::default(),
            main: Cell::new(std::ptr::null_mut()),
            session: Cell::new(0),
            running: Cell::new(std::ptr::null_mut()),
            request: Cell::new(None),
            requests: RefCell::default(),
            deferred: RefCell::default(),
            waits: Cell::new(false),
            woken: Cell::new(false),
            stirred: Cell::new(false),
            ending: Cell::new(false),
            parent: Cell::new(parent),
            has_start: Cell::new(false),
            neighbours: RefCell::default(),
            loaded: Cell::new(false),
            ready: Cell::new(false),
            incoming: UnsafeCell::new(None),
            occasion: Cell::default(),
            buffers: RefCell::default(),
            scratch: UnsafeCell::default(),
            idle: RefCell::default(),
            files: RefCell::default(),
            own_lines: RefCell::default(),
            trial: RefCell::new(None),
            script: Cell::new(None),
            applied: Applied::default(),
            progress: RefCell::default(),
            caught_up: Cell::new(0),
            caught: RefCell::default(),
            foreign: RefCell::default(),
            on_probation: Cell::new(false),
            state: RefCell::new(None),
            launched: RefCell::default(),
            deadline: Cell::new(None),
            overdue: RefCell::new(None),
            text: UnsafeCell::default(),
        }
    }

    /// This instance's handle.
    pub fn handle(&self) -> Handle {
        self.instance.identity.handle
    }

    /// The next session number: counts from 1, 31 bits, never 0.
    pub fn next_session(&self) -> u32 {
        let next = if self.session.get() >= i32::MAX as u32 {
            1
        } else {
            self.session.get() + 1
        };
        self.session.set(next);
        next
    }

    /// Lets the instance end after the current message.
    pub fn end(&self) {
        if !self.ending.replace(true) && !self.on_probation.get() {
            info!(handle = self.handle().0, "KILL self");
        }
    }

    /// Tells that a patch's own code begins to run, or has come back.
    pub fn tell_progress(&self, runs: bool) {
        if let Some(progress) = &*self.progress.borrow() {
            if runs { progress.run() } else { progress.begin() }
        }
    }

    /// Lets others see this VM: how much memory it has, and which patches are live in it.
    pub fn show(&self) {
        self.instance.counters.count_memory_in(self.memory.count());
        self.tell_live();
    }

    /// Lets others see which patches are live here: of each name the newest. Saved files are in the source itself.
    pub fn tell_live(&self) {
        if self.on_probation.get() {
            return;
        }
        let live = self.applied.live.borrow();
        let mut names = HashSet::new();
        let newest = live
            .iter()
            .rev()
            .filter(|patch| !patch.is_saved() && names.insert(&patch.name));
        let mut told: Vec<Live> = newest
            .map(|patch| Live {
                id: patch.id,
                name: patch.name.clone(),
            })
            .collect();
        told.reverse();
        self.instance.set_live(told);
    }

    /// Whether a patch runs just now.
    pub fn on_trial(&self) -> bool {
        self.trial.borrow().is_some()
    }

    /// Counts something that is withheld until the running patch is committed; false if that is more than the patch may have.
    pub fn withhold(&self, bytes: usize) -> bool {
        let admitted = self.memory.charge(bytes);
        if let (true, Some(trial)) = (admitted, self.trial.borrow_mut().as_mut()) {
            trial.withheld += bytes;
        }
        admitted
    }

    /// Raises while a patch runs: what cannot be withheld nor undone must wait until it is committed.
    ///
    /// # Safety
    /// As [`Context::raise`].
    pub unsafe fn refuse_on_trial(&self, l: *mut lua_State, what: &str) {
        if self.on_trial() {
            let instead = "put it into skynet.fork, which starts once the patch is applied";
            self.raise(l, format_args!("a patch may not {what}; {instead}"));
        }
    }

    /// Where modules are looked for, unless the program has said otherwise.
    pub fn patterns(&self) -> Vec<String> {
        let neighbours = self.neighbours.borrow();
        let mut patterns: Vec<String> = neighbours.iter().cloned().collect();
        patterns.extend(self.host.config.lualib.iter().cloned());
        patterns
    }

    /// Pushes a text of ours: its bytes lie in the scratch buffer meanwhile, so a jump leaves nothing behind.
    ///
    /// # Safety
    /// As [`Context::raise`].
    pub unsafe fn push_text(&self, l: *mut lua_State, text: String) {
        let scratch = &mut *self.scratch.get();
        let start = scratch.len();
        scratch.extend_from_slice(text.as_bytes());
        drop(text);
        ffi::lua_pushlstring(l, scratch.as_ptr().add(start).cast(), scratch.len() - start);
        scratch.truncate(start);
    }

    /// Raises a Lua error: `text`, behind the author's file and line. The text is kept in the context so that no Rust value is
    /// skipped by the jump.
    ///
    /// # Safety
    /// `l` is a live coroutine of this VM, inside a function that Lua called; no value that needs dropping is alive in the caller.
    pub unsafe fn raise(&self, l: *mut lua_State, text: std::fmt::Arguments<'_>) -> ! {
        // SAFETY: nobody else holds a reference into `text`: it is only used here, and formatting calls nothing of ours.
        let buffer = &mut *self.text.get();
        buffer.clear();
        // Writing into a String cannot fail.
        let _ = buffer.write_fmt(text);
        push_author(l);
        ffi::lua_pushlstring(l, buffer.as_ptr().cast(), buffer.len());
        ffi::lua_concat(l, 2);
        ffi::lua_error(l)
    }
}

/// Pushes `file:line: ` of the innermost Lua function that is not the built-in library's, or an empty string.
unsafe fn push_author(l: *mut lua_State) {
    let mut level = 1;
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    while ffi::lua_getstack(l, level, &mut ar) != 0 {
        ffi::lua_getinfo(l, c"Sl".as_ptr(), &mut ar);
        let source = std::slice::from_raw_parts(ar.source.cast::<u8>(), ar.srclen);
        if ar.currentline > 0 && !source.starts_with(b"@hotlua:") {
            ffi::luaL_where(l, level);
            return;
        }
        level += 1;
    }
    ffi::lua_pushstring(l, c"".as_ptr());
}

/// The context of the VM that `l` belongs to.
///
/// # Safety
/// `l` is a live coroutine of a VM made by `vm::open`; the reference is not kept beyond the current call.
pub unsafe fn of<'a>(l: *mut lua_State) -> &'a Context {
    &**ffi::lua_getextraspace(l).cast::<*const Context>()
}
