//! Packed messages in Lua's hands: strings, or light userdata with a size. An address is looked up before it is read, so one that is
//! stale or made up is an error, never a crash.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::lua::codec;
use crate::lua::context::Context;
use crate::lua::functions::lua_functions;
use crate::lua::values;

/// The bytes at `index` (a string, or light userdata with the size behind it), moved out of Lua's hands. Nil is no bytes.
///
/// # Safety
/// As [`Context::raise`], which it may call.
pub unsafe fn take_payload(l: *mut lua_State, context: &Context, index: c_int) -> Box<[u8]> {
    if ffi::lua_type(l, index) == ffi::LUA_TLIGHTUSERDATA {
        let address = ffi::lua_touserdata(l, index) as usize;
        let size = buffer(l, context, index).len();
        if let Some(owned) = context.buffers.borrow_mut().remove(&address) {
            return if owned.len() == size {
                owned
            } else {
                owned[..size].into()
            };
        }
    }
    buffer(l, context, index).into()
}

/// The bytes at `index`, where they are. Valid until the next call that can free them.
unsafe fn buffer<'a>(l: *mut lua_State, context: &Context, index: c_int) -> &'a [u8] {
    match ffi::lua_type(l, index) {
        ffi::LUA_TNIL | ffi::LUA_TNONE => &[],
        ffi::LUA_TSTRING => values::bytes(l, index).unwrap_or_default(),
        ffi::LUA_TLIGHTUSERDATA => {
            let address = ffi::lua_touserdata(l, index) as usize;
            let size = values::integer(l, index + 1).unwrap_or(-1);
            let found = known(context, address);
            match (found, usize::try_from(size)) {
                (Some(bytes), Ok(size)) if size <= bytes.len() => &bytes[..size],
                (Some(bytes), _) => {
                    let length = bytes.len();
                    context.raise(
                        l,
                        format_args!("message size {size} is wrong: the message has {length} bytes"),
                    )
                }
                (None, _) => context.raise(
                    l,
                    format_args!("this message is gone: it was sent, trashed, or its handler has ended"),
                ),
            }
        }
        _ => context.raise(l, format_args!("a message is a string, or light userdata and a size")),
    }
}

unsafe fn known<'a>(context: &Context, address: usize) -> Option<&'a [u8]> {
    // SAFETY: the incoming message stays while it is handled; a buffer stays until it is taken out of the map, which needs a call of ours.
    if let Some(message) = &*context.incoming.get()
        && message.data.as_ptr() as usize == address
    {
        return Some(&*std::ptr::from_ref::<[u8]>(&message.data));
    }
    let buffers = context.buffers.borrow();
    buffers.get(&address).map(|bytes| &*std::ptr::from_ref::<[u8]>(bytes))
}

lua_functions! {
    /// `pack(...)` → light userdata, size.
    pub fn pack(l, context) {
        let start = codec::pack(l, context, 1);
        ffi::luaL_checkstack(l, 2, std::ptr::null());
        let mut data = codec::take(context, start);
        if data.is_empty() {
            // An empty box has no address of its own.
            ffi::lua_pushnil(l);
            ffi::lua_pushinteger(l, 0);
            return 2;
        }
        let (address, size) = (data.as_mut_ptr(), data.len());
        context.buffers.borrow_mut().insert(address as usize, data);
        ffi::lua_pushlightuserdata(l, address.cast());
        ffi::lua_pushinteger(l, size as i64);
        2
    }

    /// `packstring(...)` → string.
    pub fn packstring(l, context) {
        let start = codec::pack(l, context, 1);
        let scratch = context.scratch.get();
        ffi::lua_pushlstring(l, (*scratch).as_ptr().add(start).cast(), (&*scratch).len() - start);
        (*scratch).truncate(start);
        1
    }

    /// `unpack(bytes[, size])` → the values.
    pub fn unpack(l, context) {
        let data = buffer(l, context, 1);
        codec::unpack_or_raise(l, context, data)
    }

    /// `tostring(bytes[, size])` → string.
    pub fn tostring(l, context) {
        values::push(l, buffer(l, context, 1));
        1
    }

    /// `trash(bytes[, size])`: frees a packed message that is not going to be sent.
    pub fn trash(l, context) {
        if ffi::lua_type(l, 1) == ffi::LUA_TLIGHTUSERDATA {
            context.buffers.borrow_mut().remove(&(ffi::lua_touserdata(l, 1) as usize));
        }
        0
    }
}
