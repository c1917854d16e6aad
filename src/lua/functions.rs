//! The frame around every function that Lua calls.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::lua_State;

use crate::lua::context;

/// Declares functions that Lua calls: `fn name(l, context) { … }` returns the number of results. A panic inside becomes a Lua error,
/// since unwinding through Lua's C frames would ruin the VM.
macro_rules! lua_functions {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($l:ident, $context:ident) $body:block)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by Lua alone, with a live coroutine of a VM made by `vm::open`.
        $vis unsafe extern "C-unwind" fn $name($l: *mut mlua::ffi::lua_State) -> std::ffi::c_int {
            let body = || -> std::ffi::c_int {
                // SAFETY: see above; the context outlives its VM.
                unsafe {
                    let $context = $crate::lua::context::of($l);
                    $body
                }
            };
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
                Ok(results) => results,
                // SAFETY: as above; the closure and what it held are gone.
                Err(_) => unsafe { $crate::lua::functions::raise_internal($l, stringify!($name)) },
            }
        }
    )*};
}
pub(in crate::lua) use lua_functions;

/// Raises the error that stands for a defect of ours.
///
/// # Safety
/// As [`crate::lua::context::Context::raise`].
pub unsafe fn raise_internal(l: *mut lua_State, place: &str) -> ! {
    context::of(l).raise(l, format_args!("internal error of hotlua in {place}: please report it"))
}
