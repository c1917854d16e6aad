//! What differs between what was noted before and the heap now, and taking it back. Noted is the whole heap, or just the places that a
//! patch of definitions writes.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::heap;
use crate::lua::heap::record::{self, Entry, Kind, Snapshot};

/// One place that holds another value than in the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Which place of the object.
    pub place: Place,
    /// First of four places in the list of changes: the value before, the value now, the key, the object that holds it.
    pub values: i64,
}

/// Places behind [`Change::values`].
pub const NOW: i64 = 1;
/// See [`NOW`].
pub const KEY: i64 = 2;
/// See [`NOW`].
pub const HOLDER: i64 = 3;

/// A place in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field of a table; the key is in the list of changes.
    Field,
    /// The metatable of a table or userdata.
    Metatable,
    /// The metatable of all values of a basic type.
    Type(c_int),
    /// The value of a cell, which the object (a function) has as this upvalue.
    Cell {
        /// Its number, from 1.
        upvalue: c_int,
    },
    /// A user value of a userdata.
    UserValue(c_int),
}

/// Index of the log in the frames of this module's functions.
pub const LOG: c_int = 1;
/// Index of the list of changes, likewise.
pub const LIST: c_int = 2;

/// The changes since a snapshot. Their values lie in a Lua list.
#[derive(Default)]
pub struct Changes {
    /// All changes, in the order of the snapshot.
    pub all: Vec<Change>,
    length: i64,
}

impl Changes {
    /// Finds every change. Expects the log and a list (empty, or of an earlier search, which is overwritten) as the first values on the stack.
    ///
    /// # Safety
    /// `l` is the main thread inside a protected call; the snapshot is the log's; the collector is stopped.
    pub unsafe fn find(&mut self, l: *mut lua_State, snapshot: &Snapshot) {
        ffi::luaL_checkstack(l, 16, std::ptr::null());
        self.all.clear();
        self.length = 0;
        for entry in &snapshot.entries {
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LOG, entry.place);
            match entry.kind {
                Kind::Table { .. } => self.compare_table(l, *entry),
                Kind::Cell { upvalue } => {
                    ffi::lua_getupvalue(l, -1, upvalue);
                    self.compare(l, Place::Cell { upvalue }, entry.place + 1);
                }
                Kind::Userdata { values } => {
                    self.compare_metatable(l, Place::Metatable, entry.place + 1);
                    for value in 1..=values {
                        ffi::lua_getiuservalue(l, LIST + 1, value);
                        self.compare(l, Place::UserValue(value), entry.place + 1 + i64::from(value));
                    }
                }
                Kind::Type { of } => {
                    ffi::lua_settop(l, LIST);
                    heap::push_sample(l, of);
                    self.compare_metatable(l, Place::Type(of), entry.place);
                }
            }
        }
        ffi::lua_settop(l, LIST);
    }

    /// Compares the value on top (popped) with the one at a place of the log.
    unsafe fn compare(&mut self, l: *mut lua_State, place: Place, noted: i64) {
        record::push_noted(l, LOG, noted);
        if !same(l) {
            ffi::lua_insert(l, -2);
            ffi::lua_pushnil(l);
            self.add(l, place);
        } else {
            ffi::lua_pop(l, 2);
        }
    }

    /// Adds a change whose value before, value now and key are on top of the stack (popped), of the object behind the list.
    unsafe fn add(&mut self, l: *mut lua_State, place: Place) {
        ffi::lua_pushvalue(l, LIST + 1);
        for step in [4, 3, 2, 1] {
            push_marked(l);
            ffi::lua_rawseti(l, LIST, self.length + step);
        }
        self.all.push(Change {
            place,
            values: self.length + 1,
        });
        self.length += 4;
    }

    unsafe fn compare_metatable(&mut self, l: *mut lua_State, place: Place, noted: i64) {
        if ffi::lua_getmetatable(l, LIST + 1) == 0 {
            ffi::lua_pushboolean(l, 0);
        }
        self.compare(l, place, noted);
    }

    unsafe fn compare_table(&mut self, l: *mut lua_State, entry: Entry) {
        let table = LIST + 1;
        self.compare_metatable(l, Place::Metatable, entry.place + 1);
        if same_pairs(l, table, entry) {
            return;
        }
        ffi::lua_settop(l, table);
        // The keys that were noted, to tell which of the present ones are new.
        ffi::lua_newtable(l);
        let known = table + 1;
        for field in 0..entry.fields() {
            entry.push_key(l, LOG, field);
            ffi::lua_pushvalue(l, -1);
            ffi::lua_pushboolean(l, 1);
            ffi::lua_rawset(l, known);
            ffi::lua_rawgeti(l, LOG, entry.value_place(field));
            ffi::lua_pushvalue(l, -2);
            ffi::lua_rawget(l, table);
            // Key, value before, value now.
            if !same(l) {
                ffi::lua_rotate(l, -3, -1);
                self.add(l, Place::Field);
            } else {
                ffi::lua_pop(l, 3);
            }
        }
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, table) != 0 {
            ffi::lua_pushvalue(l, -2);
            let is_new = ffi::lua_rawget(l, known) == ffi::LUA_TNIL;
            ffi::lua_pop(l, 1);
            if is_new {
                ffi::lua_pushnil(l);
                ffi::lua_insert(l, -2);
                ffi::lua_pushvalue(l, -3);
                self.add(l, Place::Field);
            } else {
                ffi::lua_pop(l, 1);
            }
        }
    }

    /// Finds the changes of single places: as [`Changes::find`], with their list in the place of the log.
    ///
    /// # Safety
    /// As [`Changes::find`].
    pub unsafe fn find_in(&mut self, l: *mut lua_State, slots: &[Noted]) {
        ffi::luaL_checkstack(l, 16, std::ptr::null());
        self.all.clear();
        self.length = 0;
        for slot in slots {
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LOG, slot.at);
            record::push_noted(l, LOG, slot.at + 2);
            ffi::lua_rawgeti(l, LOG, slot.at + 1);
            match slot.place {
                Place::Cell { upvalue } => drop(ffi::lua_getupvalue(l, LIST + 1, upvalue)),
                _ => {
                    ffi::lua_pushvalue(l, -1);
                    ffi::lua_rawget(l, LIST + 1);
                }
            }
            // Value before, key, value now.
            ffi::lua_pushvalue(l, -3);
            let same = same(l);
            ffi::lua_pop(l, 1);
            if !same {
                ffi::lua_insert(l, -2);
                self.add(l, slot.place);
            }
        }
        ffi::lua_settop(l, LIST);
    }

    /// Puts every value back. Expects the stack of [`Changes::find`].
    ///
    /// # Safety
    /// As [`Changes::find`], or its like, which has run just before.
    pub unsafe fn undo(&self, l: *mut lua_State) {
        for change in self.all.iter().rev() {
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LIST, change.values + HOLDER);
            let object = LIST + 1;
            match change.place {
                Place::Field => {
                    record::push_noted(l, LIST, change.values + KEY);
                    record::push_noted(l, LIST, change.values);
                    ffi::lua_rawset(l, object);
                }
                Place::Metatable => {
                    record::push_noted(l, LIST, change.values);
                    record::set_metatable(l, object);
                }
                Place::Type(of) => {
                    ffi::lua_settop(l, LIST);
                    heap::push_sample(l, of);
                    record::push_noted(l, LIST, change.values);
                    record::set_metatable(l, object);
                }
                Place::Cell { upvalue } => {
                    record::push_noted(l, LIST, change.values);
                    ffi::lua_setupvalue(l, object, upvalue);
                }
                Place::UserValue(number) => {
                    record::push_noted(l, LIST, change.values);
                    ffi::lua_setiuservalue(l, object, number);
                }
            }
        }
        ffi::lua_settop(l, LIST);
    }
}

/// One place that was noted on its own.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Which place of the object.
    pub place: Place,
    /// First of three places in the list of such: the object, the key (false if none), the value before.
    pub at: i64,
}

/// Replaces nil on top of the stack by what stands for it: a list with holes would not stay a list.
///
/// # Safety
/// As [`Changes::find`].
pub unsafe fn push_marked(l: *mut lua_State) {
    if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
        ffi::lua_pop(l, 1);
        record::push_nil_mark(l);
    }
}

/// Whether the two values on top are the same in every respect: 1 and 1.0 are not, though raw-equal; two NaNs are, though not.
unsafe fn same(l: *mut lua_State) -> bool {
    if ffi::lua_rawequal(l, -1, -2) != 0 {
        return ffi::lua_isinteger(l, -1) == ffi::lua_isinteger(l, -2);
    }
    let is_nan = |index| {
        ffi::lua_type(l, index) == ffi::LUA_TNUMBER && ffi::lua_tonumberx(l, index, std::ptr::null_mut()).is_nan()
    };
    is_nan(-1) && is_nan(-2)
}

/// Whether a table holds just the noted pairs, in the noted order (the usual case, and the cheapest to see).
unsafe fn same_pairs(l: *mut lua_State, table: c_int, entry: Entry) -> bool {
    let fields = entry.fields();
    let mut field = 0;
    ffi::lua_pushnil(l);
    while ffi::lua_next(l, table) != 0 {
        if field == fields {
            return false;
        }
        if entry.is_in_run(field) {
            let is_number = ffi::lua_isinteger(l, -2) != 0;
            if !is_number || ffi::lua_tointegerx(l, -2, std::ptr::null_mut()) != field + 1 {
                return false;
            }
        } else {
            entry.push_key(l, LOG, field);
            let same_key = ffi::lua_rawequal(l, -1, -3) != 0;
            ffi::lua_pop(l, 1);
            if !same_key {
                return false;
            }
        }
        ffi::lua_rawgeti(l, LOG, entry.value_place(field));
        if !same(l) {
            return false;
        }
        ffi::lua_pop(l, 2);
        field += 1;
    }
    field == fields
}
