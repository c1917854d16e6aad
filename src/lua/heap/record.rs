//! The whole heap of a VM, written down: every table, every cell, every user value, and what suspended coroutines hold. From this
//! record a change is seen, undone, or carried to every holder.
//!
//! The record lies in a Lua array (the log), since only Lua values keep objects alive; [`Snapshot`] knows what stands where.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};

use crate::lua::heap::seen::Seen;
use crate::lua::heap::{self, Scope, Spot, Visitor};
use crate::lua::layout::Proto;

/// What the log holds, in the order in which it was found.
#[derive(Default)]
pub struct Snapshot {
    /// The objects and their places in the log.
    pub entries: Vec<Entry>,
    /// Every coroutine.
    pub threads: Vec<*mut lua_State>,
    seen: Seen,
    /// Length of the log.
    length: i64,
}

/// One object in the log.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its first place in the log: the object itself. What it holds follows.
    pub place: i64,
}

/// The kinds of objects that hold values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table: its metatable (false if none), then `run` times the value of a key that counts from 1, then `pairs` times key and value.
    Table {
        /// Number of values whose keys are not noted.
        run: u32,
        /// Number of pairs.
        pairs: u32,
    },
    /// A cell, by the first function that was found to have it as upvalue number `upvalue`: its value.
    Cell {
        /// Number of the upvalue, from 1.
        upvalue: c_int,
    },
    /// A full userdata: its metatable (false if none), then its user values.
    Userdata {
        /// Number of user values.
        values: c_int,
    },
    /// The values of one basic type (`LUA_TSTRING`, …), which share a metatable: that metatable (false if none), in the entry's place.
    Type {
        /// Which type.
        of: c_int,
    },
}

impl Entry {
    /// How many fields of a table are noted.
    pub fn fields(self) -> i64 {
        match self.kind {
            Kind::Table { run, pairs } => i64::from(run) + i64::from(pairs),
            _ => 0,
        }
    }

    /// Where the value of a table's field number `number`, from 0, is noted.
    #[inline]
    pub fn value_place(self, number: i64) -> i64 {
        let Kind::Table { run, .. } = self.kind else {
            return self.place;
        };
        let run = i64::from(run);
        if number < run {
            self.place + 2 + number
        } else {
            self.place + 3 + run + 2 * (number - run)
        }
    }

    /// Whether the key of field number `number` is that number plus one, and not noted.
    #[inline]
    pub fn is_in_run(self, number: i64) -> bool {
        matches!(self.kind, Kind::Table { run, .. } if number < i64::from(run))
    }

    /// Pushes the key of a table's field number `number`.
    ///
    /// # Safety
    /// As [`push_noted`].
    pub unsafe fn push_key(self, l: *mut lua_State, log: c_int, number: i64) {
        if self.is_in_run(number) {
            ffi::lua_pushinteger(l, number + 1);
        } else {
            ffi::lua_rawgeti(l, log, self.value_place(number) - 1);
        }
    }
}

/// Stands for nil in the log.
static NIL: u8 = 0;

/// Index of the log in the frames of this module's functions.
const LOG: c_int = 1;
/// Places in the log for a KiB of the heap: a little less than most heaps need, since those not used cost as much.
const PLACES_PER_KIBIBYTE: c_int = 40;

/// Pushes a table for the log, with room for what a heap like this one usually takes.
///
/// # Safety
/// `l` is inside a protected call, with room for a value.
pub unsafe fn push_log(l: *mut lua_State) {
    let kibibytes = ffi::lua_gc(l, ffi::LUA_GCCOUNT);
    ffi::lua_createtable(l, kibibytes.saturating_mul(PLACES_PER_KIBIBYTE), 0);
}

/// Writes down the whole heap. Expects the log, an empty table, as the only value on the stack.
///
/// # Safety
/// `l` is the main thread inside a protected call; the collector is stopped.
pub unsafe fn take(l: *mut lua_State, scope: Scope<'_>, snapshot: &mut Snapshot) {
    let Snapshot {
        entries,
        threads,
        seen,
        length,
    } = snapshot;
    seen.insert(ffi::lua_topointer(l, LOG) as usize);
    let mut recorder = Recorder {
        entries,
        threads,
        length,
    };
    heap::walk(l, scope, seen, &mut recorder);
}

/// A key that lies in no log's array, but could.
const FAR_KEY: i64 = 1 << 30;

/// Gives back the memory of the log at stack index `log`: a service that does nothing collects nothing, and the next log would be made
/// for a heap with this one in it.
///
/// # Safety
/// As [`push_noted`], inside a protected call; the log is the snapshot's, and neither is used any more.
pub unsafe fn release(l: *mut lua_State, log: c_int, snapshot: &Snapshot) {
    let log = ffi::lua_absindex(l, log);
    for place in 1..=snapshot.length {
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, log, place);
    }
    // With a new key the table finds out how much room it needs.
    ffi::lua_pushboolean(l, 1);
    ffi::lua_rawseti(l, log, FAR_KEY);
}

/// Finds every coroutine. Lua's errors jump over this frame, so it owns nothing.
///
/// # Safety
/// As [`take`].
pub unsafe fn threads(l: *mut lua_State, scope: Scope<'_>, seen: &mut Seen, found: &mut Vec<*mut lua_State>) {
    heap::walk(l, scope, seen, &mut Threads { found });
}

struct Threads<'a> {
    found: &'a mut Vec<*mut lua_State>,
}

impl Visitor for Threads<'_> {
    const DEPTH: u32 = 0;
    const EVERY_VALUE: bool = false;

    fn wants(&self, _function: usize, _proto: Option<Proto>) -> bool {
        false
    }

    unsafe fn object(&mut self, l: *mut lua_State, object: c_int, of: c_int) {
        if of == ffi::LUA_TTHREAD {
            self.found.push(ffi::lua_tothread(l, object));
        }
    }

    unsafe fn value(&mut self, _l: *mut lua_State, _holder: c_int, _spot: Spot) {}
}

impl Snapshot {
    /// Whether a table, function or coroutine was there, by its `lua_topointer`.
    pub fn contains(&self, address: usize) -> bool {
        self.seen.contains(address)
    }
}

struct Recorder<'a> {
    entries: &'a mut Vec<Entry>,
    threads: &'a mut Vec<*mut lua_State>,
    length: &'a mut i64,
}

impl Visitor for Recorder<'_> {
    const DEPTH: u32 = 0;
    const EVERY_VALUE: bool = true;

    fn wants(&self, _function: usize, _proto: Option<Proto>) -> bool {
        true
    }

    unsafe fn object(&mut self, l: *mut lua_State, object: c_int, of: c_int) {
        match of {
            ffi::LUA_TTABLE => self.begin(l, object, Kind::Table { run: 0, pairs: 0 }),
            ffi::LUA_TUSERDATA => self.begin(l, object, Kind::Userdata { values: 0 }),
            ffi::LUA_TTHREAD => {
                // In the log, where nothing can collect it.
                self.note(l, object);
                self.threads.push(ffi::lua_tothread(l, object));
            }
            _ => {}
        }
    }

    unsafe fn value(&mut self, l: *mut lua_State, holder: c_int, spot: Spot) {
        match spot {
            Spot::Type(of) => self.begin(l, -1, Kind::Type { of }),
            Spot::Metatable => self.note(l, -1),
            Spot::Pair => self.pair(l),
            Spot::Cell(upvalue) => {
                self.begin(l, holder, Kind::Cell { upvalue });
                self.note(l, -1);
            }
            Spot::UserValue(_) => {
                self.note(l, -1);
                if let Some(Kind::Userdata { values }) = self.entries.last_mut().map(|entry| &mut entry.kind) {
                    *values += 1;
                }
            }
            // Stacks are the program's own business: what a patch exchanges there has a journal of its own.
            Spot::Stack { .. } | Spot::Frame { .. } => {}
        }
    }
}

impl Recorder<'_> {
    /// Appends a copy of the value at `index` to the log.
    #[inline]
    unsafe fn note(&mut self, l: *mut lua_State, index: c_int) {
        if ffi::lua_type(l, index) == ffi::LUA_TNIL {
            push_nil_mark(l);
        } else {
            ffi::lua_pushvalue(l, index);
        }
        *self.length += 1;
        ffi::lua_rawseti(l, LOG, *self.length);
    }

    /// Begins the entry of the object at `index`.
    unsafe fn begin(&mut self, l: *mut lua_State, index: c_int, kind: Kind) {
        self.note(l, index);
        self.entries.push(Entry {
            kind,
            place: *self.length,
        });
    }

    /// Notes key and value in the newest entry, which is the visited table's: objects are visited one after the other.
    unsafe fn pair(&mut self, l: *mut lua_State) {
        if let Some(Kind::Table { run, pairs }) = self.entries.last_mut().map(|entry| &mut entry.kind) {
            let in_run = *pairs == 0
                && ffi::lua_isinteger(l, -2) != 0
                && ffi::lua_tointegerx(l, -2, std::ptr::null_mut()) == i64::from(*run) + 1;
            if in_run {
                *run += 1;
            } else {
                *pairs += 1;
                self.note(l, -2);
            }
            self.note(l, -1);
        }
    }
}

/// Pushes what stands for nil.
///
/// # Safety
/// `l` is live, with room for one value.
pub unsafe fn push_nil_mark(l: *mut lua_State) {
    ffi::lua_pushlightuserdata(l, (&raw const NIL).cast_mut().cast());
}

/// Pushes the value at a place of the log at stack index `log`.
///
/// # Safety
/// `l` is live, with room for one value.
pub unsafe fn push_noted(l: *mut lua_State, log: c_int, place: i64) {
    if ffi::lua_rawgeti(l, log, place) == ffi::LUA_TLIGHTUSERDATA
        && ffi::lua_touserdata(l, -1) == (&raw const NIL).cast_mut().cast::<c_void>()
    {
        ffi::lua_pop(l, 1);
        ffi::lua_pushnil(l);
    }
}

/// Sets the metatable of the object at `object` to the value on top of the stack (a table, or false for none), which is popped.
///
/// # Safety
/// As [`push_noted`]; the metatable of a table or userdata.
pub unsafe fn set_metatable(l: *mut lua_State, object: c_int) {
    if ffi::lua_type(l, -1) != ffi::LUA_TTABLE {
        ffi::lua_pop(l, 1);
        ffi::lua_pushnil(l);
    }
    ffi::lua_setmetatable(l, object);
}
