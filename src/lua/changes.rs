//! What differs between a snapshot and the heap now; taking it back; and carrying new functions to every holder of the old ones.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use rustc_hash::FxHashMap;

use crate::lua::heap;
use crate::lua::heap::record::{self, Entry, Kind, Snapshot};
use crate::lua::heap::stacks;

/// One place that holds another value than in the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Number of the object in [`Snapshot::entries`].
    pub entry: usize,
    /// Which place of the object.
    pub place: Place,
    /// First of three places in the list of changes: the value before, the value now, the key.
    pub values: i64,
}

/// A place in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field of a table; the key is in the list of changes.
    Field,
    /// The metatable.
    Metatable,
    /// The value of a cell.
    Cell,
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
        for (number, entry) in snapshot.entries.iter().enumerate() {
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LOG, entry.place);
            match entry.kind {
                Kind::Table { .. } => self.compare_table(l, number, *entry),
                Kind::Cell { upvalue } => {
                    ffi::lua_getupvalue(l, -1, upvalue);
                    self.compare(l, number, Place::Cell, entry.place + 1);
                }
                Kind::Userdata { values } => {
                    self.compare_metatable(l, number, entry.place + 1);
                    for value in 1..=values {
                        ffi::lua_getiuservalue(l, LIST + 1, value);
                        self.compare(l, number, Place::UserValue(value), entry.place + 1 + i64::from(value));
                    }
                }
                Kind::Type { of } => {
                    ffi::lua_settop(l, LIST);
                    heap::push_sample(l, of);
                    self.compare_metatable(l, number, entry.place);
                }
                Kind::Stack { .. } | Kind::Frame { .. } => {}
            }
        }
        ffi::lua_settop(l, LIST);
    }

    /// Compares the value on top (popped) with the one at a place of the log.
    unsafe fn compare(&mut self, l: *mut lua_State, entry: usize, place: Place, noted: i64) {
        record::push_noted(l, LOG, noted);
        if !same(l) {
            ffi::lua_insert(l, -2);
            ffi::lua_pushnil(l);
            self.add(l, entry, place);
        } else {
            ffi::lua_pop(l, 2);
        }
    }

    /// Adds a change whose value before, value now and key are on top of the stack (popped).
    unsafe fn add(&mut self, l: *mut lua_State, entry: usize, place: Place) {
        for step in [3, 2, 1] {
            if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
                // A list with holes would not stay a list.
                ffi::lua_pop(l, 1);
                record::push_nil_mark(l);
            }
            ffi::lua_rawseti(l, LIST, self.length + step);
        }
        self.all.push(Change {
            entry,
            place,
            values: self.length + 1,
        });
        self.length += 3;
    }

    unsafe fn compare_metatable(&mut self, l: *mut lua_State, number: usize, noted: i64) {
        if ffi::lua_getmetatable(l, LIST + 1) == 0 {
            ffi::lua_pushboolean(l, 0);
        }
        self.compare(l, number, Place::Metatable, noted);
    }

    unsafe fn compare_table(&mut self, l: *mut lua_State, number: usize, entry: Entry) {
        let table = LIST + 1;
        self.compare_metatable(l, number, entry.place + 1);
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
                self.add(l, number, Place::Field);
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
                self.add(l, number, Place::Field);
            } else {
                ffi::lua_pop(l, 1);
            }
        }
    }

    /// Puts every value back. Expects the stack of [`Changes::find`].
    ///
    /// # Safety
    /// As [`Changes::find`], which has run just before.
    pub unsafe fn undo(&self, l: *mut lua_State, snapshot: &Snapshot) {
        for change in self.all.iter().rev() {
            let entry = snapshot.entries[change.entry];
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LOG, entry.place);
            let object = LIST + 1;
            match (change.place, entry.kind) {
                (Place::Field, _) => {
                    record::push_noted(l, LIST, change.values + 2);
                    record::push_noted(l, LIST, change.values);
                    ffi::lua_rawset(l, object);
                }
                (Place::Metatable, kind) => {
                    if let Kind::Type { of } = kind {
                        ffi::lua_settop(l, LIST);
                        heap::push_sample(l, of);
                    }
                    record::push_noted(l, LIST, change.values);
                    record::set_metatable(l, object);
                }
                (Place::Cell, Kind::Cell { upvalue }) => {
                    record::push_noted(l, LIST, change.values);
                    ffi::lua_setupvalue(l, object, upvalue);
                }
                (Place::UserValue(number), _) => {
                    record::push_noted(l, LIST, change.values);
                    ffi::lua_setiuservalue(l, object, number);
                }
                (Place::Cell, _) => {}
            }
        }
        ffi::lua_settop(l, LIST);
    }
}

/// Whether the two values on top are the same in every respect: 1 and 1.0 are not, though raw-equal; two NaNs are, though not.
unsafe fn same(l: *mut lua_State) -> bool {
    if ffi::lua_rawequal(l, -1, -2) != 0 {
        return ffi::lua_type(l, -1) != ffi::LUA_TNUMBER || ffi::lua_isinteger(l, -1) == ffi::lua_isinteger(l, -2);
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

/// A function that takes another's place.
pub struct Replacement {
    /// Where the new function lies in the list of changes.
    pub new: i64,
    /// How many holders of the old function were switched.
    pub holders: u32,
    /// A table on a suspended stack has the old function as a key, which cannot change under a traversal.
    pub is_traversed_key: bool,
    /// Lines at which suspended coroutines are in the middle of the old function.
    pub in_flight: Vec<c_int>,
}

/// Old functions, by address, and what takes their place.
pub type Replacements = FxHashMap<usize, Replacement>;

/// Switches every holder in the snapshot that still holds an old function. What the patch made itself is not in the snapshot, so the
/// references that it took keep the old one.
///
/// # Safety
/// As [`Changes::find`].
pub unsafe fn carry(l: *mut lua_State, snapshot: &Snapshot, replacements: &mut Replacements) {
    for entry in &snapshot.entries {
        ffi::lua_settop(l, LIST);
        match entry.kind {
            Kind::Table { .. } => carry_table(l, snapshot, *entry, replacements),
            Kind::Cell { upvalue } => {
                if let Some(replacement) = noted(l, entry.place + 1, replacements) {
                    ffi::lua_rawgeti(l, LOG, entry.place);
                    ffi::lua_getupvalue(l, -1, upvalue);
                    if still(l, entry.place + 1) {
                        ffi::lua_rawgeti(l, LIST, replacement.new);
                        ffi::lua_setupvalue(l, -2, upvalue);
                        replacement.holders += 1;
                    }
                }
            }
            Kind::Userdata { values } => {
                for value in 1..=values {
                    if let Some(replacement) = noted(l, entry.place + 1 + i64::from(value), replacements) {
                        ffi::lua_rawgeti(l, LOG, entry.place);
                        ffi::lua_rawgeti(l, LIST, replacement.new);
                        ffi::lua_setiuservalue(l, -2, value);
                        replacement.holders += 1;
                    }
                }
            }
            Kind::Stack { level, local } => {
                if let Some(replacement) = noted(l, entry.place + 1, replacements) {
                    ffi::lua_rawgeti(l, LOG, entry.place);
                    let thread = ffi::lua_tothread(l, -1);
                    if stacks::push_stack(l, thread, level, local) && still(l, entry.place + 1) {
                        ffi::lua_rawgeti(l, LIST, replacement.new);
                        stacks::set_stack(l, thread, level, local);
                        replacement.holders += 1;
                    }
                }
            }
            Kind::Type { .. } => {}
            Kind::Frame { level } => {
                if let Some(replacement) = noted(l, entry.place + 1, replacements) {
                    ffi::lua_rawgeti(l, LOG, entry.place);
                    let thread = ffi::lua_tothread(l, -1);
                    ffi::lua_rawgeti(l, LOG, entry.place + 1);
                    replacement.in_flight.extend(stacks::line_in(l, thread, level));
                }
            }
        }
    }
    ffi::lua_settop(l, LIST);
}

/// The replacement of the function at a place of the log.
unsafe fn noted(l: *mut lua_State, place: i64, replacements: &mut Replacements) -> Option<&mut Replacement> {
    let kind = ffi::lua_rawgeti(l, LOG, place);
    let address = ffi::lua_topointer(l, -1) as usize;
    ffi::lua_pop(l, 1);
    if kind == ffi::LUA_TFUNCTION {
        replacements.get_mut(&address)
    } else {
        None
    }
}

/// Whether the value on top (popped) is still the one at a place of the log.
unsafe fn still(l: *mut lua_State, place: i64) -> bool {
    ffi::lua_rawgeti(l, LOG, place);
    let same = ffi::lua_rawequal(l, -1, -2) != 0;
    ffi::lua_pop(l, 2);
    same
}

unsafe fn carry_table(l: *mut lua_State, snapshot: &Snapshot, entry: Entry, replacements: &mut Replacements) {
    for field in 0..entry.fields() {
        let value = entry.value_place(field);
        if let Some(replacement) = noted(l, value, replacements) {
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LOG, entry.place);
            entry.push_key(l, LOG, field);
            ffi::lua_pushvalue(l, -1);
            ffi::lua_rawget(l, LIST + 1);
            if still(l, value) {
                ffi::lua_rawgeti(l, LIST, replacement.new);
                ffi::lua_rawset(l, LIST + 1);
                replacement.holders += 1;
            }
        }
        if entry.is_in_run(field) {
            continue;
        }
        let key = value - 1;
        if let Some(replacement) = noted(l, key, replacements) {
            ffi::lua_settop(l, LIST);
            ffi::lua_rawgeti(l, LOG, entry.place);
            if snapshot.on_stacks.contains(&(ffi::lua_topointer(l, -1) as usize)) {
                replacement.is_traversed_key = true;
                continue;
            }
            ffi::lua_rawgeti(l, LIST, replacement.new);
            ffi::lua_rawgeti(l, LOG, key);
            if ffi::lua_rawget(l, LIST + 1) != ffi::LUA_TNIL {
                ffi::lua_rawset(l, LIST + 1);
                ffi::lua_rawgeti(l, LOG, key);
                ffi::lua_pushnil(l);
                ffi::lua_rawset(l, LIST + 1);
                replacement.holders += 1;
            }
        }
    }
}
