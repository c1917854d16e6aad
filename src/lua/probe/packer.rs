//! The codec as services use it: in a VM with everything that a service has.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CString, c_int, c_void};
use std::sync::Arc;

use mlua::ffi::{self, lua_CFunction, lua_State};

use crate::actor::instance::Instance;
use crate::lua::codec;
use crate::lua::context::Context;
use crate::lua::functions::lua_functions;
use crate::lua::host::Host;
use crate::lua::values;
use crate::lua::vm;

/// Some values in a VM, and the same values packed.
pub struct Packer {
    context: Box<Context>,
    packed: Box<[u8]>,
}

impl Packer {
    /// With the values that a Lua text returns.
    ///
    /// # Errors
    /// Why the VM cannot be made, or the text not be run.
    pub fn new(host: Arc<Host>, instance: Arc<Instance>, text: &str) -> Result<Packer, String> {
        let text = CString::new(text).map_err(|why| why.to_string())?;
        let mut packer = Packer {
            context: Box::new(Context::new(host, instance, None)),
            packed: Box::default(),
        };
        // SAFETY: the context is boxed, and closed when this is dropped; what raises runs inside `lua_pcall`.
        unsafe {
            vm::open(&packer.context)?;
            let l = packer.main();
            if ffi::luaL_loadstring(l, text.as_ptr()) != ffi::LUA_OK
                || ffi::lua_pcall(l, 0, ffi::LUA_MULTRET, 0) != ffi::LUA_OK
            {
                return Err(values::describe(l, -1));
            }
            packer.call(pack_to_keep);
            packer.packed = codec::take(&packer.context, 0);
        }
        Ok(packer)
    }

    /// How long the packed values are.
    pub fn length(&self) -> usize {
        self.packed.len()
    }

    /// What it costs to call anything at all with these values.
    pub fn nothing(&self) {
        // SAFETY: as in `new`.
        unsafe { self.call(do_nothing) };
    }

    /// Packs the values.
    pub fn pack(&self) {
        // SAFETY: as in `new`.
        unsafe { self.call(pack) };
    }

    /// Unpacks them.
    pub fn unpack(&self) {
        let l = self.main();
        // SAFETY: as in `new`; the bytes stay where they are during the call.
        let done = unsafe {
            ffi::lua_pushcfunction(l, unpack);
            ffi::lua_pushlightuserdata(l, (&raw const self.packed).cast_mut().cast::<c_void>());
            ffi::lua_pcall(l, 1, 0, 0) == ffi::LUA_OK
        };
        assert!(done, "what was packed can be unpacked");
    }

    fn main(&self) -> *mut lua_State {
        self.context.main.get()
    }

    /// Calls a function with the values.
    unsafe fn call(&self, function: lua_CFunction) {
        let l = self.main();
        let count = ffi::lua_gettop(l);
        ffi::lua_pushcfunction(l, function);
        for index in 1..=count {
            ffi::lua_pushvalue(l, index);
        }
        let status = ffi::lua_pcall(l, count, 0, 0);
        assert!(
            status == ffi::LUA_OK,
            "the values can be packed: {}",
            values::describe(l, -1)
        );
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        // SAFETY: nobody uses the VM any more.
        unsafe { vm::close(&self.context) };
    }
}

lua_functions! {
    fn do_nothing(_l, _context) {
        0
    }

    fn pack(l, context) {
        let start = codec::pack(l, context, 1);
        drop(codec::take(context, start));
        0
    }

    /// Leaves the bytes where they were packed.
    fn pack_to_keep(l, context) {
        codec::pack(l, context, 1);
        0
    }

    /// The argument is where the bytes are.
    fn unpack(l, context) {
        let packed = ffi::lua_touserdata(l, 1).cast::<Box<[u8]>>();
        let _: c_int = codec::unpack_or_raise(l, context, &*packed);
        0
    }
}
