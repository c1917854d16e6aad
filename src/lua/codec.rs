//! Packing Lua values into bytes, and back; [`crate::lua::wire`] has the format.
//! Packing appends to the context's scratch buffer, so an error that jumps out of it leaves nothing behind.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int, c_void};

use mlua::ffi::{self, lua_State};

use crate::lua::context::{self, Context};
use crate::lua::wire::{
    BOOLEAN, LONG_STRING, MAX_DEPTH, MAX_DETAIL, NIL, NUMBER, NUMBER_BYTE, NUMBER_DWORD, NUMBER_QWORD, NUMBER_REAL,
    NUMBER_WORD, NUMBER_ZERO, SHORT_STRING, TABLE, USERDATA, pack_integer, pack_string, tag,
};

/// Packs the values `first..=top` of the stack; the result lies in the scratch buffer from the returned offset on, to be taken with [`take`].
///
/// # Safety
/// `l` is a live coroutine of the context's VM, inside a function that Lua called. Raises Lua errors.
pub unsafe fn pack(l: *mut lua_State, context: &Context, first: c_int) -> usize {
    let start = scratch(context).len();
    for index in first..=ffi::lua_gettop(l) {
        pack_value(l, context, index, 0);
    }
    start
}

/// Takes what was packed since `start` out of the scratch buffer.
///
/// # Safety
/// `start` is what [`pack`] returned, and nothing was packed since.
pub unsafe fn take(context: &Context, start: usize) -> Box<[u8]> {
    let scratch = scratch(context);
    let data = scratch[start..].into();
    scratch.truncate(start);
    data
}

/// The buffer. The reference must not outlive the next call into Lua, which may pack something itself.
#[expect(
    clippy::mut_from_ref,
    reason = "one thread runs a VM; every use is short and calls nothing that packs"
)]
unsafe fn scratch(context: &Context) -> &mut Vec<u8> {
    &mut *context.scratch.get()
}

unsafe fn pack_value(l: *mut lua_State, context: &Context, index: c_int, depth: c_int) {
    if depth > MAX_DEPTH {
        context.raise(l, format_args!("serialize can't pack too depth table"));
    }
    match ffi::lua_type(l, index) {
        ffi::LUA_TNIL => scratch(context).push(tag(NIL, 0)),
        ffi::LUA_TBOOLEAN => scratch(context).push(tag(BOOLEAN, u8::from(ffi::lua_toboolean(l, index) != 0))),
        ffi::LUA_TNUMBER if ffi::lua_isinteger(l, index) != 0 => {
            pack_integer(scratch(context), ffi::lua_tointegerx(l, index, std::ptr::null_mut()));
        }
        ffi::LUA_TNUMBER => {
            let value = ffi::lua_tonumberx(l, index, std::ptr::null_mut());
            let scratch = scratch(context);
            scratch.push(tag(NUMBER, NUMBER_REAL));
            scratch.extend_from_slice(&value.to_le_bytes());
        }
        ffi::LUA_TSTRING => {
            let mut length = 0;
            let start = ffi::lua_tolstring(l, index, &mut length);
            pack_string(scratch(context), std::slice::from_raw_parts(start.cast(), length));
        }
        ffi::LUA_TLIGHTUSERDATA => {
            let address = ffi::lua_touserdata(l, index) as usize as u64;
            let scratch = scratch(context);
            scratch.push(tag(USERDATA, 0));
            scratch.extend_from_slice(&address.to_le_bytes());
        }
        ffi::LUA_TTABLE => pack_table(l, context, ffi::lua_absindex(l, index), depth + 1),
        other => {
            let name = CStr::from_ptr(ffi::lua_typename(l, other));
            context.raise(
                l,
                format_args!("Unsupport type {} to serialize", name.to_str().unwrap_or("?")),
            );
        }
    }
}

unsafe fn pack_table(l: *mut lua_State, context: &Context, index: c_int, depth: c_int) {
    ffi::luaL_checkstack(l, 8, c"serialize".as_ptr());
    if ffi::luaL_getmetafield(l, index, c"__pairs".as_ptr()) != ffi::LUA_TNIL {
        return pack_by_pairs(l, context, index, depth);
    }
    let length = ffi::lua_rawlen(l, index);
    let out = scratch(context);
    if length >= MAX_DETAIL - 1 {
        out.push(tag(TABLE, MAX_DETAIL as u8 - 1));
        pack_integer(out, length as i64);
    } else {
        out.push(tag(TABLE, length as u8));
    }
    for i in 1..=length as i64 {
        ffi::lua_rawgeti(l, index, i);
        pack_value(l, context, -1, depth);
        ffi::lua_pop(l, 1);
    }
    ffi::lua_pushnil(l);
    while ffi::lua_next(l, index) != 0 {
        let in_list = ffi::lua_isinteger(l, -2) != 0
            && (1..=length as i64).contains(&ffi::lua_tointegerx(l, -2, std::ptr::null_mut()));
        if !in_list {
            pack_value(l, context, -2, depth);
            pack_value(l, context, -1, depth);
        }
        ffi::lua_pop(l, 1);
    }
    scratch(context).push(tag(NIL, 0));
}

/// Packs a table as its `__pairs` shows it; the metamethod is on top of the stack. What it calls may pack, too, and may fail: the
/// scratch buffer is cut back to what is ours after each call.
unsafe fn pack_by_pairs(l: *mut lua_State, context: &Context, index: c_int, depth: c_int) {
    scratch(context).push(tag(TABLE, 0));
    let mut ours = scratch(context).len();
    ffi::lua_pushvalue(l, index);
    ffi::lua_call(l, 1, 3);
    loop {
        ffi::lua_pushvalue(l, -3);
        ffi::lua_pushvalue(l, -3);
        ffi::lua_rotate(l, -3, -1);
        ffi::lua_call(l, 2, 2);
        scratch(context).truncate(ours);
        if ffi::lua_type(l, -2) == ffi::LUA_TNIL {
            ffi::lua_pop(l, 4);
            break;
        }
        pack_value(l, context, -2, depth);
        pack_value(l, context, -1, depth);
        ours = scratch(context).len();
        ffi::lua_pop(l, 1);
    }
    scratch(context).push(tag(NIL, 0));
}

/// Pushes every value of a packed message; their number.
///
/// # Safety
/// `l` is a live coroutine inside a function that Lua called; `data` stays where it is meanwhile. Raises Lua errors.
pub unsafe fn unpack(l: *mut lua_State, data: &[u8]) -> c_int {
    let mut reader = Reader {
        all: data.len(),
        rest: data,
    };
    let mut count = 0;
    while let Some(tag) = reader.byte() {
        if count % 16 == 0 {
            ffi::luaL_checkstack(l, 24, c"unpack".as_ptr());
        }
        reader.value(l, tag, 0);
        count += 1;
    }
    count
}

struct Reader<'a> {
    all: usize,
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next `N` bytes; raises if there are not as many.
    unsafe fn array<const N: usize>(&mut self, l: *mut lua_State) -> [u8; N] {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            self.invalid(l)
        };
        self.rest = rest;
        *bytes
    }

    unsafe fn value(&mut self, l: *mut lua_State, tag: u8, depth: c_int) {
        let detail = tag >> 3;
        match tag & 7 {
            NIL => ffi::lua_pushnil(l),
            BOOLEAN => ffi::lua_pushboolean(l, c_int::from(detail)),
            NUMBER if detail == NUMBER_REAL => ffi::lua_pushnumber(l, f64::from_le_bytes(self.array(l))),
            NUMBER => {
                let value = self.integer(l, detail);
                ffi::lua_pushinteger(l, value);
            }
            USERDATA => ffi::lua_pushlightuserdata(l, u64::from_le_bytes(self.array(l)) as usize as *mut c_void),
            SHORT_STRING => self.string(l, usize::from(detail)),
            LONG_STRING if detail == 2 => {
                let length = u16::from_le_bytes(self.array(l));
                self.string(l, usize::from(length));
            }
            LONG_STRING if detail == 4 => {
                let length = u32::from_le_bytes(self.array(l));
                self.string(l, length as usize);
            }
            TABLE => self.table(l, detail, depth + 1),
            _ => self.invalid(l),
        }
    }

    unsafe fn integer(&mut self, l: *mut lua_State, detail: u8) -> i64 {
        match detail {
            NUMBER_ZERO => 0,
            NUMBER_BYTE => i64::from(u8::from_le_bytes(self.array(l))),
            NUMBER_WORD => i64::from(u16::from_le_bytes(self.array(l))),
            NUMBER_DWORD => i64::from(i32::from_le_bytes(self.array(l))),
            NUMBER_QWORD => i64::from_le_bytes(self.array(l)),
            _ => self.invalid(l),
        }
    }

    unsafe fn string(&mut self, l: *mut lua_State, length: usize) {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            self.invalid(l)
        };
        self.rest = rest;
        ffi::lua_pushlstring(l, bytes.as_ptr().cast(), length);
    }

    unsafe fn table(&mut self, l: *mut lua_State, detail: u8, depth: c_int) {
        if depth > MAX_DEPTH + 1 {
            self.invalid(l);
        }
        ffi::luaL_checkstack(l, 8, c"unpack".as_ptr());
        let mut length = i64::from(detail);
        if usize::from(detail) == MAX_DETAIL - 1 {
            let Some(tag) = self.byte() else { self.invalid(l) };
            if tag & 7 != NUMBER || tag >> 3 == NUMBER_REAL {
                self.invalid(l);
            }
            length = self.integer(l, tag >> 3);
        }
        // Every element takes a byte at least, so a length beyond the rest is a lie.
        if length < 0 || length > self.rest.len() as i64 {
            self.invalid(l);
        }
        ffi::lua_createtable(l, length as c_int, 0);
        for i in 1..=length {
            let Some(tag) = self.byte() else { self.invalid(l) };
            self.value(l, tag, depth);
            ffi::lua_rawseti(l, -2, i);
        }
        loop {
            let Some(tag) = self.byte() else { self.invalid(l) };
            self.value(l, tag, depth);
            if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
                ffi::lua_pop(l, 1);
                return;
            }
            let Some(tag) = self.byte() else { self.invalid(l) };
            self.value(l, tag, depth);
            if is_nan(l, -2) {
                self.invalid(l);
            }
            ffi::lua_rawset(l, -3);
        }
    }

    unsafe fn invalid(&self, l: *mut lua_State) -> ! {
        let done = self.all - self.rest.len();
        context::of(l).raise(
            l,
            format_args!("Invalid serialize stream {} (at byte {done} of {})", self.all, self.all),
        )
    }
}

/// Such a key cannot be set, and no packer writes one.
unsafe fn is_nan(l: *mut lua_State, index: c_int) -> bool {
    ffi::lua_type(l, index) == ffi::LUA_TNUMBER && ffi::lua_tonumberx(l, index, std::ptr::null_mut()).is_nan()
}
