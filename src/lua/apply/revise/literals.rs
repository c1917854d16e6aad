//! Literals that a new version of a file changes: given to the variables that still have the old ones.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};

use super::hidden::hidden;
use crate::lua::apply::slots::push_literal;
use crate::lua::apply::{JOURNAL, Step, Work, bind, get};
use crate::lua::variables::{self, Cell};
use crate::patch::revision::Literal;

/// Gives literals that changed to the variables that still have the old ones, and notes what was decided. In a dry run nothing is given.
pub unsafe fn give(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, JOURNAL);
    let journal = ffi::lua_gettop(l);
    for number in 0..work.revisions.len() {
        let (activation, revision) = (work.revisions[number].activation, work.revisions[number].revision);
        let plan = work.revisions[number].plan.clone();
        let variables = bind::variables_of(l, work.context, revision)?;
        for literal in &plan.literals {
            ffi::lua_settop(l, journal);
            let place = format!("{}:{}", work.revisions[number].new.label, literal.line);
            let Literal { name, before, now, .. } = literal;
            let cell = match variables.get(&literal.local) {
                Some(cell) => Some(*cell),
                None if literal.is_state => None,
                None => hidden(l, work, number, literal.old_local)?,
            };
            let note = match cell {
                _ if literal.is_state => {
                    format!("local `{name}` keeps its value: the code assigns it, so it is state ({place})")
                }
                None => format!("local `{name}` keeps its value: its variable cannot be found ({place})"),
                Some(cell) => {
                    if update(l, work, journal, (activation, cell), literal) {
                        format!("local `{name}`: {before} is {now} now ({place})")
                    } else {
                        format!("local `{name}` keeps its value: it is not {before} any more ({place})")
                    }
                }
            };
            work.report.notes.push(note);
        }
    }
    ffi::lua_settop(l, journal - 1);
    Ok(())
}

/// Updates one variable if it has the old literal still; whether it had.
unsafe fn update(l: *mut lua_State, work: &mut Work<'_>, journal: i32, at: (usize, Cell), literal: &Literal) -> bool {
    let (activation, cell) = at;
    variables::push_keeper(l, activation, cell);
    let keeper = ffi::lua_gettop(l);
    ffi::lua_getupvalue(l, keeper, cell.upvalue);
    if !push_literal(l, &literal.before) || !same(l) || !push_literal(l, &literal.now) {
        return false;
    }
    let value = ffi::lua_gettop(l);
    if !work.dry {
        work.journal.set_cell(l, journal, keeper, cell.upvalue, value);
    }
    work.report.values += 1;
    work.literals.push((activation, cell, literal.clone()));
    true
}

/// Whether the two values on top are the same literal: 1 is not 1.0, NaN is never.
unsafe fn same(l: *mut lua_State) -> bool {
    ffi::lua_rawequal(l, -1, -2) != 0 && ffi::lua_isinteger(l, -1) == ffi::lua_isinteger(l, -2)
}
