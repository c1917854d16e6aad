//! Where the variables of a file are: each is a cell, found as an upvalue of a closure that is kept for it. The first version's are those
//! that the file's probe handed over; a newer version has the old one's, and cells of its own for what is new.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::HashMap;
use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use crate::lua::chunks::{self, Chunk};
use crate::lua::values::{self, Slot};
use crate::patch::revision::Revision;

/// Where a variable is: upvalue `upvalue` of the closure at `keeper` among those that are kept for the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Place in the file's list in [`Slot::Kept`].
    pub keeper: i64,
    /// Number of the upvalue, from 1.
    pub upvalue: c_int,
}

/// The variables of one version of a file, by their numbers among the locals of its main function.
pub type Variables = HashMap<usize, Cell>;

/// The variables that the probe of a loaded file has handed over: those that are visible at its end. Empty if it has not run to its end.
///
/// # Errors
/// See [`Chunk::code`].
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn handed_over(l: *mut lua_State, chunk: &Chunk, activation: usize) -> Result<Variables, String> {
    let side = chunk.side(l)?;
    let mut last: HashMap<&str, usize> = HashMap::new();
    for variable in side.variables(side.base) {
        if let Some(declared) = side.declared(variable).filter(|declared| declared.outermost) {
            last.insert(&declared.name, variable.local);
        }
    }
    let top = ffi::lua_gettop(l);
    push_kept(l, activation);
    let mut found = Variables::new();
    for (number, local) in chunk.outline.locals.iter().enumerate() {
        let keeper = (number / chunks::PROBE_WIDTH) as i64 + 1;
        if let Some(&local_number) = last.get(local.name.as_str())
            && ffi::lua_rawgeti(l, top + 1, keeper) == ffi::LUA_TFUNCTION
            && let Some(upvalue) = upvalue_named(l, -1, &local.name)
        {
            found.insert(local_number, Cell { keeper, upvalue });
        }
        ffi::lua_settop(l, top + 1);
    }
    ffi::lua_settop(l, top);
    Ok(found)
}

/// The variables of a new version: the old one's, and for what is new the cell of a dropped variable of that name, or a fresh one.
///
/// # Safety
/// As [`handed_over`].
pub unsafe fn revised(
    l: *mut lua_State,
    activation: usize,
    revision: &Revision,
    old: &Variables,
    dropped: impl Fn(&str) -> Option<Cell>,
) -> Variables {
    let mut found = Variables::new();
    for (new, before) in &revision.comparison.variables {
        if let (0, Some(cell)) = (new.function, old.get(&before.local)) {
            found.insert(new.local, *cell);
        }
    }
    for (local, name) in &revision.added {
        let cell = match dropped(name) {
            Some(cell) => cell,
            None => fresh(l, activation),
        };
        found.insert(*local, cell);
    }
    found
}

/// A new variable of a loaded file, which is nil.
unsafe fn fresh(l: *mut lua_State, activation: usize) -> Cell {
    let top = ffi::lua_gettop(l);
    push_kept(l, activation);
    let keeper = ffi::lua_rawlen(l, -1) as i64 + 1;
    push_cell(l);
    ffi::lua_rawseti(l, -2, keeper);
    ffi::lua_settop(l, top);
    Cell { keeper, upvalue: 1 }
}

/// Pushes a closure with one upvalue: a cell of its own, which is nil.
///
/// # Safety
/// As [`handed_over`].
pub unsafe fn push_cell(l: *mut lua_State) {
    ffi::luaL_loadstring(l, c"local cell return function() return cell end".as_ptr());
    ffi::lua_call(l, 0, 1);
}

/// Keeps the cell that the function at stack index `function` has as an upvalue, as a variable of a loaded file.
///
/// # Safety
/// As [`handed_over`].
pub unsafe fn adopt(l: *mut lua_State, activation: usize, function: c_int, upvalue: c_int) -> Cell {
    let function = ffi::lua_absindex(l, function);
    let cell = fresh(l, activation);
    push_keeper(l, activation, cell);
    ffi::lua_upvaluejoin(l, -1, 1, function, upvalue);
    ffi::lua_pop(l, 1);
    cell
}

/// Pushes the list of closures that are kept for a loaded file.
unsafe fn push_kept(l: *mut lua_State, activation: usize) {
    values::slot(l, Slot::Kept);
    if ffi::lua_rawgeti(l, -1, activation as i64) != ffi::LUA_TTABLE {
        ffi::lua_pop(l, 1);
        ffi::lua_newtable(l);
        ffi::lua_pushvalue(l, -1);
        ffi::lua_rawseti(l, -3, activation as i64);
    }
    ffi::lua_remove(l, -2);
}

/// Pushes the closure that keeps a variable.
///
/// # Safety
/// As [`handed_over`].
pub unsafe fn push_keeper(l: *mut lua_State, activation: usize, cell: Cell) {
    push_kept(l, activation);
    ffi::lua_rawgeti(l, -1, cell.keeper);
    ffi::lua_remove(l, -2);
}

/// The number of a function's upvalue of this name, from 1.
unsafe fn upvalue_named(l: *mut lua_State, function: c_int, name: &str) -> Option<c_int> {
    let function = ffi::lua_absindex(l, function);
    let mut number = 1;
    loop {
        let found = ffi::lua_getupvalue(l, function, number);
        if found.is_null() {
            return None;
        }
        ffi::lua_pop(l, 1);
        if CStr::from_ptr(found).to_bytes() == name.as_bytes() {
            return Some(number);
        }
        number += 1;
    }
}
