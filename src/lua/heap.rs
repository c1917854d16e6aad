//! The walk over the heap of a VM: everything that the program can reach, each object once. What is done with what it finds is a
//! [`Visitor`]'s business: [`survey`] looks for functions, [`record`] writes everything down. Only raw access: no metamethod of the
//! program runs.
//!
//! The collector is stopped meanwhile; even so Lua collects when memory runs out. What the walk holds is on the stack or in its list
//! of open objects then, and what is collected all the same is seen no more: the walk makes no object that could have its address.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

pub mod record;
pub mod seen;
pub mod stacks;
pub mod survey;

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::heap::seen::Seen;
use crate::lua::layout::{self, Held, InMemory, Proto};
use crate::lua::values::{self, Slot};

/// A place that holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The metatable of all values of a basic type, which the holder is a sample of.
    Type(c_int),
    /// The metatable of a table or a userdata.
    Metatable,
    /// A pair of a table: the value is on top of the stack, the key below it.
    Pair,
    /// A cell, by the first function that was found to have it as this upvalue.
    Cell(c_int),
    /// A user value of a userdata.
    UserValue(c_int),
    /// A stack slot of a coroutine that does not run.
    Stack {
        /// The frame, from 0 (innermost); -1 for a coroutine that has not started.
        level: c_int,
        /// The local's number as `lua_getlocal` counts (negative: vararg), or the stack index if it has not started.
        local: c_int,
    },
    /// The function of a frame of a coroutine.
    Frame {
        /// Which frame, from 0 (innermost).
        level: c_int,
        /// The line that it is at; -1 if unknown.
        line: c_int,
    },
}

/// What a walk is for. Stack indices that it is given are absolute; it leaves the stack as it was.
pub trait Visitor {
    /// How deep the walk follows an object out of the middle of another; 0: each object is visited to its end before any other.
    const DEPTH: u32;
    /// Whether each value is of interest, or those alone that are functions (and what is on stacks).
    const EVERY_VALUE: bool;

    /// Whether a function is of interest each time that it is found, by `lua_topointer` and, if it is Lua's, its prototype.
    fn wants(&self, function: usize, proto: Option<Proto>) -> bool;

    /// An object of this basic type is visited; its values follow.
    ///
    /// # Safety
    /// `l` is inside a protected call, with room for a few values.
    unsafe fn object(&mut self, l: *mut lua_State, object: c_int, of: c_int);

    /// A place in the object `holder` holds the value on top of the stack. A missing metatable is false.
    ///
    /// # Safety
    /// As [`Visitor::object`].
    unsafe fn value(&mut self, l: *mut lua_State, holder: c_int, spot: Spot);
}

/// What a walk has to know of the VM.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Tables that are ours: neither they nor what they alone hold is the program's.
    pub own: &'a [Slot],
    /// Allows to look at tables and frames as they lie in memory, which is faster.
    pub in_memory: Option<InMemory>,
}

/// Visits everything that the program can reach but the running thread's stack. Whom Lua's errors jump over owns neither `seen` nor the
/// visitor.
///
/// # Safety
/// `l` is the main thread inside a protected call, and no other thread runs; the collector is stopped.
pub unsafe fn walk<V: Visitor>(l: *mut lua_State, scope: Scope<'_>, seen: &mut Seen, visitor: &mut V) {
    let top = ffi::lua_gettop(l);
    // Per level of depth: an object and the key before it.
    ffi::luaL_checkstack(l, 3 * V::DEPTH as c_int + 32, std::ptr::null());
    ffi::lua_newtable(l);
    let mut walk = Walk {
        seen,
        visitor,
        in_memory: scope.in_memory,
        list: top + 1,
        open: 0,
    };
    walk.pass_over(l, top + 1);
    for &own in scope.own {
        values::slot(l, own);
        walk.pass_over(l, -1);
    }
    ffi::lua_pushthread(l);
    walk.pass_over(l, -1);
    ffi::lua_settop(l, top + 1);
    walk.roots(l);
    while walk.open > 0 {
        ffi::lua_settop(l, top + 1);
        let of = ffi::lua_rawgeti(l, top + 1, walk.open);
        walk.open -= 1;
        walk.visit(l, top + 2, of, 0);
    }
    ffi::lua_settop(l, top);
}

struct Walk<'a, V> {
    seen: &'a mut Seen,
    visitor: &'a mut V,
    in_memory: Option<InMemory>,
    /// Stack index of the list of objects that are found and not yet visited, and its length.
    list: c_int,
    open: i64,
}

impl<V: Visitor> Walk<'_, V> {
    /// What is at `index` is not visited.
    unsafe fn pass_over(&mut self, l: *mut lua_State, index: c_int) {
        self.seen.insert(ffi::lua_topointer(l, index) as usize);
    }

    unsafe fn roots(&mut self, l: *mut lua_State) {
        ffi::lua_pushvalue(l, ffi::LUA_REGISTRYINDEX);
        self.follow(l, V::DEPTH);
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
            self.metatable(l, ffi::lua_gettop(l), Spot::Type(of), V::DEPTH);
        }
    }

    /// The value on top of the stack, which stays: if it is an object that is not known yet it is visited, now or later.
    #[inline]
    unsafe fn follow(&mut self, l: *mut lua_State, depth: u32) {
        self.follow_at(l, ffi::lua_gettop(l), ffi::lua_type(l, -1), depth);
    }

    #[inline]
    unsafe fn follow_at(&mut self, l: *mut lua_State, index: c_int, of: c_int, depth: u32) {
        if of < ffi::LUA_TTABLE || !self.seen.insert(address(l, index, of)) {
            return;
        }
        if depth < V::DEPTH {
            self.visit(l, index, of, depth + 1);
        } else {
            ffi::lua_pushvalue(l, index);
            self.open += 1;
            ffi::lua_rawseti(l, self.list, self.open);
        }
    }

    unsafe fn visit(&mut self, l: *mut lua_State, object: c_int, of: c_int, depth: u32) {
        match of {
            ffi::LUA_TTABLE => {
                self.visitor.object(l, object, of);
                self.metatable(l, object, Spot::Metatable, depth);
                match self.in_memory {
                    Some(proof) if !V::EVERY_VALUE => self.table_in_memory(l, proof, object, depth),
                    _ => {
                        ffi::lua_pushnil(l);
                        self.pairs(l, object, depth);
                    }
                }
            }
            ffi::LUA_TFUNCTION => self.function(l, object, depth),
            ffi::LUA_TUSERDATA => self.userdata(l, object, depth),
            _ => self.thread(l, object, depth),
        }
    }

    unsafe fn metatable(&mut self, l: *mut lua_State, object: c_int, spot: Spot, depth: u32) {
        if ffi::lua_getmetatable(l, object) == 0 {
            if !V::EVERY_VALUE {
                return;
            }
            ffi::lua_pushboolean(l, 0);
        }
        self.visitor.value(l, object, spot);
        self.follow(l, depth);
        ffi::lua_pop(l, 1);
    }

    /// The pairs behind the key on top of the stack, which is popped.
    unsafe fn pairs(&mut self, l: *mut lua_State, object: c_int, depth: u32) {
        while ffi::lua_next(l, object) != 0 {
            self.pair(l, object, depth);
            ffi::lua_pop(l, 1);
        }
    }

    unsafe fn pair(&mut self, l: *mut lua_State, object: c_int, depth: u32) {
        let (key, value) = (ffi::lua_type(l, -2), ffi::lua_type(l, -1));
        if V::EVERY_VALUE || key == ffi::LUA_TFUNCTION || value == ffi::LUA_TFUNCTION {
            self.visitor.value(l, object, Spot::Pair);
        }
        let top = ffi::lua_gettop(l);
        self.follow_at(l, top, value, depth);
        self.follow_at(l, top - 1, key, depth);
    }

    /// The pairs of a table as far as they matter: most tables of numbers and strings need no step of a traversal.
    unsafe fn table_in_memory(&mut self, l: *mut lua_State, proof: InMemory, object: c_int, depth: u32) {
        let parts = layout::parts(proof, ffi::lua_topointer(l, object));
        if parts.array_may_hold() {
            for place in 0..parts.array_length() {
                if self.matters(parts.array_value(place)) {
                    ffi::lua_pushinteger(l, place as i64 + 1);
                    ffi::lua_rawgeti(l, object, place as i64 + 1);
                    self.pair(l, object, depth);
                    ffi::lua_pop(l, 2);
                }
            }
        }
        let mut nodes = 0..parts.node_count();
        let node_matters = |number: usize| {
            let (key, value) = parts.node(number);
            !value.is_nil() && (self.matters(value) || self.matters(key))
        };
        if nodes.any(node_matters) {
            // The last key of the array part is the one before the first of the others.
            match parts.array_length() {
                0 => ffi::lua_pushnil(l),
                length => ffi::lua_pushinteger(l, length as i64),
            }
            self.pairs(l, object, depth);
        }
    }

    /// Whether a value in a table is something to visit, or to show to the visitor.
    #[inline]
    unsafe fn matters(&self, value: layout::Value) -> bool {
        match value.held() {
            Held::Nothing => false,
            Held::Object(address) => !self.seen.contains(address),
            Held::Function(address, proto) => self.visitor.wants(address, proto) || !self.seen.contains(address),
            Held::Userdata => true,
        }
    }

    unsafe fn function(&mut self, l: *mut lua_State, object: c_int, depth: u32) {
        self.visitor.object(l, object, ffi::LUA_TFUNCTION);
        let mut upvalue = 1;
        loop {
            let cell = ffi::lua_upvalueid(l, object, upvalue) as usize;
            if cell == 0 {
                break;
            }
            if self.seen.insert(cell) && !ffi::lua_getupvalue(l, object, upvalue).is_null() {
                if V::EVERY_VALUE || ffi::lua_type(l, -1) == ffi::LUA_TFUNCTION {
                    self.visitor.value(l, object, Spot::Cell(upvalue));
                }
                self.follow(l, depth);
                ffi::lua_pop(l, 1);
            }
            upvalue += 1;
        }
    }

    unsafe fn userdata(&mut self, l: *mut lua_State, object: c_int, depth: u32) {
        self.visitor.object(l, object, ffi::LUA_TUSERDATA);
        self.metatable(l, object, Spot::Metatable, depth);
        let mut number = 1;
        while ffi::lua_getiuservalue(l, object, number) != ffi::LUA_TNONE {
            self.visitor.value(l, object, Spot::UserValue(number));
            self.follow(l, depth);
            ffi::lua_pop(l, 1);
            number += 1;
        }
        ffi::lua_pop(l, 1);
    }

    unsafe fn thread(&mut self, l: *mut lua_State, object: c_int, depth: u32) {
        self.visitor.object(l, object, ffi::LUA_TTHREAD);
        let thread = ffi::lua_tothread(l, object);
        if ffi::lua_checkstack(thread, 4) == 0 {
            if ffi::lua_status(thread) == ffi::LUA_YIELD {
                ffi::luaL_error(l, c"no room on the stack of a coroutine".as_ptr());
            }
            // It died of too deep a recursion; nothing of it runs again.
            return;
        }
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        if ffi::lua_getstack(thread, 0, &mut ar) == 0 {
            // Not started: the function and its arguments. (Ended: nothing.)
            for local in 1..=ffi::lua_gettop(thread) {
                ffi::lua_pushvalue(thread, local);
                self.moved(l, thread, object, Spot::Stack { level: -1, local }, depth);
            }
            return;
        }
        let mut level = 0;
        loop {
            ffi::lua_getinfo(thread, c"fl".as_ptr(), &mut ar);
            let line = ar.currentline;
            self.moved(l, thread, object, Spot::Frame { level, line }, depth);
            for step in [1, -1] {
                let mut local = step;
                while !ffi::lua_getlocal(thread, &ar, local).is_null() {
                    self.moved(l, thread, object, Spot::Stack { level, local }, depth);
                    local += step;
                }
            }
            level += 1;
            // Counting levels takes the longer the more there are.
            let more = match self.in_memory {
                Some(proof) => layout::to_caller(proof, &mut ar),
                None => ffi::lua_getstack(thread, level, &mut ar) != 0,
            };
            if !more {
                return;
            }
        }
    }

    /// A value on top of another thread's stack, which is popped.
    unsafe fn moved(&mut self, l: *mut lua_State, from: *mut lua_State, object: c_int, spot: Spot, depth: u32) {
        ffi::lua_xmove(from, l, 1);
        self.visitor.value(l, object, spot);
        self.follow(l, depth);
        ffi::lua_pop(l, 1);
    }
}

/// What tells an object from all others. The bytes of a userdata may be none, and then its pointer is that of what lies behind it.
#[inline]
unsafe fn address(l: *mut lua_State, index: c_int, of: c_int) -> usize {
    ffi::lua_topointer(l, index) as usize - usize::from(of == ffi::LUA_TUSERDATA)
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
        ffi::LUA_TLIGHTUSERDATA => ffi::lua_pushlightuserdata(l, std::ptr::null_mut()),
        ffi::LUA_TFUNCTION => ffi::lua_pushcfunction(l, nothing),
        ffi::LUA_TTHREAD => drop(ffi::lua_pushthread(l)),
        _ => ffi::lua_pushnil(l),
    }
}

unsafe extern "C-unwind" fn nothing(_l: *mut lua_State) -> c_int {
    0
}

#[cfg(test)]
mod tests;
