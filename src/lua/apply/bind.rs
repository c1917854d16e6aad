//! Compiling a patch so that its free names are the service's own variables: the text stands, on its own lines, in a function whose
//! upvalues are then joined to the cells that the service's functions use. Which names are free is the compiler's decision, not ours.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::HashSet;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use crate::lua::chunks;
use crate::lua::context::Context;
use crate::lua::files::File;
use crate::lua::library;
use crate::lua::values::{self, Slot};
use crate::patch::order::Patch;
use crate::patch::syntax;

/// Names that every patch is given, unless the file has a local of that name.
const GIVEN: [&str; 3] = ["print", "_P", "_U"];
/// How many locals may stand before the patch's own text (a function has 200 at most).
const MOST_NAMES: usize = 190;

/// A file-level local of the service's script that the patch may mean.
struct Visible {
    name: String,
    fixed: bool,
    cell: Cell,
}

/// Where the variable is.
enum Cell {
    /// Upvalue `upvalue` of the closure number `keeper` among those that the script's probe made.
    Kept { keeper: i64, upvalue: c_int },
    /// A compile-time constant, as Lua text.
    Constant(String),
    /// Nowhere: the script's main function did not reach its end, or it had no room for the probe.
    Gone,
}

/// Pushes the patch as a function, bound to the service's variables; returns the number of its file.
///
/// # Errors
/// Why it cannot be: the compiler's message, or a name that has no variable any more. Nothing of the service was touched.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn compile(l: *mut lua_State, context: &Context, patch: &Arc<Patch>) -> Result<usize, String> {
    let text = patch.source.bytes();
    let visible = visible_locals(l, context, text);
    let prefix = prefix(&visible);
    // The text alone first, so that a stray `end` cannot close our function.
    let alone = [prefix.as_bytes(), text].concat();
    push_compiled(l, patch, &alone)?;
    ffi::lua_pop(l, 1);
    let wrapped = [prefix.as_bytes(), b"return function(...) ", text, b"\nend"].concat();
    push_compiled(l, patch, &wrapped)?;
    let number = context.files.borrow_mut().add(l, -1, File::Patch(patch.clone()));
    ffi::lua_call(l, 0, 1);
    join(l, context, &visible)?;
    Ok(number)
}

/// Pushes a text as a function, unless the compiler refuses it.
unsafe fn push_compiled(l: *mut lua_State, patch: &Patch, text: &[u8]) -> Result<(), String> {
    if chunks::load(l, text, &patch.label, c"t") {
        return Ok(());
    }
    let message = values::text(l, -1).unwrap_or_default();
    ffi::lua_pop(l, 1);
    let message = super::full_label(&message, &patch.label);
    Err(chunks::explain(&patch.source, &patch.label, message))
}

/// The declarations that stand before the text, on its first line.
fn prefix(visible: &[Visible]) -> String {
    let mut prefix = format!("local {};", GIVEN.join(","));
    for local in visible {
        let constant = match &local.cell {
            Cell::Constant(value) => format!("={value}"),
            _ => String::new(),
        };
        let fixed = if local.fixed { " <const> " } else { "" };
        prefix.push_str(&format!("local {}{fixed}{constant};", local.name));
    }
    prefix
}

/// The script's locals whose names occur in the text, in order of declaration. (A name that only looks free costs nothing: if the
/// compiler does not need it, it is no upvalue.)
unsafe fn visible_locals(l: *mut lua_State, context: &Context, text: &[u8]) -> Vec<Visible> {
    let Some(script) = context.script.get() else {
        return Vec::new();
    };
    let words = words(text);
    let declared: Vec<(usize, syntax::Local)> = context
        .files
        .borrow()
        .locals(script)
        .iter()
        .cloned()
        .enumerate()
        .collect();
    let wanted = declared
        .into_iter()
        .filter(|(_, local)| local.name == "_ENV" || words.contains(local.name.as_bytes()));
    wanted
        .take(MOST_NAMES)
        .map(|(number, local)| Visible {
            cell: find_cell(l, script, number, &local),
            name: local.name,
            fixed: local.fixed,
        })
        .collect()
}

fn words(text: &[u8]) -> HashSet<&[u8]> {
    text.split(|&b| !(b.is_ascii_alphanumeric() || b == b'_'))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Finds the cell of local number `number` of the script: among the upvalues of its keeper, or, if the compiler made a constant of
/// it, as what the keeper returns at its place.
unsafe fn find_cell(l: *mut lua_State, script: usize, number: usize, local: &syntax::Local) -> Cell {
    let top = ffi::lua_gettop(l);
    let keeper = (number / chunks::PROBE_WIDTH) as i64 + 1;
    values::slot(l, Slot::Kept);
    ffi::lua_rawgeti(l, -1, script as i64);
    let cell = if ffi::lua_rawgeti(l, -1, keeper) != ffi::LUA_TFUNCTION {
        Cell::Gone
    } else if let Some(upvalue) = upvalue_named(l, -1, &local.name) {
        Cell::Kept { keeper, upvalue }
    } else {
        ffi::luaL_checkstack(l, chunks::PROBE_WIDTH as c_int + 8, std::ptr::null());
        let function = ffi::lua_gettop(l);
        ffi::lua_call(l, 0, ffi::LUA_MULTRET);
        constant(l, function + (number % chunks::PROBE_WIDTH) as c_int).map_or(Cell::Gone, Cell::Constant)
    };
    ffi::lua_settop(l, top);
    cell
}

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

/// A scalar as Lua text that gives just this value.
unsafe fn constant(l: *mut lua_State, index: c_int) -> Option<String> {
    match ffi::lua_type(l, index) {
        ffi::LUA_TNIL => Some("nil".into()),
        ffi::LUA_TBOOLEAN | ffi::LUA_TNUMBER | ffi::LUA_TSTRING => {
            ffi::lua_getglobal(l, c"string".as_ptr());
            values::raw_field(l, -1, c"format");
            values::push(l, b"%q");
            ffi::lua_pushvalue(l, index);
            ffi::lua_call(l, 2, 1);
            // On one line, so that no line number moves.
            values::text(l, -1).map(|text| text.replace("\\\n", "\\n"))
        }
        _ => None,
    }
}

/// The free names that the patch reads and that nothing explains: no local of the script, nothing given, no global.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn unexplained(l: *mut lua_State, context: &Context, patch: &Patch) -> Vec<String> {
    let files = context.files.borrow();
    let locals = context
        .script
        .get()
        .map(|script| files.locals(script))
        .unwrap_or_default();
    let is_local = |name: &str| locals.iter().any(|local| local.name == name);
    ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_GLOBALS);
    // With an environment or a way of its own to find globals, only the service knows which there are.
    if is_local("_ENV") || ffi::luaL_getmetafield(l, -1, c"__index".as_ptr()) != ffi::LUA_TNIL {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for read in &patch.shape().reads {
        if is_local(&read.name) || GIVEN.contains(&read.name.as_str()) || read.name == "_ENV" {
            continue;
        }
        values::push(l, read.name.as_bytes());
        if ffi::lua_rawget(l, -2) == ffi::LUA_TNIL {
            missing.push(format!(
                "{}:{}: `{}` is read, but no such global has ever been set",
                patch.label, read.line, read.name
            ));
        }
        ffi::lua_pop(l, 1);
    }
    missing
}

/// Joins the upvalues of the function on top to their variables, and fills in what it is given.
unsafe fn join(l: *mut lua_State, context: &Context, visible: &[Visible]) -> Result<(), String> {
    let function = ffi::lua_gettop(l);
    let mut number = 1;
    loop {
        let name = ffi::lua_getupvalue(l, function, number);
        if name.is_null() {
            return Ok(());
        }
        ffi::lua_pop(l, 1);
        let name = CStr::from_ptr(name).to_string_lossy();
        match visible
            .iter()
            .find(|local| local.name == *name)
            .map(|local| &local.cell)
        {
            Some(&Cell::Kept { keeper, upvalue }) => join_kept(l, context, function, number, keeper, upvalue),
            Some(Cell::Constant(_)) => {}
            Some(Cell::Gone) => return Err(gone(context, &name)),
            None => give(l, context, function, number, &name),
        }
        number += 1;
    }
}

unsafe fn join_kept(l: *mut lua_State, context: &Context, function: c_int, number: c_int, keeper: i64, upvalue: c_int) {
    values::slot(l, Slot::Kept);
    ffi::lua_rawgeti(l, -1, context.script.get().unwrap_or_default() as i64);
    ffi::lua_rawgeti(l, -1, keeper);
    ffi::lua_upvaluejoin(l, function, number, -1, upvalue);
    ffi::lua_settop(l, function);
}

unsafe fn give(l: *mut lua_State, context: &Context, function: c_int, number: c_int, name: &str) {
    match name {
        "print" => ffi::lua_pushcfunction(l, super::patch_print),
        "_P" | "_U" => {
            let Ok(chunk) = context.host.chunks.builtin(l, library::GIVEN, "given") else {
                return;
            };
            chunk.push(l);
            drop(chunk);
            ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
            values::raw_field(l, -1, c"skynet.core");
            ffi::lua_remove(l, -2);
            ffi::lua_call(l, 1, 2);
            if name == "_P" {
                ffi::lua_pop(l, 1);
            }
        }
        _ => return,
    }
    ffi::lua_setupvalue(l, function, number);
    ffi::lua_settop(l, function);
}

fn gone(context: &Context, name: &str) -> String {
    let files = context.files.borrow();
    let label = context
        .script
        .get()
        .and_then(|script| files.get(script))
        .map_or("the script", |file| file.label());
    format!(
        "`{name}` is a local of {label}, but its variable no longer exists (the file did not run to its end, or is too large to keep \
         it alive); use another way to reach it"
    )
}
