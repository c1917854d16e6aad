//! The whole heap of a VM, written down: every table, every cell, every user value, and what suspended coroutines hold. From this
//! record a change is seen, undone, or carried to every holder. Only raw access: no metamethod of the program runs.
//!
//! The record lies in a Lua array (the log), since only Lua values keep objects alive; [`Snapshot`] knows what stands where.
//! The collector is stopped meanwhile; even so Lua collects when memory runs out, and only what is in the log keeps its address then.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};
use rustc_hash::FxHashSet;

use crate::lua::values::{self, Slot};

/// What the log holds, in the order in which it was found.
#[derive(Default)]
pub struct Snapshot {
    /// The objects and their places in the log.
    pub entries: Vec<Entry>,
    /// Every coroutine.
    pub threads: Vec<*mut lua_State>,
    /// Tables that suspended coroutines have on their stacks: a loop may be traversing them.
    pub on_stacks: FxHashSet<usize>,
    seen: FxHashSet<usize>,
    /// Length of the log.
    length: i64,
    /// Length of the list of objects that are found and not yet visited.
    open: i64,
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
    /// A table: its metatable (false if none), then `pairs` times key and value.
    Table {
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
    /// A stack slot of a suspended coroutine: its value, a function.
    Stack {
        /// The frame, from 0 (innermost); -1 for a coroutine that has not started.
        level: c_int,
        /// The local's number as `lua_getlocal` counts (negative: vararg), or the stack index if it has not started.
        local: c_int,
    },
    /// The values of one basic type (`LUA_TSTRING`, …), which share a metatable: that metatable (false if none), in the entry's place.
    Type {
        /// Which type.
        of: c_int,
    },
    /// A function that a suspended coroutine is in the middle of: the function.
    Frame {
        /// The frame, from 0 (innermost).
        level: c_int,
    },
}

/// Stands for nil in the log.
static NIL: u8 = 0;

/// Index of the log in the frames of this module's functions.
const LOG: c_int = 1;
/// Index of the list of open objects, likewise.
const OPEN: c_int = 2;

/// Writes down the whole heap. Expects the log and an empty table as the only values on the stack.
///
/// # Safety
/// `l` is the main thread inside a protected call; the collector is stopped.
pub unsafe fn take(l: *mut lua_State, snapshot: &mut Snapshot) {
    ffi::luaL_checkstack(l, 32, std::ptr::null());
    for own in [LOG, OPEN] {
        snapshot.seen.insert(ffi::lua_topointer(l, own) as usize);
    }
    for own in [Slot::Work, Slot::Joins] {
        values::slot(l, own);
        snapshot.seen.insert(ffi::lua_topointer(l, -1) as usize);
    }
    ffi::lua_settop(l, OPEN);
    // The main thread's stack holds this work and nothing of the program's.
    ffi::lua_pushthread(l);
    snapshot.seen.insert(ffi::lua_topointer(l, -1) as usize);
    ffi::lua_settop(l, OPEN);
    push_roots(l, snapshot);
    while snapshot.open > 0 {
        ffi::lua_rawgeti(l, OPEN, snapshot.open);
        snapshot.open -= 1;
        visit(l, snapshot);
        ffi::lua_settop(l, OPEN);
    }
}

unsafe fn push_roots(l: *mut lua_State, snapshot: &mut Snapshot) {
    ffi::lua_pushvalue(l, ffi::LUA_REGISTRYINDEX);
    found(l, snapshot);
    for of in [
        ffi::LUA_TNIL,
        ffi::LUA_TBOOLEAN,
        ffi::LUA_TNUMBER,
        ffi::LUA_TSTRING,
        ffi::LUA_TLIGHTUSERDATA,
        ffi::LUA_TFUNCTION,
        ffi::LUA_TTHREAD,
    ] {
        push_sample(l, of);
        if ffi::lua_getmetatable(l, -1) == 0 {
            ffi::lua_pushboolean(l, 0);
        }
        begin(l, snapshot, -1, Kind::Type { of });
        found(l, snapshot);
    }
    ffi::lua_settop(l, OPEN);
}

/// Pushes some value of a basic type.
///
/// # Safety
/// `l` is live, with room for one value.
pub unsafe fn push_sample(l: *mut lua_State, of: c_int) {
    match of {
        ffi::LUA_TBOOLEAN => ffi::lua_pushboolean(l, 0),
        ffi::LUA_TNUMBER => ffi::lua_pushinteger(l, 0),
        ffi::LUA_TSTRING => drop(ffi::lua_pushstring(l, c"".as_ptr())),
        ffi::LUA_TLIGHTUSERDATA => push_nil_mark(l),
        ffi::LUA_TFUNCTION => ffi::lua_pushcfunction(l, nothing),
        ffi::LUA_TTHREAD => drop(ffi::lua_pushthread(l)),
        _ => ffi::lua_pushnil(l),
    }
}

unsafe extern "C-unwind" fn nothing(_l: *mut lua_State) -> c_int {
    0
}

/// Takes the value on top of the stack: an object that is not known yet is put on the list.
unsafe fn found(l: *mut lua_State, snapshot: &mut Snapshot) {
    let holds = matches!(
        ffi::lua_type(l, -1),
        ffi::LUA_TTABLE | ffi::LUA_TFUNCTION | ffi::LUA_TUSERDATA | ffi::LUA_TTHREAD
    );
    if holds && snapshot.seen.insert(ffi::lua_topointer(l, -1) as usize) {
        snapshot.open += 1;
        ffi::lua_rawseti(l, OPEN, snapshot.open);
    } else {
        ffi::lua_pop(l, 1);
    }
}

/// Pushes what stands for nil.
///
/// # Safety
/// `l` is live, with room for one value.
pub unsafe fn push_nil_mark(l: *mut lua_State) {
    ffi::lua_pushlightuserdata(l, (&raw const NIL).cast_mut().cast());
}

/// Appends a copy of the value at `index` to the log.
unsafe fn note(l: *mut lua_State, snapshot: &mut Snapshot, index: c_int) {
    if ffi::lua_type(l, index) == ffi::LUA_TNIL {
        push_nil_mark(l);
    } else {
        ffi::lua_pushvalue(l, index);
    }
    snapshot.length += 1;
    ffi::lua_rawseti(l, LOG, snapshot.length);
}

/// Begins the entry of the object at `index`; its kind is settled with [`Snapshot::entries`] by the caller.
unsafe fn begin(l: *mut lua_State, snapshot: &mut Snapshot, index: c_int, kind: Kind) -> usize {
    note(l, snapshot, index);
    snapshot.entries.push(Entry {
        kind,
        place: snapshot.length,
    });
    snapshot.entries.len() - 1
}

unsafe fn visit(l: *mut lua_State, snapshot: &mut Snapshot) {
    let object = OPEN + 1;
    match ffi::lua_type(l, object) {
        ffi::LUA_TTABLE => visit_table(l, snapshot, object),
        ffi::LUA_TFUNCTION => visit_function(l, snapshot, object),
        ffi::LUA_TUSERDATA => visit_userdata(l, snapshot, object),
        _ => visit_thread(l, snapshot, ffi::lua_tothread(l, object), object),
    }
}

unsafe fn note_metatable(l: *mut lua_State, snapshot: &mut Snapshot, object: c_int) {
    if ffi::lua_getmetatable(l, object) == 0 {
        ffi::lua_pushboolean(l, 0);
    }
    note(l, snapshot, -1);
    found(l, snapshot);
}

unsafe fn visit_table(l: *mut lua_State, snapshot: &mut Snapshot, object: c_int) {
    let entry = begin(l, snapshot, object, Kind::Table { pairs: 0 });
    note_metatable(l, snapshot, object);
    let mut pairs = 0;
    ffi::lua_pushnil(l);
    while ffi::lua_next(l, object) != 0 {
        note(l, snapshot, -2);
        note(l, snapshot, -1);
        pairs += 1;
        found(l, snapshot);
        ffi::lua_pushvalue(l, -1);
        found(l, snapshot);
    }
    snapshot.entries[entry].kind = Kind::Table { pairs };
}

unsafe fn visit_function(l: *mut lua_State, snapshot: &mut Snapshot, object: c_int) {
    let mut upvalue = 1;
    while !ffi::lua_getupvalue(l, object, upvalue).is_null() {
        if snapshot.seen.insert(ffi::lua_upvalueid(l, object, upvalue) as usize) {
            begin(l, snapshot, object, Kind::Cell { upvalue });
            note(l, snapshot, -1);
        }
        found(l, snapshot);
        upvalue += 1;
    }
}

unsafe fn visit_userdata(l: *mut lua_State, snapshot: &mut Snapshot, object: c_int) {
    let entry = begin(l, snapshot, object, Kind::Userdata { values: 0 });
    note_metatable(l, snapshot, object);
    let mut values = 0;
    while ffi::lua_getiuservalue(l, object, values + 1) != ffi::LUA_TNONE {
        note(l, snapshot, -1);
        found(l, snapshot);
        values += 1;
    }
    snapshot.entries[entry].kind = Kind::Userdata { values };
}

unsafe fn visit_thread(l: *mut lua_State, snapshot: &mut Snapshot, thread: *mut lua_State, object: c_int) {
    // In the log, where nothing can collect it.
    note(l, snapshot, object);
    snapshot.threads.push(thread);
    if ffi::lua_checkstack(thread, 4) == 0 {
        return;
    }
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    if ffi::lua_getstack(thread, 0, &mut ar) == 0 {
        // Not started: the function and its arguments. (Ended: nothing.)
        for index in 1..=ffi::lua_gettop(thread) {
            ffi::lua_pushvalue(thread, index);
            note_stack(
                l,
                snapshot,
                thread,
                object,
                Kind::Stack {
                    level: -1,
                    local: index,
                },
            );
        }
        return;
    }
    let suspended = ffi::lua_status(thread) == ffi::LUA_YIELD;
    let mut level = 0;
    while ffi::lua_getstack(thread, level, &mut ar) != 0 {
        ffi::lua_getinfo(thread, c"f".as_ptr(), &mut ar);
        ffi::lua_xmove(thread, l, 1);
        if suspended && ffi::lua_iscfunction(l, -1) == 0 {
            begin(l, snapshot, object, Kind::Frame { level });
            note(l, snapshot, -1);
        }
        found(l, snapshot);
        for step in [1, -1] {
            let mut local = step;
            while !ffi::lua_getlocal(thread, &ar, local).is_null() {
                note_stack(l, snapshot, thread, object, Kind::Stack { level, local });
                local += step;
            }
        }
        level += 1;
    }
}

/// Takes the value on top of another thread's stack; a function is noted with the slot that it was copied from.
unsafe fn note_stack(l: *mut lua_State, snapshot: &mut Snapshot, from: *mut lua_State, object: c_int, kind: Kind) {
    ffi::lua_xmove(from, l, 1);
    if ffi::lua_type(l, -1) == ffi::LUA_TTABLE {
        snapshot.on_stacks.insert(ffi::lua_topointer(l, -1) as usize);
    }
    if ffi::lua_type(l, -1) == ffi::LUA_TFUNCTION {
        begin(l, snapshot, object, kind);
        note(l, snapshot, -1);
    }
    found(l, snapshot);
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

/// Pushes what a stack slot of a suspended coroutine holds now; false, with nothing pushed, if it is not there any more (a patch may
/// have resumed the coroutine).
///
/// # Safety
/// `l` is live, with room for one value; `thread` is another coroutine that does not run.
pub unsafe fn push_stack(l: *mut lua_State, thread: *mut lua_State, level: c_int, local: c_int) -> bool {
    if ffi::lua_checkstack(thread, 2) == 0 {
        return false;
    }
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    if level < 0 {
        let waits = ffi::lua_status(thread) == ffi::LUA_OK && ffi::lua_getstack(thread, 0, &mut ar) == 0;
        if !waits || local > ffi::lua_gettop(thread) {
            return false;
        }
        ffi::lua_pushvalue(thread, local);
    } else if ffi::lua_getstack(thread, level, &mut ar) == 0 || ffi::lua_getlocal(thread, &ar, local).is_null() {
        return false;
    }
    ffi::lua_xmove(thread, l, 1);
    true
}

/// Sets a stack slot to the value on top of `l`, which is popped.
///
/// # Safety
/// [`push_stack`] has just found the slot.
pub unsafe fn set_stack(l: *mut lua_State, thread: *mut lua_State, level: c_int, local: c_int) {
    ffi::lua_xmove(l, thread, 1);
    if level < 0 {
        ffi::lua_replace(thread, local);
        return;
    }
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    if ffi::lua_getstack(thread, level, &mut ar) == 0 || ffi::lua_setlocal(thread, &ar, local).is_null() {
        ffi::lua_pop(thread, 1);
    }
}

/// The line at which a coroutine is in a frame, if that is still a frame of the function on top of `l` (popped).
///
/// # Safety
/// As [`push_stack`].
pub unsafe fn line_in(l: *mut lua_State, thread: *mut lua_State, level: c_int) -> Option<c_int> {
    let mut ar: ffi::lua_Debug = std::mem::zeroed();
    let there = ffi::lua_checkstack(thread, 2) != 0 && ffi::lua_getstack(thread, level, &mut ar) != 0;
    if there {
        ffi::lua_getinfo(thread, c"fl".as_ptr(), &mut ar);
        ffi::lua_xmove(thread, l, 1);
    } else {
        ffi::lua_pushnil(l);
    }
    let same = ffi::lua_rawequal(l, -1, -2) != 0;
    ffi::lua_pop(l, 2);
    same.then_some(ar.currentline)
}
