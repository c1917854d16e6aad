//! What Lua can call: the functions of `skynet`, and those of `skynet.core`, from which the rest of the library is made.

use mlua::ffi::{lua_CFunction, lua_State};

mod buffers;
mod life;
mod message;
mod names;
mod node;
mod protocol;
mod wait;

pub use node::print;

/// The standard `unpack`, by which the scheduler knows that it need not ask Lua.
pub const UNPACK: lua_CFunction = buffers::unpack;

/// Fills the tables of a new VM.
///
/// # Safety
/// `l` is live, inside a protected call, with its slots furnished.
pub unsafe fn furnish(l: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        protocol::furnish(l);
        names::furnish(l);
    }
}
