//! The few facts about Lua's own structures that the public API does not give: where a closure keeps its prototype, where a
//! prototype keeps those nested in it, where a table keeps its pairs, and which frame called another. They hold for the vendored Lua
//! 5.5 on 64-bit machines; [`check`] and [`check_in_memory`] prove them at start against what they know, so a Lua that differs is
//! noticed before it is used.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};

/// Byte offset of `LClosure.p`.
const CLOSURE_PROTO: usize = 24;
/// Byte offset of `Proto.sizelineinfo` (an `int`), one byte for each instruction.
const PROTO_LINE_COUNT: usize = 28;
/// Byte offset of `Proto.sizeabslineinfo` (an `int`).
const PROTO_ABSOLUTE_COUNT: usize = 40;
/// Byte offset of `Proto.code` (an `Instruction *`).
const PROTO_CODE: usize = 64;
/// The instruction that ends a function without results.
const RETURN_NOTHING: u32 = 71 | 1 << 16;
/// Byte offset of `Proto.linedefined`, which `lastlinedefined` follows (an `int` each).
const PROTO_FIRST_LINE: usize = 44;
/// Byte offset of `Proto.lineinfo` (a `ls_byte *`), which `abslineinfo` follows (pairs of `int`).
const PROTO_LINES: usize = 88;
/// Byte offset of `Proto.sizep` (an `int`).
const PROTO_CHILD_COUNT: usize = 32;
/// Byte offset of `Proto.p` (a `Proto **`).
const PROTO_CHILDREN: usize = 72;

/// Byte offset of `Table.lsizenode` (one byte).
const TABLE_NODE_BITS: usize = 11;
/// Byte offset of `Table.asize` (an `unsigned`).
const TABLE_ARRAY_LENGTH: usize = 12;
/// Byte offset of `Table.array`: behind it an `unsigned` and the tags, before it the values, the first one last.
const TABLE_ARRAY: usize = 16;
/// Byte offset of `Table.node`.
const TABLE_NODES: usize = 24;
/// Byte offset of `lua_Debug.i_ci`, which is private: the last field.
const DEBUG_FRAME: usize = size_of::<ffi::lua_Debug>() - size_of::<usize>();
/// Byte offset of `CallInfo.previous`.
const FRAME_CALLER: usize = 16;
/// The basic type in a tag.
const TAG_TYPE: u8 = 0x0f;
/// Tag of a Lua function.
const TAG_LUA_FUNCTION: u8 = 0x46;

/// The address of a prototype. It stays the prototype's own as long as a closure of it, or one around it, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proto(usize);

/// The prototype of the Lua function at `index`; `None` for anything else.
///
/// # Safety
/// `l` is live; [`check`] has succeeded.
pub unsafe fn proto_of(l: *mut lua_State, index: c_int) -> Option<Proto> {
    if ffi::lua_type(l, index) != ffi::LUA_TFUNCTION || ffi::lua_iscfunction(l, index) != 0 {
        return None;
    }
    let closure = ffi::lua_topointer(l, index) as usize;
    // SAFETY: a Lua function's pointer is its LClosure, whose layout `check` has proved.
    Some(Proto(*((closure + CLOSURE_PROTO) as *const usize)))
}

/// The prototypes nested directly in one, in the order of their source.
///
/// # Safety
/// The prototype is alive; [`check`] has succeeded.
pub unsafe fn children(proto: Proto) -> Vec<Proto> {
    // SAFETY: see above; the compiler fills `sizep` entries.
    let count = *((proto.0 + PROTO_CHILD_COUNT) as *const c_int);
    let list = *((proto.0 + PROTO_CHILDREN) as *const *const usize);
    (0..usize::try_from(count).unwrap_or(0))
        .map(|i| Proto(*list.add(i)))
        .collect()
}

/// The lines of a prototype's instructions, in memory of ours: to be kept for as long as its VM lives.
pub struct OwnLines {
    _relative: Box<[i8]>,
    _absolute: Box<[[c_int; 2]]>,
}

/// Gives a prototype lines of its own if they lie in `fixed` memory, which other VMs read.
///
/// # Safety
/// The prototype is alive; [`check`] has succeeded. What is returned is kept for as long as the VM lives.
pub unsafe fn own_lines(proto: Proto, fixed: &[u8]) -> Option<OwnLines> {
    let count = |offset| usize::try_from(*((proto.0 + offset) as *const c_int)).unwrap_or(0);
    let lines = (proto.0 + PROTO_LINES) as *mut *const i8;
    let pairs = lines.add(1).cast::<*const [c_int; 2]>();
    if !fixed.as_ptr_range().contains(&(*lines).cast::<u8>()) {
        return None;
    }
    let mut relative: Box<[i8]> = std::slice::from_raw_parts(*lines, count(PROTO_LINE_COUNT)).into();
    let mut absolute: Box<[[c_int; 2]]> = match count(PROTO_ABSOLUTE_COUNT) {
        0 => Box::default(),
        length => std::slice::from_raw_parts(*pairs, length).into(),
    };
    *lines = relative.as_mut_ptr();
    *pairs = absolute.as_mut_ptr();
    Some(OwnLines {
        _relative: relative,
        _absolute: absolute,
    })
}

/// Makes a function's lines others: its first and last, and those of its instructions as a dump has them. If the instructions' are not as
/// many as they were (a part of it has moved very far), they only move with the first.
///
/// # Safety
/// The prototype is alive and its lines do not lie in fixed memory (see [`own_lines`]); [`check`] has succeeded.
pub unsafe fn set_lines(proto: Proto, (first, last): (u32, u32), relative: &[i8], absolute: &[(u32, u32)]) {
    let int = |offset| (proto.0 + offset) as *mut c_int;
    let (line_count, absolute_count) = (*int(PROTO_LINE_COUNT), *int(PROTO_ABSOLUTE_COUNT));
    let lines = *((proto.0 + PROTO_LINES) as *const *mut i8);
    let pairs = *((proto.0 + PROTO_LINES + size_of::<usize>()) as *const *mut [c_int; 2]);
    let moved = first as c_int - *int(PROTO_FIRST_LINE);
    *int(PROTO_FIRST_LINE) = first as c_int;
    *int(PROTO_FIRST_LINE + size_of::<c_int>()) = last as c_int;
    let is_same = |count: c_int, length| usize::try_from(count) == Ok(length);
    if is_same(line_count, relative.len()) && is_same(absolute_count, absolute.len()) {
        // SAFETY: as many as there are.
        std::ptr::copy_nonoverlapping(relative.as_ptr(), lines, relative.len());
        for (number, (pc, line)) in absolute.iter().enumerate() {
            *pairs.add(number) = [*pc as c_int, *line as c_int];
        }
    } else {
        for number in 0..usize::try_from(absolute_count).unwrap_or(0) {
            (*pairs.add(number))[1] += moved;
        }
    }
}

/// Makes a function do nothing whenever it is called from now on.
///
/// # Safety
/// As [`set_lines`].
pub unsafe fn silence(proto: Proto) {
    // SAFETY: every function has an instruction, which is its end at least.
    **((proto.0 + PROTO_CODE) as *const *mut u32) = RETURN_NOTHING;
}

/// The proof that tables and frames are laid out as this file says, from [`check_in_memory`].
#[derive(Clone, Copy, Debug)]
pub struct InMemory(());

/// A key or value as it lies in a table.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    tag: u8,
    bits: usize,
}

/// What a value is to a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// No object that holds values.
    Nothing,
    /// A table or a coroutine, by its `lua_topointer`.
    Object(usize),
    /// A function, likewise, and its prototype if it is Lua's.
    Function(usize, Option<Proto>),
    /// A full userdata.
    Userdata,
}

impl Value {
    /// Whether there is none.
    #[inline]
    pub fn is_nil(self) -> bool {
        self.tag & TAG_TYPE == ffi::LUA_TNIL as u8
    }

    /// What it is to a walk.
    ///
    /// # Safety
    /// The value has just been read.
    #[inline]
    pub unsafe fn held(self) -> Held {
        match c_int::from(self.tag & TAG_TYPE) {
            ffi::LUA_TTABLE | ffi::LUA_TTHREAD => Held::Object(self.bits),
            ffi::LUA_TFUNCTION => {
                // SAFETY: such a tag is that of an LClosure.
                let proto = || Proto(*((self.bits + CLOSURE_PROTO) as *const usize));
                Held::Function(self.bits, (self.tag == TAG_LUA_FUNCTION).then(proto))
            }
            ffi::LUA_TUSERDATA => Held::Userdata,
            _ => Held::Nothing,
        }
    }
}

/// `Node`: a pair outside of the array part.
#[repr(C)]
struct Node {
    value: usize,
    value_tag: u8,
    key_tag: u8,
    next: c_int,
    key: usize,
}

/// Where the parts of a table are.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    array: *const u8,
    array_length: usize,
    nodes: *const Node,
    node_count: usize,
}

/// Finds the parts of a table.
///
/// # Safety
/// `table` is the `lua_topointer` of a table; what is found is good until the table gets new keys.
#[inline]
pub unsafe fn parts(_proof: InMemory, table: *const c_void) -> Parts {
    read_parts(table.cast())
}

unsafe fn read_parts(table: *const u8) -> Parts {
    // SAFETY: a table's pointer is its structure, whose layout `check_in_memory` proves.
    Parts {
        array: *table.add(TABLE_ARRAY).cast(),
        array_length: *table.add(TABLE_ARRAY_LENGTH).cast::<u32>() as usize,
        nodes: *table.add(TABLE_NODES).cast(),
        node_count: 1 << (*table.add(TABLE_NODE_BITS) & 31),
    }
}

impl Parts {
    /// Number of places in the array part, from 0.
    #[inline]
    pub fn array_length(self) -> usize {
        self.array_length
    }

    /// Number of nodes.
    #[inline]
    pub fn node_count(self) -> usize {
        self.node_count
    }

    /// Whether the array part may hold objects that hold values.
    ///
    /// # Safety
    /// The table still has the same keys.
    #[inline]
    pub unsafe fn array_may_hold(self) -> bool {
        if self.array_length == 0 {
            return false;
        }
        // SAFETY: the tags lie behind the `unsigned`; nothing writes to them while the slice lives.
        let tags = std::slice::from_raw_parts(self.array.add(size_of::<u32>()), self.array_length);
        // In pieces, each of which the compiler turns into a few wide steps.
        let holds = |tag: &u8| tag & TAG_TYPE >= ffi::LUA_TTABLE as u8;
        tags.chunks(64)
            .any(|piece| piece.iter().fold(false, |found, tag| found | holds(tag)))
    }

    /// The value at a place of the array part.
    ///
    /// # Safety
    /// As [`Parts::array_may_hold`]; the place is there.
    #[inline]
    pub unsafe fn array_value(self, place: usize) -> Value {
        Value {
            tag: *self.array.add(size_of::<u32>() + place),
            bits: *self.array.cast::<usize>().sub(1 + place),
        }
    }

    /// Key and value of a node; the key tells nothing if the value is nil.
    ///
    /// # Safety
    /// As [`Parts::array_may_hold`]; the node is there.
    #[inline]
    pub unsafe fn node(self, number: usize) -> (Value, Value) {
        let node = self.nodes.add(number);
        let value = |tag, bits| Value { tag, bits };
        (
            value((*node).key_tag, (*node).key),
            value((*node).value_tag, (*node).value),
        )
    }
}

/// Proves the layout on functions made for it: a chunk that returns two closures of its first nested function and one of its second.
///
/// # Safety
/// `l` is live, with room for a few values, inside a protected call.
pub unsafe fn check(l: *mut lua_State) -> bool {
    let text = c"local f = function() return 1 end local g = function() return function() end end local function mk() return f end \
                 return f, g, mk, g()";
    let top = ffi::lua_gettop(l);
    let loaded = ffi::luaL_loadstring(l, text.as_ptr()) == ffi::LUA_OK;
    let proved = loaded && {
        ffi::lua_pushvalue(l, -1);
        ffi::lua_call(l, 0, 4);
        let plausible = |proto: Proto| proto.0 != 0 && proto.0.is_multiple_of(8);
        let [main, f, g, mk, inner] = [-5, -4, -3, -2, -1].map(|i| proto_of(l, i));
        match (main, f, g, mk, inner) {
            (Some(main), Some(f), Some(g), Some(mk), Some(inner))
                if [main, f, g, mk, inner].iter().all(|p| plausible(*p)) =>
            {
                children(main) == [f, g, mk] && children(g) == [inner] && children(f).is_empty() && moves(l, f)
            }
            _ => false,
        }
    };
    ffi::lua_settop(l, top);
    proved
}

/// Whether the function four places below the top, which returns at once, has code and lines where this file says: other lines are set and told.
unsafe fn moves(l: *mut lua_State, f: Proto) -> bool {
    let counts = [PROTO_LINE_COUNT, PROTO_ABSOLUTE_COUNT].map(|offset| *((f.0 + offset) as *const c_int));
    let lines = *((f.0 + PROTO_LINES) as *const *const i8);
    // Two instructions for the result, one for the end.
    let code = *((f.0 + PROTO_CODE) as *const *const u32);
    if counts != [3, 0]
        || code.is_null()
        || *code.add(2) != RETURN_NOTHING
        || lines.is_null()
        || std::slice::from_raw_parts(lines, 3) != [0, 0, 0]
    {
        return false;
    }
    let told = |l: *mut lua_State| {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_pushvalue(l, -4);
        ffi::lua_getinfo(l, c">S".as_ptr(), &mut ar);
        (ar.linedefined, ar.lastlinedefined)
    };
    let before = told(l);
    set_lines(f, (8, 9), &[0, 1, 0], &[]);
    before == (1, 1) && told(l) == (8, 9)
}

/// Steps from a frame to the one that called it, as `lua_getstack` does for the next level, but without counting from the innermost;
/// false if there is none.
///
/// # Safety
/// `ar` has been filled by `lua_getstack` of a coroutine that has not run since.
pub unsafe fn to_caller(_proof: InMemory, ar: &mut ffi::lua_Debug) -> bool {
    let (frame, caller) = (frame_of(ar), caller_of(*frame_of(ar)));
    // The outermost is no function's, and nobody called it.
    let is_function = !caller_of(caller).is_null();
    if is_function {
        *frame = caller;
    }
    is_function
}

unsafe fn frame_of(ar: *mut ffi::lua_Debug) -> *mut *const u8 {
    ar.cast::<u8>().add(DEBUG_FRAME).cast()
}

unsafe fn caller_of(frame: *const u8) -> *const u8 {
    // SAFETY: the frame is a CallInfo, whose layout `check_in_memory` proves.
    *frame.add(FRAME_CALLER).cast()
}

/// Proves the layout of tables and frames on some that are made for it; `None` if it is another one.
///
/// # Safety
/// As [`check`], which has succeeded.
pub unsafe fn check_in_memory(l: *mut lua_State) -> Option<InMemory> {
    (check_tables(l) && check_frames(l)).then_some(InMemory(()))
}

unsafe fn check_tables(l: *mut lua_State) -> bool {
    let text = c"local co, print, u = ... local a, b, f, s = {}, {}, function() end, 'x'
        local array = {1, 1.5, false, s, a, f, print, co, nil, u}
        local mixed = {a, b; [a] = b, [f] = s, [s] = f, [co] = 1, [2.5] = co, [true] = a, [-1] = print, [print] = true, y = 1}
        mixed.y = nil
        local strings = {} for i = 1, 100 do strings['a key that is too long to be kept just once, number ' .. i] = i end
        return array, mixed, strings, {}";
    let top = ffi::lua_gettop(l);
    let loaded = ffi::luaL_loadstring(l, text.as_ptr()) == ffi::LUA_OK;
    let proved = loaded && {
        ffi::lua_newthread(l);
        ffi::lua_pushcfunction(l, nothing);
        ffi::lua_newuserdatauv(l, 8, 1);
        ffi::lua_call(l, 3, 4);
        let parts = |table| read_parts(ffi::lua_topointer(l, top + table).cast());
        (1..=4).all(|table| lies_as_expected(l, top + table))
            && [1, 2, 3, 4].map(|table| parts(table).array_length) == [10, 2, 0, 0]
            && [1, 3, 4].map(|table| parts(table).node_count) == [1, 128, 1]
    };
    ffi::lua_settop(l, top);
    proved
}

/// Whether the parts of a small table are what a traversal of it finds, in the same order.
unsafe fn lies_as_expected(l: *mut lua_State, table: c_int) -> bool {
    let parts = read_parts(ffi::lua_topointer(l, table).cast());
    let aligned = |address: usize| address.is_multiple_of(4);
    let plausible = parts.array_length <= 16
        && parts.node_count <= 128
        && aligned(parts.nodes as usize)
        && !parts.nodes.is_null()
        && (parts.array_length == 0 || !parts.array.is_null() && aligned(parts.array as usize));
    if !plausible {
        return false;
    }
    let array = (0..parts.array_length).map(|place| (None, parts.array_value(place)));
    let nodes = (0..parts.node_count)
        .map(|number| parts.node(number))
        .map(|(key, value)| (Some(key), value));
    let lying = array.chain(nodes).filter(|(_, value)| !value.is_nil());
    ffi::lua_pushnil(l);
    for (key, value) in lying {
        if ffi::lua_next(l, table) == 0 {
            return false;
        }
        let same = same(l, -1, value) && key.is_none_or(|key| same(l, -2, key));
        if !same {
            return false;
        }
        ffi::lua_pop(l, 1);
    }
    ffi::lua_next(l, table) == 0
}

/// Whether the value at a stack index is the one that was read.
unsafe fn same(l: *mut lua_State, index: c_int, value: Value) -> bool {
    let address = ffi::lua_topointer(l, index) as usize;
    let of = ffi::lua_type(l, index);
    if c_int::from(value.tag & TAG_TYPE) != of {
        return false;
    }
    match of {
        ffi::LUA_TTABLE | ffi::LUA_TTHREAD | ffi::LUA_TSTRING => value.bits == address,
        ffi::LUA_TFUNCTION => value.held() == Held::Function(address, proto_of(l, index)),
        ffi::LUA_TNUMBER if ffi::lua_isinteger(l, index) != 0 => {
            value.bits as i64 == ffi::lua_tointegerx(l, index, std::ptr::null_mut())
        }
        ffi::LUA_TNUMBER => value.bits as u64 == ffi::lua_tonumberx(l, index, std::ptr::null_mut()).to_bits(),
        _ => true,
    }
}

/// Whether the frames of a suspended coroutine are found in the same order in both ways.
unsafe fn check_frames(l: *mut lua_State) -> bool {
    let text =
        c"local yield = ... local function f(n) if n > 0 then f(n - 1) else yield() end return n end return (f(5))";
    let top = ffi::lua_gettop(l);
    let thread = ffi::lua_newthread(l);
    let loaded = ffi::luaL_loadstring(thread, text.as_ptr()) == ffi::LUA_OK;
    ffi::lua_pushcfunction(thread, suspend);
    let mut results = 0;
    let proved = loaded && ffi::lua_resume(thread, l, 1, &mut results) == ffi::LUA_YIELD && {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        // The function that yields, six calls, and the main function.
        let mut frames = [std::ptr::null(); 8];
        for (level, frame) in (0..).zip(&mut frames) {
            if ffi::lua_getstack(thread, level, &mut ar) != 0 {
                *frame = *frame_of(&mut ar);
            }
        }
        let whole = frames.iter().all(|frame| !frame.is_null()) && ffi::lua_getstack(thread, 8, &mut ar) == 0;
        whole
            && frames.windows(2).all(|pair| caller_of(pair[0]) == pair[1])
            && frames[..7].iter().all(|frame| !caller_of(caller_of(*frame)).is_null())
            && !caller_of(frames[7]).is_null()
            && caller_of(caller_of(frames[7])).is_null()
    };
    ffi::lua_settop(l, top);
    proved
}

unsafe extern "C-unwind" fn suspend(l: *mut lua_State) -> c_int {
    ffi::lua_yieldk(l, 0, 0, None)
}

unsafe extern "C-unwind" fn nothing(_l: *mut lua_State) -> c_int {
    0
}
