//! Writing into the program's heap so that each write can be taken back: the journal has what was there before it is replaced.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::heap::record;
use crate::lua::heap::stacks;
use crate::lua::heap::survey::{Site, SiteSlot, Survey};

/// What was written, in order. The values lie in a Lua list, which each function is given by its stack index and which is used for
/// nothing else; a place is an index in it.
#[derive(Default)]
pub struct Journal {
    writes: Vec<Write>,
    /// Length of the list.
    length: i64,
}

/// One write. Places: the object that was written to, then what is needed to undo it.
#[derive(Clone, Copy, Debug)]
enum Write {
    /// Table, key, value before.
    Field { at: i64 },
    /// Function, value of the cell before.
    Cell { at: i64, upvalue: c_int },
    /// Function, function that has the cell from before as its upvalue 1.
    Join { at: i64, upvalue: c_int },
    /// Userdata, value before.
    UserValue { at: i64, number: c_int },
    /// Coroutine, value before, value now.
    Stack { at: i64, level: c_int, local: c_int },
}

/// Where the lists are on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Lists {
    /// The survey's.
    pub survey: c_int,
    /// The journal's.
    pub journal: c_int,
}

impl Journal {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Puts the function at stack index `new` where `site` holds another; false, and nothing done, if it does not any more. A key is only
    /// changed where no suspended loop traverses the table, see [`Survey::is_traversed`].
    ///
    /// # Safety
    /// `l` is the main thread inside a protected call, with room for a few values, and no other thread runs; the site is the survey's,
    /// and the lists are those of the survey and this journal.
    pub unsafe fn switch(&mut self, l: *mut lua_State, lists: Lists, survey: &Survey, site: Site, new: c_int) -> bool {
        let new = ffi::lua_absindex(l, new);
        let lists = Lists {
            survey: ffi::lua_absindex(l, lists.survey),
            journal: ffi::lua_absindex(l, lists.journal),
        };
        let top = ffi::lua_gettop(l);
        ffi::luaL_checkstack(l, 12, std::ptr::null());
        ffi::lua_rawgeti(l, lists.survey, site.holder);
        ffi::lua_rawgeti(l, lists.survey, survey.closures[site.closure].place);
        let done = match site.slot {
            SiteSlot::Field { key } => {
                ffi::lua_rawgeti(l, lists.survey, key);
                self.switch_field(l, lists.journal, top + 1, new)
            }
            SiteSlot::Key => self.switch_key(l, lists.journal, top + 1, new),
            SiteSlot::Cell { upvalue } => {
                ffi::lua_getupvalue(l, top + 1, upvalue);
                let is_held = ffi::lua_rawequal(l, -1, top + 2) != 0;
                if is_held {
                    self.set_cell(l, lists.journal, top + 1, upvalue, new);
                }
                is_held
            }
            SiteSlot::UserValue(number) => {
                ffi::lua_getiuservalue(l, top + 1, number);
                let is_held = ffi::lua_rawequal(l, -1, top + 2) != 0;
                if is_held {
                    let at = self.note(l, lists.journal, [top + 1, top + 2]);
                    self.writes.push(Write::UserValue { at, number });
                    ffi::lua_pushvalue(l, new);
                    ffi::lua_setiuservalue(l, top + 1, number);
                }
                is_held
            }
            SiteSlot::Stack { level, local } => {
                let thread = ffi::lua_tothread(l, top + 1);
                let is_held = stacks::push_stack(l, thread, level, local) && ffi::lua_rawequal(l, -1, top + 2) != 0;
                if is_held {
                    let at = self.note(l, lists.journal, [top + 1, top + 2, new]);
                    self.writes.push(Write::Stack { at, level, local });
                    ffi::lua_pushvalue(l, new);
                    stacks::set_stack(l, thread, level, local);
                }
                is_held
            }
        };
        ffi::lua_settop(l, top);
        done
    }

    /// Behind `table` are the old function and the key.
    unsafe fn switch_field(&mut self, l: *mut lua_State, journal: c_int, table: c_int, new: c_int) -> bool {
        ffi::lua_pushvalue(l, table + 2);
        ffi::lua_rawget(l, table);
        let is_held = ffi::lua_rawequal(l, -1, table + 1) != 0;
        if is_held {
            self.set_field(l, journal, table, table + 2, new);
        }
        is_held
    }

    /// Behind `table` is the old function.
    unsafe fn switch_key(&mut self, l: *mut lua_State, journal: c_int, table: c_int, new: c_int) -> bool {
        ffi::lua_pushvalue(l, table + 1);
        if ffi::lua_rawget(l, table) == ffi::LUA_TNIL {
            return false;
        }
        ffi::lua_pushnil(l);
        self.set_field(l, journal, table, new, table + 2);
        self.set_field(l, journal, table, table + 1, table + 3);
        true
    }

    /// `table[key] = value`, raw; all three by stack index. Nil is no value.
    ///
    /// # Safety
    /// As [`Journal::switch`]. A new key must not get into a table that a suspended loop traverses.
    pub unsafe fn set_field(&mut self, l: *mut lua_State, journal: c_int, table: c_int, key: c_int, value: c_int) {
        let [journal, table, key, value] = [journal, table, key, value].map(|index| ffi::lua_absindex(l, index));
        ffi::lua_pushvalue(l, key);
        ffi::lua_rawget(l, table);
        let before = ffi::lua_gettop(l);
        let at = self.note(l, journal, [table, key, before]);
        self.writes.push(Write::Field { at });
        ffi::lua_settop(l, before - 1);
        ffi::lua_pushvalue(l, key);
        ffi::lua_pushvalue(l, value);
        ffi::lua_rawset(l, table);
    }

    /// Sets the cell that the function at stack index `function` has as an upvalue to the value at stack index `value`.
    ///
    /// # Safety
    /// As [`Journal::switch`]. The upvalue is there.
    pub unsafe fn set_cell(
        &mut self,
        l: *mut lua_State,
        journal: c_int,
        function: c_int,
        upvalue: c_int,
        value: c_int,
    ) {
        let [journal, function, value] = [journal, function, value].map(|index| ffi::lua_absindex(l, index));
        ffi::lua_getupvalue(l, function, upvalue);
        let before = ffi::lua_gettop(l);
        let at = self.note(l, journal, [function, before]);
        self.writes.push(Write::Cell { at, upvalue });
        ffi::lua_settop(l, before - 1);
        ffi::lua_pushvalue(l, value);
        ffi::lua_setupvalue(l, function, upvalue);
    }

    /// Lets an upvalue of one Lua function be the cell of another's: function and number of both.
    ///
    /// # Safety
    /// As [`Journal::switch`]. Both upvalues are there.
    pub unsafe fn join(&mut self, l: *mut lua_State, journal: c_int, to: (c_int, c_int), from: (c_int, c_int)) {
        let [journal, function, other] = [journal, to.0, from.0].map(|index| ffi::lua_absindex(l, index));
        // A function with one upvalue, which becomes the cell's second owner.
        if ffi::luaL_loadstring(l, c"local cell return function() return cell end".as_ptr()) != ffi::LUA_OK {
            ffi::lua_error(l);
        }
        ffi::lua_call(l, 0, 1);
        let keeper = ffi::lua_gettop(l);
        ffi::lua_upvaluejoin(l, keeper, 1, function, to.1);
        let at = self.note(l, journal, [function, keeper]);
        self.writes.push(Write::Join { at, upvalue: to.1 });
        ffi::lua_settop(l, keeper - 1);
        ffi::lua_upvaluejoin(l, function, to.1, other, from.1);
    }

    /// Takes every write back, the last first. If it raises (there may be no memory for a key), what was not taken back is still known
    /// and the next call goes on there.
    ///
    /// # Safety
    /// As [`Journal::switch`].
    pub unsafe fn undo(&mut self, l: *mut lua_State, journal: c_int) {
        let journal = ffi::lua_absindex(l, journal);
        let top = ffi::lua_gettop(l);
        ffi::luaL_checkstack(l, 12, std::ptr::null());
        while let Some(&write) = self.writes.last() {
            take_back(l, journal, write);
            ffi::lua_settop(l, top);
            self.writes.pop();
        }
    }

    /// Appends the values at some stack indices to the list; the place of the first.
    unsafe fn note<const N: usize>(&mut self, l: *mut lua_State, journal: c_int, values: [c_int; N]) -> i64 {
        let first = self.length + 1;
        for (place, index) in (first..).zip(values) {
            if ffi::lua_type(l, index) == ffi::LUA_TNIL {
                record::push_nil_mark(l);
            } else {
                ffi::lua_pushvalue(l, index);
            }
            ffi::lua_rawseti(l, journal, place);
        }
        self.length += N as i64;
        first
    }
}

unsafe fn take_back(l: *mut lua_State, journal: c_int, write: Write) {
    let object = ffi::lua_gettop(l) + 1;
    let noted = |at| record::push_noted(l, journal, at);
    match write {
        Write::Field { at } => {
            (at..at + 3).for_each(noted);
            ffi::lua_rawset(l, object);
        }
        Write::Cell { at, upvalue } => {
            (at..at + 2).for_each(noted);
            ffi::lua_setupvalue(l, object, upvalue);
        }
        Write::Join { at, upvalue } => {
            (at..at + 2).for_each(noted);
            ffi::lua_upvaluejoin(l, object, upvalue, object + 1, 1);
        }
        Write::UserValue { at, number } => {
            (at..at + 2).for_each(noted);
            ffi::lua_setiuservalue(l, object, number);
        }
        Write::Stack { at, level, local } => {
            (at..at + 3).for_each(noted);
            let thread = ffi::lua_tothread(l, object);
            // The coroutine may have moved on, or not have been written to.
            if stacks::push_stack(l, thread, level, local) && ffi::lua_rawequal(l, -1, object + 2) != 0 {
                ffi::lua_pushvalue(l, object + 1);
                stacks::set_stack(l, thread, level, local);
            }
        }
    }
}
