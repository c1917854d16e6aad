//! Making and closing a VM.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use crate::lua::api;
use crate::lua::builtin;
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::files::{File, Kind};
use crate::lua::functions::lua_functions;
use crate::lua::guard;
use crate::lua::host::Host;
use crate::lua::layout;
use crate::lua::library;
use crate::lua::libs::Libraries;
use crate::lua::memory::{Memory, allocate};
use crate::lua::queues;
use crate::lua::scheduler;
use crate::lua::values::{self, SLOTS, Slot};
use crate::patch::order::Loader;
use crate::plain;

/// One seed for the hash tables of all VMs, so that what is compiled once fits all of them.
const SEED: u32 = 0x686f_746c;

/// Makes the context's VM, with libraries and boot code.
///
/// # Errors
/// When there is no memory, or a file that every service runs first does not run.
///
/// # Safety
/// The context stays at its address for the life of the VM, which ends with [`close`].
pub unsafe fn open(context: &Context) -> Result<(), String> {
    let data = std::ptr::from_ref::<Memory>(&context.memory).cast_mut().cast();
    let l = ffi::lua_newstate(allocate, data, SEED);
    if l.is_null() {
        return Err("not enough memory for a Lua VM".into());
    }
    context.main.set(l);
    // Every coroutine made later inherits this.
    *ffi::lua_getextraspace(l).cast::<*const Context>() = context;
    ffi::lua_pushcfunction(l, furnish);
    if ffi::lua_pcall(l, 0, 0, 0) != ffi::LUA_OK {
        let why = values::describe(l, -1);
        ffi::lua_pop(l, 1);
        return Err(why);
    }
    Ok(())
}

/// Closes the VM: coroutines first (what is to be closed runs), then the heap.
///
/// # Safety
/// The VM is open and not running; the context is not used with Lua afterwards.
pub unsafe fn close(context: &Context) {
    let l = context.main.replace(std::ptr::null_mut());
    if l.is_null() {
        return;
    }
    context.main.set(l);
    scheduler::protected(context, close_coroutines);
    context.main.set(std::ptr::null_mut());
    ffi::lua_close(l);
    context.host.post_room.unloaded(context.number());
}

lua_functions! {
    /// Gives a new VM its libraries, its tables and its boot code.
    fn furnish(l, context) {
        if context.host.layout_fits.get().is_none() {
            let fits = layout::check(l);
            // Several first VMs may prove the same.
            let _ = context.host.layout_fits.set(fits);
        }
        if context.host.layout_fits.get() != Some(&true) {
            context.raise(l, format_args!("this Lua keeps its functions in another way than hotlua knows; build with the vendored Lua 5.5"));
        }
        if context.host.in_memory.get().is_none() {
            let _ = context.host.in_memory.set(layout::check_in_memory(l));
        }
        guard::open_first(l);
        for number in 0..SLOTS {
            ffi::lua_newtable(l);
            ffi::lua_rawseti(l, ffi::LUA_REGISTRYINDEX, Slot::Proto as i64 + i64::from(number));
        }
        queues::clear(l, Slot::Forks);
        queues::clear(l, Slot::Wakeups);
        // Weak, so that a coroutine that nobody needs any more can go.
        values::slot(l, Slot::InFlight);
        ffi::lua_newtable(l);
        ffi::lua_pushstring(l, c"v".as_ptr());
        ffi::lua_setfield(l, -2, c"__mode".as_ptr());
        ffi::lua_setmetatable(l, -2);
        ffi::lua_pop(l, 1);
        ffi::lua_pushcfunction(l, api::print);
        ffi::lua_setglobal(l, c"print".as_ptr());
        api::furnish(l);
        values::slot(l, Slot::Core);
        ffi::lua_pushcfunction(l, search);
        ffi::lua_setfield(l, -2, c"search".as_ptr());
        ffi::lua_pushcfunction(l, searchers);
        ffi::lua_setfield(l, -2, c"searchers".as_ptr());
        ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
        ffi::lua_pushvalue(l, -2);
        ffi::lua_setfield(l, -2, c"skynet.core".as_ptr());
        ffi::lua_setfield(l, -2, c"modules".as_ptr());
        builtin::push(l, context, library::BOOT, "boot");
        values::slot(l, Slot::Core);
        ffi::lua_call(l, 1, 0);
        0
    }

    /// `search(name)`, a package searcher: the loader of a module from the project's library or the built-in one, or what was tried.
    fn search(l, context) {
        let libraries = Libraries::named_in(CStr::from_ptr(ffi::luaL_checkstring(l, 1)).to_bytes());
        if !libraries.is_empty() && opens(l, libraries) {
            return 1;
        }
        match find_module(l, context) {
            Ok(chunk) => {
                let module = values::text(l, 1);
                push_main(l, context, &chunk, module);
                drop(chunk);
                3
            }
            Err(tried) => {
                context.push_text(l, tried);
                1
            }
        }
    }

    /// `searchers()` → those of the library `package`, or the one that there is without it.
    fn searchers(l, _context) {
        push_package(l);
        if ffi::lua_type(l, -1) == ffi::LUA_TTABLE {
            ffi::lua_getfield(l, -1, c"searchers".as_ptr());
        } else {
            ffi::lua_createtable(l, 1, 0);
            ffi::lua_pushcfunction(l, search);
            ffi::lua_rawseti(l, -2, 1);
        }
        1
    }

    /// The loader of a library that was just opened.
    fn library(l, _context) {
        ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_rawget(l, -2);
        1
    }

    /// Takes a closure over file-level locals from the probe of a file, whose number is the upvalue.
    fn keep(l, _context) {
        values::slot(l, Slot::Kept);
        ffi::lua_rawgeti(l, -1, ffi::lua_tointegerx(l, values::upvalue(1), std::ptr::null_mut()));
        ffi::lua_pushvalue(l, 1);
        ffi::lua_rawseti(l, -2, ffi::lua_rawlen(l, -2) as i64 + 1);
        0
    }

    /// Closes every coroutine of the scheduler's. What is to be closed may make others meanwhile; they never run.
    fn close_coroutines(l, _context) {
        values::slot(l, Slot::Coroutines);
        // A VM that could not be furnished has none.
        if ffi::lua_type(l, 1) != ffi::LUA_TTABLE {
            return 0;
        }
        ffi::lua_newtable(l);
        let mut count = 0;
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, 1) != 0 {
            count += 1;
            ffi::lua_rawseti(l, 2, count);
        }
        for number in 1..=count {
            ffi::lua_rawgeti(l, 2, number);
            let thread = ffi::lua_tothread(l, -1);
            if !thread.is_null() {
                ffi::lua_closethread(thread, l);
            }
            ffi::lua_settop(l, 2);
        }
        0
    }
}

/// Opens libraries; whether one of them is the module of the name at 1, whose loader is pushed then.
unsafe fn opens(l: *mut lua_State, libraries: Libraries) -> bool {
    guard::open(l, libraries);
    ffi::lua_pushcfunction(l, library);
    ffi::lua_pushvalue(l, -1);
    ffi::lua_pushvalue(l, 1);
    ffi::lua_call(l, 1, 1);
    let is_one = ffi::lua_type(l, -1) != ffi::LUA_TNIL;
    ffi::lua_pop(l, if is_one { 1 } else { 2 });
    is_one
}

/// The chunk of the module whose name is argument 1, or what was tried (or failed), as `require` shows it.
unsafe fn find_module(l: *mut lua_State, context: &Context) -> Result<Arc<Chunk>, String> {
    let name = values::text(l, 1).unwrap_or_default();
    let host: &Host = &context.host;
    let patterns = patterns(l, context);
    match host.find_by(&patterns, &name.replace('.', "/")) {
        Ok(found) => load(l, context, &found.path, &found.label),
        Err(tried) => match library::module(&name) {
            Some(text) => host.chunks.builtin(l, text, &name),
            None => Err(tried.iter().map(|label| format!("\n\tno file '{label}'")).collect()),
        },
    }
}

/// Where modules are looked for: the library `package` says it, once a text has meant it.
unsafe fn patterns(l: *mut lua_State, context: &Context) -> Vec<String> {
    let top = ffi::lua_gettop(l);
    push_package(l);
    let patterns = if ffi::lua_type(l, -1) == ffi::LUA_TTABLE {
        values::raw_field(l, -1, c"path");
        let path = values::text(l, -1).unwrap_or_default();
        path.split(';').filter(|p| !p.is_empty()).map(str::to_owned).collect()
    } else {
        context.patterns()
    };
    ffi::lua_settop(l, top);
    patterns
}

/// Pushes the library `package`, nil if it is not open.
unsafe fn push_package(l: *mut lua_State) {
    ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
    values::raw_field(l, -1, c"package");
    ffi::lua_remove(l, -2);
}

/// The chunk of a file that is about to run here; the post room is told.
///
/// # Errors
/// The compiler's message with file and line, or why the file cannot be read.
///
/// # Safety
/// As [`push_main`].
pub unsafe fn load(l: *mut lua_State, context: &Context, path: &Path, label: &str) -> Result<Arc<Chunk>, String> {
    let chunk = context.host.chunks.file(l, path, label)?;
    let identity = &context.instance.identity;
    if identity.listed {
        let by = Loader {
            vm: context.number(),
            handle: identity.handle.0,
            service: &identity.service,
        };
        context.host.post_room.loaded(&by, path, label, &chunk.text);
    }
    Ok(chunk)
}

/// Returns the number of a chunk's file (a module's, if it has a name) and pushes three values: the main function, the label, and what its probe calls (nil if it has
/// none), which the boot code puts in its place just before it runs the function.
///
/// # Safety
/// `l` is a live coroutine of the context's VM, inside a protected call.
pub unsafe fn push_main(l: *mut lua_State, context: &Context, chunk: &Arc<Chunk>, module: Option<String>) -> usize {
    guard::open(l, chunk.libraries);
    // A file that is loaded is never forgotten, see `Files`.
    if !chunk.push_in_place(l) {
        drop(module);
        ffi::lua_error(l);
    }
    let file = File {
        chunk: chunk.clone(),
        kind: Kind::Script { module },
    };
    let number = context.files.borrow_mut().add(l, -1, file);
    values::slot(l, Slot::Kept);
    ffi::lua_newtable(l);
    ffi::lua_rawseti(l, -2, number as i64);
    ffi::lua_pop(l, 1);
    values::push(l, chunk.label.as_bytes());
    if chunk.frame.is_probed() {
        ffi::lua_pushinteger(l, number as i64);
        ffi::lua_pushcclosure(l, keep, 1);
    } else {
        ffi::lua_pushnil(l);
    }
    number
}

/// The chunk of a service's script: from the project, or a part of the node.
///
/// # Errors
/// The compiler's message, or one `cannot open` line per file that was tried.
///
/// # Safety
/// As [`push_main`].
pub unsafe fn script(l: *mut lua_State, context: &Context) -> Result<Script, String> {
    let identity = &context.instance.identity;
    let host = &context.host;
    let builtin = |text| {
        let chunk = host.chunks.builtin(l, text, &identity.service)?;
        Ok(Script {
            chunk,
            neighbours: None,
        })
    };
    if !identity.listed {
        return builtin(library::service(&identity.service).unwrap_or_default());
    }
    if !is_service_name(&identity.service) {
        return Err(format!(
            "`{}` can be no service's name",
            plain::line(identity.service.as_bytes())
        ));
    }
    match (
        host.find_by(&host.config.services, &identity.service),
        library::service(&identity.service),
    ) {
        (Ok(found), _) => {
            let neighbours = found
                .pattern
                .ends_with("?/init.lua")
                .then(|| format!("{}?.lua", found.label.trim_end_matches("init.lua")));
            let chunk = load(l, context, &found.path, &found.label)?;
            Ok(Script { chunk, neighbours })
        }
        (Err(_), Some(text)) => builtin(text),
        (Err(tried), None) => {
            let lines: Vec<String> = tried.iter().map(|label| format!("cannot open {label}")).collect();
            Err(lines.join("\n"))
        }
    }
}

/// Whether a name (which a peer of the console may have typed) stands for a file below the folders of services: `game/agent` does,
/// `../agent` does not.
fn is_service_name(name: &str) -> bool {
    !name.contains(plain::misleads) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// A service's script.
pub struct Script {
    /// Compiled.
    pub chunk: Arc<Chunk>,
    /// A pattern for the modules beside a script that is called `init.lua`.
    pub neighbours: Option<String>,
}
