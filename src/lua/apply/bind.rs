//! Compiling a patch so that its free names are the service's own variables: the text stands, on its own lines, in a function whose
//! upvalues are then joined to the cells that the service's functions use. Which names are free is the compiler's decision, not ours.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use crate::lua::builtin;
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::files::{File, Kind};
use crate::lua::guard;
use crate::lua::library;
use crate::lua::values::{self, Slot};
use crate::lua::variables::{self, Cell, Variables};
use crate::patch::revision::ABSENT;
use crate::patch::source::Source;
use crate::patch::syntax::Read;

/// Names that every patch is given, unless the file has a local of that name.
const GIVEN: [&str; 3] = ["print", "_P", "_U"];
/// How many names stand in one function around the patch's own text (a function has 200 locals at most).
const MOST_NAMES: usize = 180;

/// A variable of a file that a text may mean.
#[derive(Clone, Debug)]
pub struct Name {
    /// What it is called.
    pub name: String,
    /// It cannot be assigned.
    pub fixed: bool,
    /// Where it is.
    pub place: Place,
}

/// Where a variable is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A cell.
    Cell(Cell),
    /// A compile-time constant, as Lua text.
    Constant(String),
    /// Nowhere: the file's main function did not reach its end, or it had no room for the probe.
    Gone,
}

/// A text that is to be bound to the variables of a file.
pub struct Unbound<'a> {
    /// The text.
    pub source: &'a Source,
    /// As error messages name it.
    pub label: &'a str,
    /// The loaded file whose variables it means; `None`: there is none.
    pub activation: Option<usize>,
    /// What it may mean.
    pub names: &'a [Name],
    /// What it is.
    pub kind: Kind,
}

/// Pushes a text as a function, bound to the variables; returns the number of its file.
///
/// # Errors
/// Why it cannot be: the compiler's message, or a name that has no variable any more. Nothing of the service was touched.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn compile(l: *mut lua_State, context: &Context, text: Unbound<'_>) -> Result<usize, String> {
    let chunk = context
        .host
        .chunks
        .bound(l, text.source, text.label, &declarations(text.names))?;
    guard::open(l, chunk.libraries);
    if !chunk.push(l) {
        return Err("not enough memory".into());
    }
    let depth = chunk.frame.depth();
    let number = context.files.borrow_mut().add(l, -1, File { chunk, kind: text.kind });
    for _ in 0..depth {
        ffi::lua_call(l, 0, 1);
    }
    join(l, context, text.activation, text.names)?;
    Ok(number)
}

/// The declarations that stand before the text, on its first line: one text per function around it.
fn declarations(names: &[Name]) -> Vec<String> {
    let mut groups = vec![format!("local {},{ABSENT};", GIVEN.join(","))];
    for group in names.chunks(MOST_NAMES) {
        let declared = group.iter().map(|local| {
            let constant = match &local.place {
                Place::Constant(value) => format!("={value}"),
                _ => String::new(),
            };
            let fixed = if local.fixed { " <const> " } else { "" };
            format!("local {}{fixed}{constant};", local.name)
        });
        groups.push(declared.collect());
    }
    // The usual few names share one function with what is given.
    if groups.len() == 2 {
        let rest = groups.pop().unwrap_or_default();
        groups[0].push_str(&rest);
    }
    groups
}

/// The variables of a version of a file that a text may mean: those that are visible at the file's end and whose names occur in the text.
/// (A name that only looks free costs nothing: if the compiler does not need it, it is no upvalue.)
///
/// # Errors
/// See [`Chunk::code`].
///
/// # Safety
/// As [`compile`].
pub unsafe fn names(l: *mut lua_State, chunk: &Chunk, variables: &Variables, text: &[u8]) -> Result<Vec<Name>, String> {
    let side = chunk.side(l)?;
    let words = words(text);
    let mut numbers = side.variables(side.base).map(|variable| variable.local);
    let (mut found, mut places): (Vec<Name>, HashMap<&str, usize>) = (Vec::new(), HashMap::new());
    for declared in side
        .outline
        .bodies
        .first()
        .map(|body| &body.declarations)
        .into_iter()
        .flatten()
    {
        let number = if declared.folded { None } else { numbers.next() };
        // What is new in a block of its own is a variable of the file as well, once it is there.
        let cell = number.and_then(|number| variables.get(&number));
        let visible = declared.outermost || cell.is_some();
        if !visible || !(declared.folded || declared.name == "_ENV" || words.contains(declared.name.as_bytes())) {
            continue;
        }
        let constant = declared.initial.as_ref().filter(|_| declared.folded);
        let place = match (constant, cell) {
            (Some(initial), _) => Place::Constant(initial.text.clone()),
            (None, Some(cell)) => Place::Cell(*cell),
            (None, None) => Place::Gone,
        };
        let name = Name {
            name: declared.name.clone(),
            fixed: declared.fixed,
            place,
        };
        match places.get(declared.name.as_str()) {
            Some(&at) => found[at] = name,
            None => {
                places.insert(&declared.name, found.len());
                found.push(name);
            }
        }
    }
    Ok(found)
}

/// The variables of a version of a file.
///
/// # Errors
/// See [`Chunk::code`].
///
/// # Safety
/// As [`compile`].
pub unsafe fn variables_of(l: *mut lua_State, context: &Context, version: usize) -> Result<Arc<Variables>, String> {
    if let Some(known) = context.applied.variables.borrow().get(&version) {
        return Ok(known.clone());
    }
    let chunk = context.files.borrow().get(version).map(|file| file.chunk.clone());
    let chunk = chunk.ok_or("a file is missing")?;
    let found = Arc::new(variables::handed_over(l, &chunk, version)?);
    // One whose main function still runs may hand them over later.
    if !found.is_empty() {
        context.applied.variables.borrow_mut().insert(version, found.clone());
    }
    Ok(found)
}

fn words(text: &[u8]) -> HashSet<&[u8]> {
    text.split(|&b| !(b.is_ascii_alphanumeric() || b == b'_'))
        .filter(|word| !word.is_empty())
        .collect()
}

/// The free names that a text reads and that nothing explains: no local of the file, nothing given, no global.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn unexplained(l: *mut lua_State, chunk: &Chunk, file: Option<&Chunk>, names: &[Name]) -> Vec<String> {
    let is_local = |name: &str| {
        let of_file = file.is_some_and(|file| file.outline.locals.iter().any(|local| local.name == name));
        of_file || names.iter().any(|known| known.name == name)
    };
    // With an environment of its own, only the service knows which globals there are.
    if is_local("_ENV") {
        return Vec::new();
    }
    unknown_globals(l, chunk, &|read| !is_local(&read.name))
}

/// The free names that a text reads, as far as somebody asks for them, and that no global has.
///
/// # Safety
/// As [`unexplained`].
pub unsafe fn unknown_globals(l: *mut lua_State, chunk: &Chunk, asked: &dyn Fn(&Read) -> bool) -> Vec<String> {
    ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_GLOBALS);
    // With a way of its own to find globals, only the service knows which there are.
    if ffi::luaL_getmetafield(l, -1, c"__index".as_ptr()) != ffi::LUA_TNIL {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for read in chunk.outline.reads.iter().filter(|read| asked(read)) {
        if GIVEN.contains(&read.name.as_str()) || read.name == "_ENV" || read.name == ABSENT {
            continue;
        }
        values::push(l, read.name.as_bytes());
        if ffi::lua_rawget(l, -2) == ffi::LUA_TNIL {
            missing.push(format!(
                "{}:{}: `{}` is read, but no such global has ever been set",
                chunk.label, read.line, read.name
            ));
        }
        ffi::lua_pop(l, 1);
    }
    missing
}

/// Joins the upvalues of the function on top to their variables, and fills in what it is given.
unsafe fn join(l: *mut lua_State, context: &Context, activation: Option<usize>, names: &[Name]) -> Result<(), String> {
    let function = ffi::lua_gettop(l);
    let mut number = 1;
    loop {
        let name = ffi::lua_getupvalue(l, function, number);
        if name.is_null() {
            return Ok(());
        }
        ffi::lua_pop(l, 1);
        let name = CStr::from_ptr(name).to_string_lossy();
        match (
            names.iter().find(|local| local.name == *name).map(|local| &local.place),
            activation,
        ) {
            (Some(Place::Cell(cell)), Some(activation)) => {
                variables::push_keeper(l, activation, *cell);
                ffi::lua_upvaluejoin(l, function, number, -1, cell.upvalue);
                ffi::lua_settop(l, function);
            }
            (Some(Place::Constant(_)), _) => {}
            (Some(_), _) => return Err(gone(context, activation, &name)),
            (None, _) => give(l, context, function, number, &name),
        }
        number += 1;
    }
}

unsafe fn give(l: *mut lua_State, context: &Context, function: c_int, number: c_int, name: &str) {
    match name {
        "print" => ffi::lua_pushcfunction(l, super::hooks::patch_print),
        ABSENT => ffi::lua_pushcfunction(l, super::revise::absent),
        "_P" | "_U" => {
            builtin::push(l, context, library::GIVEN, "given");
            values::slot(l, Slot::Core);
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

fn gone(context: &Context, activation: Option<usize>, name: &str) -> String {
    let files = context.files.borrow();
    let label = activation
        .and_then(|activation| files.get(activation))
        .map_or("the script", |file| file.chunk.label.as_str());
    format!(
        "`{name}` is a local of {label}, but its variable no longer exists (the file did not run to its end, or it has no room to keep \
         it alive); use another way to reach it"
    )
}
