//! Finding functions: every one that is wanted, every place that holds one, and every suspended coroutine that is in the middle of
//! one. Nothing is changed; `switch` does that, when it is decided.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::lua::heap::seen::Seen;
use crate::lua::heap::{self, Scope, Spot, Visitor};
use crate::lua::layout::{self, Proto};

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Functions, by `lua_topointer`.
    pub functions: FxHashSet<usize>,
    /// Every Lua function of these prototypes.
    pub protos: FxHashSet<Proto>,
}

/// What was found. The objects themselves lie in a Lua list, which keeps them alive; a place is an index in it.
#[derive(Default)]
pub struct Survey {
    /// Every wanted function that is alive, once.
    pub closures: Vec<Closure>,
    /// Every place that holds one. Keys come last: where one is changed its value must not be looked for under the old one afterwards.
    pub sites: Vec<Site>,
    /// Suspended coroutines in the middle of one.
    pub frames: Vec<Frame>,
    /// Tables that suspended coroutines have on their stacks, by `lua_topointer`: a loop may be traversing them.
    pub on_stacks: FxHashSet<usize>,
    seen: Seen,
    /// Indices in `closures`, by address.
    known: FxHashMap<usize, usize>,
    /// Places of other objects, by address.
    holders: FxHashMap<usize, i64>,
    /// Length of the list.
    length: i64,
}

/// A wanted function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// Its `lua_topointer`.
    pub address: usize,
    /// Its prototype; `None` for a C function.
    pub proto: Option<Proto>,
    /// Place of the function itself.
    pub place: i64,
}

/// A place that holds a wanted function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Index in [`Survey::closures`].
    pub closure: usize,
    /// Place of the object that holds it.
    pub holder: i64,
    /// Where in that object.
    pub slot: SiteSlot,
}

/// Where an object holds a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteSlot {
    /// As the value of a table's field.
    Field {
        /// Place of the key.
        key: i64,
    },
    /// As a key of a table.
    Key,
    /// In a cell, which the holder (a function) has as this upvalue. Each cell is found once.
    Cell {
        /// Number of the upvalue, from 1.
        upvalue: c_int,
    },
    /// As a user value of a userdata.
    UserValue(c_int),
    /// In a stack slot of a coroutine.
    Stack {
        /// The frame, from 0 (innermost); -1 for a coroutine that has not started.
        level: c_int,
        /// The local's number as `lua_getlocal` counts (negative: vararg), or the stack index if it has not started.
        local: c_int,
    },
}

/// A suspended coroutine in the middle of a wanted function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index in [`Survey::closures`].
    pub closure: usize,
    /// Place of the coroutine.
    pub thread: i64,
    /// The frame, from 0 (innermost).
    pub level: c_int,
    /// The line that it is at; -1 if unknown.
    pub line: c_int,
}

/// Looks for functions; what is found goes into `survey`, which must be empty, and into the table at `list`, likewise.
///
/// # Safety
/// `l` is the main thread inside a protected call, which does not own the survey; the collector is stopped until the list is used no
/// more.
pub unsafe fn find(l: *mut lua_State, list: c_int, scope: Scope<'_>, wanted: &Wanted, survey: &mut Survey) {
    let list = ffi::lua_absindex(l, list);
    let Survey {
        closures,
        sites,
        frames,
        on_stacks,
        seen,
        known,
        holders,
        length,
    } = survey;
    seen.insert(ffi::lua_topointer(l, list) as usize);
    let mut finder = Finder {
        wanted,
        list,
        closures,
        sites,
        frames,
        on_stacks,
        known,
        holders,
        length,
    };
    heap::walk(l, scope, seen, &mut finder);
    survey.sites.sort_by_key(|site| site.slot == SiteSlot::Key);
}

impl Survey {
    /// Whether the walk met a table, function or coroutine, by its `lua_topointer`.
    pub fn contains(&self, address: usize) -> bool {
        self.seen.contains(address)
    }

    /// The index in [`Survey::closures`] of a function, by its `lua_topointer`.
    pub fn closure(&self, address: usize) -> Option<usize> {
        self.known.get(&address).copied()
    }

    /// Whether a suspended loop may be traversing the table in which the function is a key, so that this must not change.
    ///
    /// # Safety
    /// `l` is live, with room for a value; `list` is the table that [`find`] filled.
    pub unsafe fn is_traversed(&self, l: *mut lua_State, list: c_int, site: Site) -> bool {
        if site.slot != SiteSlot::Key || self.on_stacks.is_empty() {
            return false;
        }
        ffi::lua_rawgeti(l, list, site.holder);
        let table = ffi::lua_topointer(l, -1) as usize;
        ffi::lua_pop(l, 1);
        self.on_stacks.contains(&table)
    }
}

/// Fills a [`Survey`], whose parts these are.
struct Finder<'a> {
    wanted: &'a Wanted,
    list: c_int,
    closures: &'a mut Vec<Closure>,
    sites: &'a mut Vec<Site>,
    frames: &'a mut Vec<Frame>,
    on_stacks: &'a mut FxHashSet<usize>,
    known: &'a mut FxHashMap<usize, usize>,
    holders: &'a mut FxHashMap<usize, i64>,
    length: &'a mut i64,
}

impl Visitor for Finder<'_> {
    const DEPTH: u32 = 100;
    const EVERY_VALUE: bool = false;

    fn wants(&self, function: usize, proto: Option<Proto>) -> bool {
        proto.is_some_and(|proto| self.wanted.protos.contains(&proto)) || self.wanted.functions.contains(&function)
    }

    unsafe fn object(&mut self, _l: *mut lua_State, _object: c_int, _of: c_int) {}

    unsafe fn value(&mut self, l: *mut lua_State, holder: c_int, spot: Spot) {
        match spot {
            Spot::Type(_) | Spot::Metatable => {}
            Spot::Pair => {
                if let Some(closure) = self.closure(l, -1) {
                    let key = self.note(l, -2);
                    self.site(l, holder, closure, SiteSlot::Field { key });
                }
                if let Some(closure) = self.closure(l, -2) {
                    self.site(l, holder, closure, SiteSlot::Key);
                }
            }
            Spot::Cell(upvalue) => self.single(l, holder, SiteSlot::Cell { upvalue }),
            Spot::UserValue(number) => self.single(l, holder, SiteSlot::UserValue(number)),
            Spot::Stack { level, local } => {
                if level >= 0
                    && ffi::lua_type(l, -1) == ffi::LUA_TTABLE
                    && ffi::lua_status(ffi::lua_tothread(l, holder)) == ffi::LUA_YIELD
                {
                    self.on_stacks.insert(ffi::lua_topointer(l, -1) as usize);
                }
                self.single(l, holder, SiteSlot::Stack { level, local });
            }
            Spot::Frame { level, line } => self.frame(l, holder, level, line),
        }
    }
}

impl Finder<'_> {
    /// Notes the place of the value on top of the stack, if it is wanted.
    unsafe fn single(&mut self, l: *mut lua_State, holder: c_int, slot: SiteSlot) {
        if let Some(closure) = self.closure(l, -1) {
            self.site(l, holder, closure, slot);
        }
    }

    unsafe fn site(&mut self, l: *mut lua_State, holder: c_int, closure: usize, slot: SiteSlot) {
        let holder = self.holder(l, holder);
        self.sites.push(Site { closure, holder, slot });
    }

    unsafe fn frame(&mut self, l: *mut lua_State, holder: c_int, level: c_int, line: c_int) {
        if ffi::lua_status(ffi::lua_tothread(l, holder)) != ffi::LUA_YIELD {
            return;
        }
        let Some(closure) = self.closure(l, -1) else {
            return;
        };
        let thread = self.holder(l, holder);
        self.frames.push(Frame {
            closure,
            thread,
            level,
            line,
        });
    }

    /// The index of the function at `index` if it is wanted.
    unsafe fn closure(&mut self, l: *mut lua_State, index: c_int) -> Option<usize> {
        if ffi::lua_type(l, index) != ffi::LUA_TFUNCTION {
            return None;
        }
        let address = ffi::lua_topointer(l, index) as usize;
        let proto = layout::proto_of(l, index);
        if !self.wants(address, proto) {
            return None;
        }
        if let Some(&known) = self.known.get(&address) {
            return Some(known);
        }
        let place = self.note(l, index);
        self.closures.push(Closure { address, proto, place });
        self.known.insert(address, self.closures.len() - 1);
        Some(self.closures.len() - 1)
    }

    unsafe fn holder(&mut self, l: *mut lua_State, index: c_int) -> i64 {
        let address = ffi::lua_topointer(l, index) as usize;
        if let Some(&place) = self.holders.get(&address) {
            return place;
        }
        let place = self.note(l, index);
        self.holders.insert(address, place);
        place
    }

    /// Puts the value at `index` into the list.
    unsafe fn note(&mut self, l: *mut lua_State, index: c_int) -> i64 {
        ffi::lua_pushvalue(l, index);
        ffi::lua_rawseti(l, self.list, *self.length + 1);
        *self.length += 1;
        *self.length
    }
}
