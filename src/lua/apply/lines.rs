//! Functions that only moved in a saved file: they stay, and their lines become those of the new text, so that errors and tracebacks name
//! the lines that the author sees.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::lua_State;

use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::layout;

/// Gives the prototypes of each first function the lines of the second, which is the same in another version of the same file.
///
/// # Errors
/// When a text cannot be read.
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn move_lines(l: *mut lua_State, context: &Context, moves: &[(Origin, Origin)]) -> Result<(), String> {
    let mut files = context.files.borrow_mut();
    for (was, to) in moves {
        let chunk = |origin: &Origin| files.get(origin.file).map(|file| file.chunk.clone());
        let (Some(from), Some(chunk), Some(function)) = (chunk(was), chunk(to), to.function) else {
            continue;
        };
        if from.label != chunk.label {
            continue;
        }
        let side = chunk.side(l)?;
        let Some(code) = side.code.functions.get(side.base + 1 + function) else {
            continue;
        };
        for proto in files.protos_of(l, &[*was]) {
            // A file's own prototypes have the lines that all VMs read.
            if let Some(own) = layout::own_lines(proto, from.bytecode()) {
                context.own_lines.borrow_mut().insert(proto, own);
            }
            layout::set_lines(
                proto,
                (code.line, code.last_line),
                &code.lines.relative,
                &code.lines.absolute,
            );
        }
    }
    Ok(())
}
