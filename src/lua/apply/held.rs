//! Where functions are held: noted when the heap is too large to be written down as a whole, so that at least what a patch does with
//! functions is seen, carried to every holder, and undone.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::changes::{Noted, Place};
use crate::lua::heap::seen::Seen;
use crate::lua::heap::{self, Scope, Spot, Visitor};
use crate::lua::layout::Proto;

/// What is looked for. Lua's errors jump over the frames of the walk, so it belongs to whoever called under protection.
#[derive(Default)]
pub struct Held {
    /// Fields and cells that hold a function.
    pub places: Vec<Noted>,
    /// Every coroutine.
    pub threads: Vec<*mut lua_State>,
    seen: Seen,
}

/// Fills `held`, and appends what it needs to the list at stack index `list`, whose length is `length`.
///
/// # Safety
/// `l` is the main thread inside a protected call; the collector is stopped.
pub unsafe fn note(l: *mut lua_State, list: c_int, scope: Scope<'_>, held: &mut Held, length: &mut i64) {
    let Held { places, threads, seen } = held;
    let mut holders = Holders {
        list: ffi::lua_absindex(l, list),
        places,
        threads,
        length,
    };
    heap::walk(l, scope, seen, &mut holders);
}

struct Holders<'a> {
    list: c_int,
    places: &'a mut Vec<Noted>,
    threads: &'a mut Vec<*mut lua_State>,
    length: &'a mut i64,
}

impl Visitor for Holders<'_> {
    const DEPTH: u32 = 100;
    const EVERY_VALUE: bool = false;

    fn wants(&self, _function: usize, _proto: Option<Proto>) -> bool {
        true
    }

    unsafe fn object(&mut self, l: *mut lua_State, object: c_int, of: c_int) {
        if of == ffi::LUA_TTHREAD {
            self.threads.push(ffi::lua_tothread(l, object));
        }
    }

    unsafe fn value(&mut self, l: *mut lua_State, holder: c_int, spot: Spot) {
        if ffi::lua_type(l, -1) != ffi::LUA_TFUNCTION {
            return;
        }
        let top = ffi::lua_gettop(l);
        let place = match spot {
            Spot::Pair => {
                ffi::lua_pushvalue(l, top - 1);
                Place::Field
            }
            Spot::Cell(upvalue) => {
                ffi::lua_pushboolean(l, 0);
                Place::Cell { upvalue }
            }
            _ => return,
        };
        for (step, index) in (1..).zip([holder, top + 1, top]) {
            ffi::lua_pushvalue(l, index);
            ffi::lua_rawseti(l, self.list, *self.length + step);
        }
        ffi::lua_settop(l, top);
        self.places.push(Noted {
            place,
            at: *self.length + 1,
        });
        *self.length += 3;
    }
}
