//! Packing Lua values into bytes, and back; [`crate::lua::wire`] has the format.
//! Packing appends to the context's scratch buffer, so an error that jumps out of it leaves nothing behind.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{CStr, c_int, c_void};
use std::fmt;

use mlua::ffi::{self, lua_State};

use crate::lua::context::Context;
use crate::lua::layout;
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
    push_last_of_list(l, context, index, length);
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

/// Pushes the key behind which `lua_next` finds what is not in a table's list: its last, if the list lies in the array part, which comes first.
unsafe fn push_last_of_list(l: *mut lua_State, context: &Context, index: c_int, length: usize) {
    if let Some(&Some(proof)) = context.host.in_memory.get()
        && length > 0
        && layout::parts(proof, ffi::lua_topointer(l, index)).array_length() >= length
    {
        ffi::lua_pushinteger(l, length as i64);
    } else {
        ffi::lua_pushnil(l);
    }
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

/// For how many pairs a table gets its room at once, at most.
const MOST_FORESEEN: c_int = 16;

/// What was unpacked is no packed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// How many bytes there were.
    pub all: usize,
    /// How many made sense.
    pub done: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { all, done } = self;
        write!(f, "Invalid serialize stream {all} (at byte {done} of {all})")
    }
}

/// Pushes every value of a packed message; their number. Raises if the bytes are none.
///
/// # Safety
/// As [`unpack`].
pub unsafe fn unpack_or_raise(l: *mut lua_State, context: &Context, data: &[u8]) -> c_int {
    match unpack(l, data) {
        Ok(count) => count,
        Err(broken) => context.raise(l, format_args!("{broken}")),
    }
}

/// Pushes every value of a packed message; their number.
///
/// # Errors
/// If the bytes are none; then some values may have been pushed.
///
/// # Safety
/// `l` is a live coroutine inside a function that Lua called; `data` stays where it is meanwhile. Raises Lua errors (there is no memory, or
/// no room on the stack).
pub unsafe fn unpack(l: *mut lua_State, data: &[u8]) -> Result<c_int, Broken> {
    let mut reader = Reader { rest: data, owed: 0 };
    reader.values(l).ok_or_else(|| Broken {
        all: data.len(),
        done: data.len() - reader.rest.len(),
    })
}

/// Every method gives `None` where the bytes make no sense.
struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes the tables that are being read need at least, behind the value that is being read.
    owed: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    unsafe fn values(&mut self, l: *mut lua_State) -> Option<c_int> {
        let mut count = 0;
        while let Some(tag) = self.byte() {
            if count % 16 == 0 {
                ffi::luaL_checkstack(l, 24, c"unpack".as_ptr());
            }
            self.value(l, tag, 0)?;
            count += 1;
        }
        Some(count)
    }

    unsafe fn value(&mut self, l: *mut lua_State, tag: u8, depth: c_int) -> Option<()> {
        let detail = tag >> 3;
        match tag & 7 {
            NIL => ffi::lua_pushnil(l),
            BOOLEAN => ffi::lua_pushboolean(l, c_int::from(detail)),
            NUMBER if detail == NUMBER_REAL => ffi::lua_pushnumber(l, f64::from_le_bytes(self.array()?)),
            NUMBER => ffi::lua_pushinteger(l, self.integer(detail)?),
            USERDATA => ffi::lua_pushlightuserdata(l, u64::from_le_bytes(self.array()?) as usize as *mut c_void),
            SHORT_STRING => self.string(l, usize::from(detail))?,
            LONG_STRING if detail == 2 => {
                let length = u16::from_le_bytes(self.array()?);
                self.string(l, usize::from(length))?;
            }
            LONG_STRING if detail == 4 => {
                let length = u32::from_le_bytes(self.array()?);
                self.string(l, length as usize)?;
            }
            TABLE => self.table(l, detail, depth + 1)?,
            _ => return None,
        }
        Some(())
    }

    fn integer(&mut self, detail: u8) -> Option<i64> {
        Some(match detail {
            NUMBER_ZERO => 0,
            NUMBER_BYTE => i64::from(u8::from_le_bytes(self.array()?)),
            NUMBER_WORD => i64::from(u16::from_le_bytes(self.array()?)),
            NUMBER_DWORD => i64::from(i32::from_le_bytes(self.array()?)),
            NUMBER_QWORD => i64::from_le_bytes(self.array()?),
            _ => return None,
        })
    }

    unsafe fn string(&mut self, l: *mut lua_State, length: usize) -> Option<()> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        ffi::lua_pushlstring(l, bytes.as_ptr().cast(), length);
        Some(())
    }

    unsafe fn table(&mut self, l: *mut lua_State, detail: u8, depth: c_int) -> Option<()> {
        if depth > MAX_DEPTH + 1 {
            return None;
        }
        ffi::luaL_checkstack(l, 8, c"unpack".as_ptr());
        let length = self.length(detail)?;
        ffi::lua_createtable(l, length, self.pairs_at_least(length));
        for i in 1..=length {
            self.owed -= 1;
            let tag = self.byte()?;
            self.value(l, tag, depth)?;
            ffi::lua_rawseti(l, -2, i64::from(i));
        }
        while self.pair(l, depth)? {
            ffi::lua_rawset(l, -3);
        }
        Some(())
    }

    /// Pushes the next key and its value; false, with nothing pushed, at the end of the table.
    unsafe fn pair(&mut self, l: *mut lua_State, depth: c_int) -> Option<bool> {
        self.owed -= 1;
        let tag = self.byte()?;
        if tag & 7 == NIL {
            return Some(false);
        }
        self.value(l, tag, depth)?;
        self.owed += 1;
        let tag = self.byte()?;
        self.value(l, tag, depth)?;
        if is_nan(l, -2) { None } else { Some(true) }
    }

    /// How many pairs a table has behind its list, as far as that can be told without reading what is nested.
    fn pairs_at_least(&self, length: c_int) -> c_int {
        let mut rest = self.rest;
        let mut values = 0;
        while values < 2 * MOST_FORESEEN + length
            && let Some((&tag, behind)) = rest.split_first()
            && let Some(size) = size_of_scalar(tag, behind)
            && let Some(next) = behind.get(size..)
        {
            rest = next;
            values += 1;
        }
        (values - length).max(0) / 2
    }

    /// How long the list part of a table is. Each of its elements takes a byte at least, and so does the end, here and in every table around:
    /// a length for which there are not as many is a lie, and no memory is taken for it.
    fn length(&mut self, detail: u8) -> Option<c_int> {
        let mut length = i64::from(detail);
        if usize::from(detail) == MAX_DETAIL - 1 {
            let tag = self.byte()?;
            if tag & 7 != NUMBER {
                return None;
            }
            length = self.integer(tag >> 3)?;
        }
        let needed = usize::try_from(length).ok()?.checked_add(1)?;
        let owed = self.owed.checked_add(needed)?;
        if owed > self.rest.len() {
            return None;
        }
        self.owed = owed;
        c_int::try_from(length).ok()
    }
}

/// How many bytes a value has behind its tag; `None` if it may hold others, is the end of a table, or makes no sense.
fn size_of_scalar(tag: u8, behind: &[u8]) -> Option<usize> {
    let detail = tag >> 3;
    Some(match tag & 7 {
        BOOLEAN => 0,
        NUMBER => match detail {
            NUMBER_ZERO => 0,
            NUMBER_BYTE => 1,
            NUMBER_WORD => 2,
            NUMBER_DWORD => 4,
            _ => 8,
        },
        USERDATA => 8,
        SHORT_STRING => usize::from(detail),
        LONG_STRING if detail == 2 => 2 + usize::from(u16::from_le_bytes(*behind.first_chunk()?)),
        LONG_STRING if detail == 4 => 4 + u32::from_le_bytes(*behind.first_chunk()?) as usize,
        _ => return None,
    })
}

/// Such a key cannot be set, and no packer writes one.
unsafe fn is_nan(l: *mut lua_State, index: c_int) -> bool {
    ffi::lua_type(l, index) == ffi::LUA_TNUMBER && ffi::lua_tonumberx(l, index, std::ptr::null_mut()).is_nan()
}
