//! Variables of a file that its end does not see, being declared in a block: found with the functions that use them.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::HashMap;

use mlua::ffi::{self, lua_State};

use crate::lua::apply::exchange::{Exchange, Tables};
use crate::lua::apply::{FOUND, Step, Work, gather, get};
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::heap::survey::Survey;
use crate::lua::variables::{self, Cell, Variables};
use crate::patch::bytecode::{Binding, Declaration};
use crate::patch::revision::Revision;

/// The cell of a variable that the end of a file does not see.
pub unsafe fn hidden(l: *mut lua_State, work: &Work<'_>, number: usize, local: usize) -> Result<Option<Cell>, String> {
    let revising = &work.revisions[number];
    get(l, FOUND);
    let search = Search {
        context: work.context,
        survey: &work.exchange.survey,
        list: ffi::lua_gettop(l),
        activation: revising.activation,
        version: revising.old_version,
        chunk: &revising.old,
    };
    let cell = search.cell(l, local);
    ffi::lua_pop(l, 1);
    cell
}

/// What is looked through for variables that the end of a file does not see.
struct Search<'a> {
    context: &'a Context,
    survey: &'a Survey,
    /// Stack index of the survey's list.
    list: i32,
    activation: usize,
    version: usize,
    chunk: &'a Chunk,
}

impl Search<'_> {
    /// The one cell of a variable (a number among the locals of the main function), found with a function that uses it and kept from now on;
    /// `None` if there is none, or several.
    unsafe fn cell(&self, l: *mut lua_State, local: usize) -> Result<Option<Cell>, String> {
        let side = self.chunk.side(l)?;
        let wanted = Binding::Local(Declaration {
            function: side.base,
            local,
        });
        let top = ffi::lua_gettop(l);
        let mut cells: HashMap<usize, (i64, i32)> = HashMap::new();
        for closure in &self.survey.closures {
            ffi::lua_settop(l, top);
            ffi::lua_rawgeti(l, self.list, closure.place);
            let mut files = self.context.files.borrow_mut();
            let Some(origin) = files.origin(l, -1) else { continue };
            let in_version = files.alike(origin).into_iter().find(|alike| alike.file == self.version);
            let Some(function) = in_version.and_then(|origin| origin.function) else {
                continue;
            };
            for (upvalue, binding) in (1..).zip(side.code.bindings(side.base + 1 + function)) {
                if binding == Some(wanted) {
                    cells.insert(ffi::lua_upvalueid(l, -1, upvalue) as usize, (closure.place, upvalue));
                }
            }
        }
        ffi::lua_settop(l, top);
        let mut found = cells.into_values();
        let (Some((place, upvalue)), None) = (found.next(), found.next()) else {
            return Ok(None);
        };
        ffi::lua_rawgeti(l, self.list, place);
        let cell = variables::adopt(l, self.activation, -1, upvalue);
        ffi::lua_settop(l, top);
        Ok(Some(cell))
    }
}

/// Finds the variables of blocks alone that new functions mean.
///
/// # Errors
/// Which one cannot be found.
pub unsafe fn find_needed(
    l: *mut lua_State,
    context: &Context,
    revision: &Revision,
    old: (usize, usize, &Chunk),
    variables: &mut Variables,
) -> Step {
    if revision.program.needs.is_empty() {
        return Ok(());
    }
    let (activation, version, chunk) = old;
    ffi::lua_newtable(l);
    let list = ffi::lua_gettop(l);
    let mut exchange = Exchange::default();
    gather::versions::witnesses(l, context, &mut exchange, version);
    exchange.look(
        l,
        context,
        Tables {
            found: list,
            made: list,
            journal: list,
        },
    );
    let search = Search {
        context,
        survey: &exchange.survey,
        list,
        activation,
        version,
        chunk,
    };
    for (name, local, old_local) in &revision.program.needs {
        match search.cell(l, *old_local)? {
            Some(cell) => variables.insert(*local, cell),
            None => {
                return Err(format!(
                    "a new function means the variable `{name}` of a block, which cannot be found"
                ));
            }
        };
    }
    ffi::lua_settop(l, list - 1);
    Ok(())
}
