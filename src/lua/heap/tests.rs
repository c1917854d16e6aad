//! What a survey finds, what a journal switches and takes back: in VMs of their own, with and without a look at tables in memory.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod bench;
mod deep;
mod holders;
mod memory;
mod record;
mod writes;

use std::ffi::{CString, c_int};

use mlua::ffi::{self, lua_State};

use crate::lua::heap::Scope;
use crate::lua::heap::survey::{self, SiteSlot, Survey, Wanted};
use crate::lua::layout::{self, InMemory};
use crate::lua::memory::{Memory, allocate};
use crate::lua::switch::{Journal, Lists};
use crate::lua::values::{self, Slot};

/// A VM with the function `old`, which is to be switched to `new`. Both stand on its stack, with the lists of survey and journal.
struct Vm {
    l: *mut lua_State,
    memory: Box<Memory>,
    proof: Option<InMemory>,
    journal: Journal,
}

const OLD: c_int = 1;
const NEW: c_int = 2;
const LIST: c_int = 3;
const JOURNAL: c_int = 4;

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
    fn new(text: &str, in_memory: bool) -> Vm {
        let memory = Box::<Memory>::default();
        // SAFETY: the VM is this test's alone, and what raises runs inside `lua_pcall`.
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
    fn run(&self, text: &str) {
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
    fn protected(&mut self, mut step: impl FnMut(*mut lua_State, &mut Vm)) -> bool {
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
    fn scope(&self) -> Scope<'static> {
        Scope {
            own: &[],
            in_memory: self.proof,
        }
    }

    /// Looks for the function at a stack index.
    fn find(&mut self, function: c_int) -> Survey {
        let mut survey = Survey::default();
        assert!(self.try_find(function, &mut survey), "the survey raises no error");
        survey
    }

    fn try_find(&mut self, function: c_int, survey: &mut Survey) -> bool {
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

    /// Switches every site to `new`; how many there were, or `None` if it raised.
    fn switch(&mut self, survey: &Survey) -> Option<usize> {
        let mut switched = 0;
        let whole = self.protected(|l, vm| {
            for &site in &survey.sites {
                let lists = Lists {
                    survey: LIST,
                    journal: JOURNAL,
                };
                // SAFETY: this is the protected call, and nothing in its frames needs dropping.
                switched += usize::from(unsafe { vm.journal.switch(l, lists, survey, site, NEW) });
            }
        });
        whole.then_some(switched)
    }

    fn undo(&mut self) -> bool {
        self.protected(|l, vm| {
            // SAFETY: as above.
            unsafe { vm.journal.undo(l, JOURNAL) };
        })
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: nobody uses the VM any more.
        unsafe { ffi::lua_close(self.l) };
    }
}

/// What holds a function, in short.
fn kinds(survey: &Survey) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = survey
        .sites
        .iter()
        .map(|site| match site.slot {
            SiteSlot::Field { .. } => "field",
            SiteSlot::Key => "key",
            SiteSlot::Cell { .. } => "cell",
            SiteSlot::UserValue(_) => "user value",
            SiteSlot::Stack { level: -1, .. } => "start",
            SiteSlot::Stack { local, .. } if local < 0 => "vararg",
            SiteSlot::Stack { .. } => "stack",
        })
        .collect();
    kinds.sort_unstable();
    kinds
}

/// A slot that the tests use for what is not the program's.
const OWN: Slot = Slot::Work;
