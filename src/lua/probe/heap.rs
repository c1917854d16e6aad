//! A heap of one's own, to be walked.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CString, c_int};

use mlua::ffi::{self, lua_State};

use crate::lua::changes::Changes;
use crate::lua::heap::Scope;
use crate::lua::heap::record::{self, Snapshot};
use crate::lua::heap::survey::{self, Survey, Wanted};
use crate::lua::layout::{self, InMemory};
use crate::lua::memory::{Memory, allocate};
use crate::lua::switch::Journal;
use crate::lua::values;

/// A VM with the function `old`, which is to be switched to `new`. Both stand on its stack, with the lists of survey and journal.
pub struct Vm {
    /// Its main thread.
    pub(in crate::lua) l: *mut lua_State,
    /// Its heap.
    pub(in crate::lua) memory: Box<Memory>,
    /// Allows to look at tables and frames as they lie in memory.
    pub(in crate::lua) proof: Option<InMemory>,
    /// What was switched in it.
    pub journal: Journal,
    snapshot: Snapshot,
}

/// Index of the function `old` on the stack.
pub const OLD: c_int = 1;
/// Of `new`.
pub const NEW: c_int = 2;
/// Of the survey's list.
pub const LIST: c_int = 3;
/// Of the journal's list.
pub const JOURNAL: c_int = 4;

/// Makes what the tests' Lua code is given: an userdata with two user values, and a function that makes C closures.
const PRELUDE: &str = "
    old, userdata, closure = ...
    trap = {}
    for _, event in ipairs {'index', 'newindex', 'pairs', 'len', 'eq', 'call', 'lt', 'le', 'concat', 'close', 'tostring', 'unm'} do
        trap['__' .. event] = function() sprung = event error(event) end
    end
    setmetatable(trap, trap)
    function suspended(body, ...) local co = coroutine.create(body) assert(coroutine.resume(co, ...)) return co end
    plain = setmetatable({1, 2.5, 'x', true, x = 1, y = 'z'}, trap)";

unsafe extern "C-unwind" fn make_closure(l: *mut lua_State) -> c_int {
    ffi::lua_pushcclosure(l, make_closure, ffi::lua_gettop(l));
    1
}

impl Vm {
    /// A VM in which `text` has put `old` somewhere; the collector is stopped.
    pub fn new(text: &str, in_memory: bool) -> Vm {
        let memory = Box::<Memory>::default();
        // SAFETY: the VM is ours alone, and what raises runs inside `lua_pcall`.
        unsafe {
            let l = ffi::lua_newstate(allocate, (&raw const *memory).cast_mut().cast(), 1);
            ffi::luaL_openlibs(l);
            ffi::luaL_loadstring(l, c"return 'old'".as_ptr());
            ffi::luaL_loadstring(l, c"return 'new'".as_ptr());
            ffi::lua_newtable(l);
            ffi::lua_newtable(l);
            let proof = layout::check_in_memory(l).filter(|_| in_memory);
            assert_eq!(proof.is_some(), in_memory, "the layout is proved");
            let vm = Vm {
                l,
                memory,
                proof,
                journal: Journal::default(),
                snapshot: Snapshot::default(),
            };
            vm.run(PRELUDE);
            vm.run(text);
            // Only what the text has made holds the function.
            vm.run("old, suspended, closure, userdata = nil");
            ffi::lua_gc(l, ffi::LUA_GCCOLLECT);
            ffi::lua_gc(l, ffi::LUA_GCSTOP);
            vm
        }
    }

    /// Runs Lua code with what the prelude is given as arguments.
    pub(in crate::lua) fn run(&self, text: &str) {
        let text = CString::new(text).expect("a text");
        // SAFETY: as above.
        unsafe {
            assert_eq!(
                ffi::luaL_loadstring(self.l, text.as_ptr()),
                ffi::LUA_OK,
                "{:?}",
                self.top()
            );
            ffi::lua_pushvalue(self.l, OLD);
            ffi::lua_newuserdatauv(self.l, 0, 2);
            ffi::lua_pushcfunction(self.l, make_closure);
            assert_eq!(ffi::lua_pcall(self.l, 3, 0, 0), ffi::LUA_OK, "{:?}", self.top());
        }
    }

    fn top(&self) -> String {
        // SAFETY: as above.
        unsafe { values::describe(self.l, -1) }
    }

    /// Runs a step on the first four values of the stack, protected; whether it did not raise.
    pub(in crate::lua) fn protected(&mut self, mut step: impl FnMut(*mut lua_State, &mut Vm)) -> bool {
        unsafe extern "C-unwind" fn call(l: *mut lua_State) -> c_int {
            let step = ffi::lua_touserdata(l, JOURNAL + 1).cast::<&mut dyn FnMut()>();
            ffi::lua_settop(l, JOURNAL);
            // SAFETY: `protected` waits for this call, with the step in its frame.
            (*step)();
            0
        }
        let l = self.l;
        let mut step = || step(l, self);
        let mut step: &mut dyn FnMut() = &mut step;
        // SAFETY: as above.
        unsafe {
            ffi::lua_pushcfunction(l, call);
            for index in OLD..=JOURNAL {
                ffi::lua_pushvalue(l, index);
            }
            ffi::lua_pushlightuserdata(l, (&raw mut step).cast());
            let status = ffi::lua_pcall(l, JOURNAL + 1, 0, 0);
            ffi::lua_settop(l, JOURNAL);
            status == ffi::LUA_OK
        }
    }

    /// Of walks in which nothing is ours.
    pub(in crate::lua) fn scope(&self) -> Scope<'static> {
        Scope {
            own: &[],
            in_memory: self.proof,
        }
    }

    /// Looks for the function at a stack index.
    pub(in crate::lua) fn find(&mut self, function: c_int) -> Survey {
        let mut survey = Survey::default();
        assert!(self.try_find(function, &mut survey), "the survey raises no error");
        survey
    }

    pub(in crate::lua) fn try_find(&mut self, function: c_int, survey: &mut Survey) -> bool {
        let mut wanted = Wanted::default();
        // SAFETY: as above.
        unsafe {
            wanted.functions.insert(ffi::lua_topointer(self.l, function) as usize);
            ffi::lua_newtable(self.l);
            ffi::lua_replace(self.l, LIST);
        }
        self.protected(|l, vm| {
            let scope = vm.scope();
            // SAFETY: this is the protected call; the survey is not in its frames.
            unsafe { survey::find(l, LIST, scope, &wanted, survey) };
        })
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.memory.used()
    }

    /// Looks for `old` in all of the heap; how many places hold it.
    pub fn survey(&mut self) -> usize {
        self.find(OLD).sites.len()
    }

    /// Lets the collector go through all of the heap.
    pub fn collect(&self) {
        // SAFETY: as above.
        unsafe { ffi::lua_gc(self.l, ffi::LUA_GCCOLLECT) };
    }

    /// Forgets what was found and written down before.
    pub fn forget(&mut self) {
        self.snapshot = Snapshot::default();
        // SAFETY: as above.
        unsafe {
            ffi::lua_newtable(self.l);
            ffi::lua_replace(self.l, LIST);
        }
        self.run("log = false");
        self.collect();
    }

    /// Writes all of the heap down.
    pub fn record(&mut self) {
        let mut snapshot = Snapshot::default();
        let done = self.protected(|l, vm| {
            let scope = vm.scope();
            // SAFETY: this is the protected call; the snapshot is not in its frames.
            unsafe {
                ffi::lua_settop(l, 0);
                record::push_log(l);
                ffi::lua_pushvalue(l, 1);
                ffi::lua_setglobal(l, c"log".as_ptr());
                record::take(l, scope, &mut snapshot);
            }
        });
        assert!(done, "the record raises no error");
        self.snapshot = snapshot;
    }

    /// Compares the heap with what was written down; how many places differ.
    pub fn compare(&mut self) -> usize {
        let snapshot = std::mem::take(&mut self.snapshot);
        let mut changes = Changes::default();
        let done = self.protected(|l, _| {
            // SAFETY: as above.
            unsafe {
                ffi::lua_settop(l, 0);
                ffi::lua_getglobal(l, c"log".as_ptr());
                ffi::lua_newtable(l);
                changes.find(l, &snapshot);
            }
        });
        assert!(done, "the comparison raises no error");
        self.snapshot = snapshot;
        changes.all.len()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: nobody uses the VM any more.
        unsafe { ffi::lua_close(self.l) };
    }
}
