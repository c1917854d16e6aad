//! Patches of definitions: what such a text writes is known before it runs, so that only those places need be noted for undoing it.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::apply::bind::{Name, Place as Where};
use crate::lua::apply::held::{self, Held};
use crate::lua::changes::{self, Noted, Place};
use crate::lua::chunks::Chunk;
use crate::lua::heap::{self, record};
use crate::lua::values;
use crate::lua::variables;
use crate::patch::syntax::{Field, Kind, Path, Statement, Target, Value};

/// What a text writes.
#[derive(Debug)]
pub struct Slots {
    /// The places that could be found without running anything.
    pub all: Vec<Noted>,
    /// As the text writes them.
    pub names: Vec<String>,
    /// The texts consist of definitions only, and all their places were found: they write nothing else.
    pub complete: bool,
    length: i64,
}

impl Default for Slots {
    /// Of no text at all, which writes nothing.
    fn default() -> Slots {
        Slots {
            all: Vec::new(),
            names: Vec::new(),
            complete: true,
            length: 0,
        }
    }
}

/// What is looked through to find the places.
pub struct Scope<'a> {
    /// The text, compiled and bound.
    pub chunk: &'a Chunk,
    /// What it may mean.
    pub names: &'a [Name],
    /// The loaded file whose variables those are.
    pub activation: Option<usize>,
}

impl Slots {
    /// Finds the places that the text writes, and appends them to the list at stack index `list`.
    ///
    /// # Safety
    /// `l` is the main thread inside a protected call.
    pub unsafe fn find(&mut self, l: *mut lua_State, list: c_int, scope: &Scope<'_>) {
        let top = ffi::lua_gettop(l);
        for statement in scope
            .chunk
            .outline
            .bodies
            .first()
            .map(|body| &body.statements)
            .into_iter()
            .flatten()
        {
            let found = self.statement(l, list, scope, statement);
            self.complete &= found;
            ffi::lua_settop(l, top);
        }
    }

    /// Whether the statement is a definition whose places were found.
    unsafe fn statement(&mut self, l: *mut lua_State, list: c_int, scope: &Scope<'_>, statement: &Statement) -> bool {
        match &statement.kind {
            Kind::Local { values, .. } => values.iter().all(|value| is_plain(l, &value.value)),
            Kind::LocalFunction { .. } => true,
            Kind::Function { target, .. } => self.target(l, list, scope, target),
            Kind::Assign { targets, values } => {
                let mut found = values.len() >= targets.len() && values.iter().all(|value| is_plain(l, &value.value));
                for target in targets {
                    found &= self.target(l, list, scope, target);
                }
                found
            }
            Kind::Return { values } => values.is_empty(),
            Kind::Global | Kind::Call { .. } | Kind::Block { .. } | Kind::Other => false,
        }
    }

    unsafe fn target(&mut self, l: *mut lua_State, list: c_int, scope: &Scope<'_>, target: &Target) -> bool {
        let Some(path) = &target.path else { return false };
        let found = holder(l, scope, path);
        let place = match found {
            Found::Own => return true,
            Found::Nothing => return false,
            Found::Field if ffi::lua_type(l, -1) == ffi::LUA_TNIL && has_newindex(l, -3) => return false,
            Found::Field => Place::Field,
            Found::Cell(upvalue) => Place::Cell { upvalue },
        };
        // On top: holder, key, value.
        if self.is_known(l, list, &target.text, place) {
            return true;
        }
        self.all.push(Noted {
            place,
            at: self.length + 1,
        });
        self.names.push(target.text.clone());
        for step in [3, 2, 1] {
            changes::push_marked(l);
            ffi::lua_rawseti(l, list, self.length + step);
        }
        self.length += 3;
        true
    }

    /// Adds every place that holds a function, as `held` is filled with them; `list` is the stack index of the list of slots.
    ///
    /// # Safety
    /// As [`Slots::find`]; the collector is stopped.
    pub unsafe fn add_holders(&mut self, l: *mut lua_State, list: c_int, scope: heap::Scope<'_>, held: &mut Held) {
        // Those that were found already come again.
        self.all.retain(|slot| {
            let before = ffi::lua_rawgeti(l, list, slot.at + 2);
            ffi::lua_pop(l, 1);
            before != ffi::LUA_TFUNCTION
        });
        held::note(l, list, scope, held, &mut self.length);
        self.all.append(&mut held.places);
    }

    /// Whether the place on top of the stack was found before, under the same text.
    unsafe fn is_known(&self, l: *mut lua_State, list: c_int, text: &str, place: Place) -> bool {
        let Some(known) = self.names.iter().position(|name| name == text) else {
            return false;
        };
        let known = &self.all[known];
        record::push_noted(l, list, known.at);
        record::push_noted(l, list, known.at + 1);
        let same = known.place == place && ffi::lua_rawequal(l, -2, -5) != 0 && ffi::lua_rawequal(l, -1, -4) != 0;
        ffi::lua_pop(l, 2);
        same
    }
}

/// What a path leads to.
enum Found {
    /// A field: pushes table, key, value.
    Field,
    /// A variable: pushes a closure that has it, false, value.
    Cell(c_int),
    /// Something that the text makes itself.
    Own,
    /// Only running the program would tell.
    Nothing,
}

unsafe fn holder(l: *mut lua_State, scope: &Scope<'_>, path: &Path) -> Found {
    let own = scope.chunk.outline.bodies[0]
        .declarations
        .iter()
        .rev()
        .find(|declared| declared.name == path.root);
    if let Some(own) = own {
        return match own.initial.as_ref().map(|initial| &initial.value) {
            Some(Value::Require(name)) if !path.keys.is_empty() && push_loaded(l, name) => walk(l, &path.keys),
            _ if path.keys.is_empty() => Found::Own,
            Some(Value::Table(_)) => Found::Own,
            _ => Found::Nothing,
        };
    }
    match scope.names.iter().find(|name| name.name == path.root) {
        Some(Name {
            place: Where::Cell(cell),
            ..
        }) => {
            let Some(activation) = scope.activation else {
                return Found::Nothing;
            };
            variables::push_keeper(l, activation, *cell);
            if ffi::lua_getupvalue(l, -1, cell.upvalue).is_null() {
                return Found::Nothing;
            }
            if path.keys.is_empty() {
                ffi::lua_pushboolean(l, 0);
                ffi::lua_insert(l, -2);
                return Found::Cell(cell.upvalue);
            }
            walk(l, &path.keys)
        }
        Some(_) => Found::Nothing,
        None => {
            if !push_environment(l, scope) {
                return Found::Nothing;
            }
            let root = format!(".{}", path.root);
            let keys: Vec<String> = std::iter::once(root).chain(path.keys.iter().cloned()).collect();
            walk(l, &keys)
        }
    }
}

/// Pushes where the text's globals are.
unsafe fn push_environment(l: *mut lua_State, scope: &Scope<'_>) -> bool {
    let own = scope.names.iter().find(|name| name.name == "_ENV");
    match (own.map(|name| &name.place), scope.activation) {
        (None, _) => {
            ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_GLOBALS);
            true
        }
        (Some(Where::Cell(cell)), Some(activation)) => {
            variables::push_keeper(l, activation, *cell);
            !ffi::lua_getupvalue(l, -1, cell.upvalue).is_null()
        }
        _ => false,
    }
}

/// From the value on top through the keys, without metamethods: pushes the last table, the last key, and the value there.
unsafe fn walk(l: *mut lua_State, keys: &[String]) -> Found {
    let Some((last, way)) = keys.split_last() else {
        return Found::Nothing;
    };
    for key in way {
        if ffi::lua_type(l, -1) != ffi::LUA_TTABLE || !push_key(l, key) {
            return Found::Nothing;
        }
        ffi::lua_rawget(l, -2);
    }
    if ffi::lua_type(l, -1) != ffi::LUA_TTABLE || !push_key(l, last) {
        return Found::Nothing;
    }
    ffi::lua_pushvalue(l, -1);
    ffi::lua_rawget(l, -3);
    Found::Field
}

/// Pushes a key that is given as Lua text: `.name`, `["a b"]`, `[3]`.
pub unsafe fn push_key(l: *mut lua_State, key: &str) -> bool {
    if let Some(name) = key.strip_prefix('.') {
        values::push(l, name.as_bytes());
        return true;
    }
    let inside = key
        .strip_prefix('[')
        .and_then(|key| key.strip_suffix(']'))
        .unwrap_or_default();
    push_literal(l, inside)
}

/// Pushes the value of a literal expression; false, with nothing pushed, if it has none.
pub unsafe fn push_literal(l: *mut lua_State, text: &str) -> bool {
    let chunk = format!("return {text}");
    let loaded = ffi::luaL_loadbufferx(
        l,
        chunk.as_ptr().cast(),
        chunk.len(),
        c"=literal".as_ptr(),
        c"t".as_ptr(),
    );
    if loaded != ffi::LUA_OK || ffi::lua_pcall(l, 0, 1, 0) != ffi::LUA_OK {
        ffi::lua_pop(l, 1);
        return false;
    }
    true
}

/// Whether evaluating it does nothing and cannot fail.
unsafe fn is_plain(l: *mut lua_State, value: &Value) -> bool {
    match value {
        Value::Literal | Value::Function(_) => true,
        Value::Table(fields) => fields
            .iter()
            .all(|field: &Field| field.key.is_some() && is_plain(l, &field.value.value)),
        Value::Require(name) => {
            let loaded = push_loaded(l, name);
            if loaded {
                ffi::lua_pop(l, 1);
            }
            loaded
        }
        Value::Other => false,
    }
}

/// Pushes a loaded module; false, with nothing pushed, if it is not loaded.
unsafe fn push_loaded(l: *mut lua_State, name: &str) -> bool {
    ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
    values::push(l, name.as_bytes());
    let loaded = ffi::lua_rawget(l, -2) != ffi::LUA_TNIL;
    ffi::lua_remove(l, -2);
    if !loaded {
        ffi::lua_pop(l, 1);
    }
    loaded
}

unsafe fn has_newindex(l: *mut lua_State, table: c_int) -> bool {
    let found = ffi::luaL_getmetafield(l, table, c"__newindex".as_ptr()) != ffi::LUA_TNIL;
    if found {
        ffi::lua_pop(l, 1);
    }
    found
}
