//! Lua's own libraries as services get them: functions that behave differently while a patch runs, so that its limits hold and it can be undone, or always, because
//! a service is not alone in its process.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_CFunction, lua_State};

use crate::lua::context;
use crate::lua::functions::lua_functions;
use crate::lua::libs::{self, Libraries};
use crate::lua::values::{self, Slot};

/// Library, function, and what takes its place, with Lua's own as its upvalue.
const GUARDED: [(&CStr, &CStr, lua_CFunction); 5] = [
    (c"_G", c"xpcall", xpcall),
    (c"_G", c"collectgarbage", collectgarbage),
    (c"debug", c"upvaluejoin", upvaluejoin),
    (c"debug", c"sethook", sethook),
    (c"os", c"exit", exit),
];

/// Opens the libraries that every VM has.
///
/// # Safety
/// `l` is live, inside a protected call.
pub unsafe fn open_first(l: *mut lua_State) {
    for (name, open) in libs::ALWAYS {
        open_one(l, name, open);
    }
}

/// Opens libraries that are not open yet.
///
/// # Safety
/// As [`open_first`].
pub unsafe fn open(l: *mut lua_State, libraries: Libraries) {
    if libraries.is_empty() {
        return;
    }
    ffi::luaL_checkstack(l, 8, std::ptr::null());
    ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
    for (name, open) in libraries.each() {
        let is_open = values::raw_field(l, -1, name) != ffi::LUA_TNIL;
        ffi::lua_pop(l, 1);
        if !is_open {
            open_one(l, name, open);
        }
    }
    ffi::lua_pop(l, 1);
}

/// Opens a library, and puts the guarded functions in the place of Lua's own.
unsafe fn open_one(l: *mut lua_State, library: &CStr, open: libs::Open) {
    ffi::luaL_requiref(l, library.as_ptr(), open, 1);
    for (_, name, guarded) in GUARDED.iter().filter(|(of, ..)| *of == library) {
        ffi::lua_getfield(l, -1, name.as_ptr());
        ffi::lua_pushcclosure(l, *guarded, 1);
        ffi::lua_setfield(l, -2, name.as_ptr());
    }
    if library == PACKAGE {
        furnish_package(l);
    }
    ffi::lua_pop(l, 1);
}

/// The library that has to do with modules.
const PACKAGE: &CStr = c"package";

/// Gives the library `package`, on top, the paths and searchers that `require` goes by without it, and takes back its `require`.
unsafe fn furnish_package(l: *mut lua_State) {
    let context = context::of(l);
    let path = context.patterns().join(";");
    context.push_text(l, path);
    ffi::lua_setfield(l, -2, c"path".as_ptr());
    ffi::lua_pushstring(l, c"".as_ptr());
    ffi::lua_setfield(l, -2, c"cpath".as_ptr());
    values::slot(l, Slot::Core);
    values::raw_field(l, -1, c"require");
    ffi::lua_setglobal(l, c"require".as_ptr());
    // There are no C modules: what was preloaded, and Lua files.
    ffi::lua_createtable(l, 2, 0);
    values::raw_field(l, -3, c"searchers");
    ffi::lua_rawgeti(l, -1, 1);
    ffi::lua_rawseti(l, -3, 1);
    ffi::lua_pop(l, 1);
    values::raw_field(l, -2, c"search");
    ffi::lua_rawseti(l, -2, 2);
    ffi::lua_setfield(l, -3, c"searchers".as_ptr());
    ffi::lua_pop(l, 1);
}

lua_functions! {
    /// `collectgarbage`: a patch may count, but not collect: finalizers would run that nothing can stop or undo.
    fn collectgarbage(l, context) {
        let counts = values::bytes(l, 1) == Some(b"count");
        if context.on_trial() && !counts {
            ffi::lua_pushinteger(l, 0);
            return 1;
        }
        original(l)
    }

    /// `debug.upvaluejoin`: what a patch joins is noted, to be joined back.
    fn upvaluejoin(l, context) {
        if context.on_trial() {
            note_join(l);
        }
        original(l)
    }

    /// `debug.sethook`: a patch's own hook would be in the place of the one that ends it in time.
    fn sethook(l, context) {
        context.refuse_on_trial(l, "set hooks");
        original(l)
    }

    /// `os.exit`: a service cannot pull the rug from under the others; the node stops in order, with this exit code.
    fn exit(l, context) {
        context.refuse_on_trial(l, "stop the node");
        let code = match ffi::lua_type(l, 1) {
            ffi::LUA_TBOOLEAN => i64::from(ffi::lua_toboolean(l, 1) == 0),
            _ => values::integer(l, 1).unwrap_or_default(),
        };
        context.host.node.request_stop(u8::try_from(code).unwrap_or(1));
        0
    }

    /// `xpcall`: see [`handle`].
    fn xpcall(l, context) {
        let count = ffi::lua_gettop(l);
        ffi::luaL_checktype(l, 2, ffi::LUA_TFUNCTION);
        if context.on_trial() {
            ffi::lua_pushvalue(l, 2);
            ffi::lua_pushcclosure(l, handle, 1);
            ffi::lua_replace(l, 2);
        }
        // Function and handler, then what is returned first if all goes well, then the call.
        ffi::lua_pushboolean(l, 1);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_rotate(l, 3, 2);
        let status = ffi::lua_pcallk(l, count - 2, ffi::LUA_MULTRET, 2, 2, Some(finished));
        finished(l, status, 2)
    }

    /// The message handler of an `xpcall` in a patch. When the time is up an error is raised where hooks do not work any more,
    /// so a handler that would never return must not be called then.
    fn handle(l, context) {
        let late = context.trial.borrow().as_ref().is_some_and(|trial| trial.late);
        if late {
            return 1;
        }
        ffi::lua_settop(l, 1);
        ffi::lua_pushvalue(l, values::upvalue(1));
        ffi::lua_insert(l, 1);
        ffi::lua_call(l, 1, ffi::LUA_MULTRET);
        ffi::lua_gettop(l)
    }
}

/// Goes on as the guarded function itself, which is upvalue 1, in the same frame: its own errors name it, and the caller's line.
unsafe fn original(l: *mut lua_State) -> c_int {
    ffi::lua_tocfunction(l, values::upvalue(1)).map_or(0, |function| function(l))
}

/// What `xpcall` returns, behind its `skipped` first stack slots.
unsafe extern "C-unwind" fn finished(l: *mut lua_State, status: c_int, skipped: isize) -> c_int {
    if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
        return ffi::lua_gettop(l) - skipped as c_int;
    }
    ffi::lua_pushboolean(l, 0);
    ffi::lua_pushvalue(l, -2);
    2
}

/// Notes the cell that upvalue (arguments 1 and 2) has now, as a closure over it, in the list of joins.
unsafe fn note_join(l: *mut lua_State) {
    let number = values::integer(l, 2)
        .and_then(|n| c_int::try_from(n).ok())
        .unwrap_or_default();
    let is_lua_function = ffi::lua_type(l, 1) == ffi::LUA_TFUNCTION && ffi::lua_iscfunction(l, 1) == 0;
    if !is_lua_function || ffi::lua_upvalueid(l, 1, number).is_null() {
        // Lua's own function says what is wrong.
        return;
    }
    let top = ffi::lua_gettop(l);
    values::slot(l, Slot::Joins);
    let joins = top + 1;
    let length = ffi::lua_rawlen(l, joins) as i64;
    ffi::lua_pushvalue(l, 1);
    ffi::lua_rawseti(l, joins, length + 1);
    ffi::lua_pushinteger(l, i64::from(number));
    ffi::lua_rawseti(l, joins, length + 2);
    // A function with one upvalue, which becomes the cell's second owner.
    ffi::luaL_loadstring(l, c"local cell return function() return cell end".as_ptr());
    ffi::lua_call(l, 0, 1);
    ffi::lua_upvaluejoin(l, -1, 1, 1, number);
    ffi::lua_rawseti(l, joins, length + 3);
    ffi::lua_settop(l, top);
}

/// Joins every noted upvalue back to the cell that it had, the last first, and forgets the notes.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn join_back(l: *mut lua_State) {
    let top = ffi::lua_gettop(l);
    values::slot(l, Slot::Joins);
    let mut place = ffi::lua_rawlen(l, -1) as i64;
    while place >= 3 {
        ffi::lua_settop(l, top + 1);
        ffi::lua_rawgeti(l, -1, place - 2);
        ffi::lua_rawgeti(l, -2, place - 1);
        let number = values::integer(l, -1).unwrap_or_default() as c_int;
        ffi::lua_rawgeti(l, -3, place);
        ffi::lua_upvaluejoin(l, -3, number, -1, 1);
        place -= 3;
    }
    ffi::lua_settop(l, top);
    forget_joins(l);
}

/// Forgets the notes; how many there were.
///
/// # Safety
/// As [`join_back`].
pub unsafe fn forget_joins(l: *mut lua_State) -> u32 {
    values::slot(l, Slot::Joins);
    let length = ffi::lua_rawlen(l, -1) as i64;
    for place in (1..=length).rev() {
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, -2, place);
    }
    ffi::lua_pop(l, 1);
    (length / 3) as u32
}
