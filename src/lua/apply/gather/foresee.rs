//! What a patch's statements are going to put in place of others, as far as that is seen without running them.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::with_nested;
use crate::lua::apply::exchange::Direct;
use crate::lua::apply::{Program, SLOTS, Step, Work, get};
use crate::lua::heap::record;
use crate::patch::syntax::{Kind, Value};

/// What the patch's statements are going to put in place of others, as far as that is seen without running them.
pub unsafe fn definitions(l: *mut lua_State, work: &mut Work<'_>) -> Step {
    get(l, SLOTS);
    let list = ffi::lua_gettop(l);
    for program in work.programs.clone() {
        let chunk = match work.context.files.borrow().get(program.file) {
            Some(file) => file.chunk.clone(),
            None => continue,
        };
        for statement in &chunk.outline.bodies[0].statements {
            match &statement.kind {
                Kind::Function { target, function } => foresee_one(l, work, list, &program, &target.text, *function)?,
                Kind::Assign { targets, values } => {
                    for (target, value) in targets.iter().zip(values) {
                        if let Value::Function(function) = value.value {
                            foresee_one(l, work, list, &program, &target.text, function)?;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    ffi::lua_settop(l, list - 1);
    Ok(())
}

unsafe fn foresee_one(
    l: *mut lua_State,
    work: &mut Work<'_>,
    list: c_int,
    program: &Program,
    target: &str,
    function: usize,
) -> Step {
    let Some(at) = work.slots.names.iter().position(|name| name == target) else {
        return Ok(());
    };
    let now = work.context.files.borrow().named(program.file, function);
    record::push_noted(l, list, work.slots.all[at].at + 2);
    let (is_function, address) = (
        ffi::lua_type(l, -1) == ffi::LUA_TFUNCTION,
        ffi::lua_topointer(l, -1) as usize,
    );
    let mut files = work.context.files.borrow_mut();
    let was = files.origin(l, -1);
    ffi::lua_settop(l, list);
    let name = files.function(now).map_or(target, |function| &function.name).to_owned();
    let Some(group) = work.exchange.group(&files, &name, was, now) else {
        return Ok(());
    };
    drop(files);
    if !is_function {
        work.exchange.groups[group].holders += 1;
        return Ok(());
    }
    work.exchange.direct.insert(address, Direct { group, new: 0 });
    match was {
        Some(was) => with_nested(l, work.context, &mut work.exchange, was, now, 0),
        None => Ok(()),
    }
}
