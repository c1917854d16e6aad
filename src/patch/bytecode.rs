//! What the compiler made of a file: its functions as `lua_dump` writes them (Lua 5.5, 64-bit, little endian, with names and lines).
//!
//! The compiler is the judge of what a text means; here its answer is read, compared, and cut up: [`Code::parse`] reads a dump,
//! [`Code::binding`] says which variable an upvalue is, [`Code::same_body`] whether two functions are the same, and [`Code::maker`]
//! writes a chunk that makes one function alone.

mod binding;
mod read;
mod write;

use std::sync::Arc;

use thiserror::Error;

pub use binding::{Binding, Declaration};

/// A string of the dump. The same string is one allocation however often it is mentioned.
pub type Text = Arc<[u8]>;

/// How a dump begins: signature, version, format, a test for conversions, and how this machine writes each kind of number.
pub const HEADER: [u8; 40] = *b"\x1bLua\x55\x00\x19\x93\r\n\x1a\n\
    \x04\x88\xa9\xff\xff\x04\x78\x56\x34\x12\
    \x08\x88\xa9\xff\xff\xff\xff\xff\xff\x08\x00\x00\x00\x00\x00\x28\x77\xc0";

/// Strings up to this many bytes are Lua's short ones; constants are marked by it.
const SHORT_STRING: usize = 40;

/// The number of the instruction that makes a closure.
const OP_CLOSURE: u32 = 79;

/// All functions of one compiled file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The main function, then every function in source order: a nested one after the one around it and before its next sibling.
    pub functions: Vec<Proto>,
}

/// One function, as compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proto {
    /// Index in [`Code::functions`] of the function around it; `None` for the main function.
    pub parent: Option<usize>,
    /// The functions directly inside it, in source order.
    pub children: Vec<usize>,
    /// Where the parent makes closures of it: index of that instruction in the parent's code.
    pub made_at: Option<usize>,
    /// Line of its `function`; 0 for the main function.
    pub line: u32,
    /// Line of its `end`; 0 for the main function.
    pub last_line: u32,
    /// Parameters that have names.
    pub params: u8,
    /// How it takes `...`, in Lua's encoding.
    pub flag: u8,
    /// Registers that it needs.
    pub stack: u8,
    /// Its instructions. An index here is a `pc`.
    pub code: Vec<u32>,
    /// What its instructions refer to by number.
    pub constants: Vec<Constant>,
    /// The variables from around it that it (or a function inside it) uses.
    pub upvalues: Vec<Upvalue>,
    /// The name of its file as the compiler got it: `@services/a.lua`.
    pub source: Text,
    /// The lines of its instructions.
    pub lines: Lines,
    /// Its local variables, parameters first, in the order in which they come into scope. Hidden ones (`(for state)`) count.
    pub locals: Vec<LocalVariable>,
}

/// A value in a function's table of constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// `nil`
    Nil,
    /// `true` or `false`
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// The bits of a float: so `0.0` and `-0.0` differ, and no number equals an integer.
    Float(u64),
    /// A string.
    String(Text),
}

/// A variable from around a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upvalue {
    /// The variable's name.
    pub name: Text,
    /// Whether it is a local of the function directly around (then `index` is its register there) or one of its upvalues.
    pub in_stack: bool,
    /// See `in_stack`.
    pub index: u8,
    /// Whether the variable is plain, `<const>`, `<close>`, or a named `...`, in Lua's encoding.
    pub kind: u8,
}

/// Which line each instruction is on, in Lua's encoding; [`Code::line_at`] reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// For each instruction the distance to the line of the one before it.
    pub relative: Vec<i8>,
    /// `(pc, line)`, by `pc`: where a distance does not fit, and at least every 128 instructions.
    pub absolute: Vec<(u32, u32)>,
}

/// A local variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalVariable {
    /// Its name.
    pub name: Text,
    /// The first instruction at which it is in scope.
    pub start: u32,
    /// The first instruction at which it is not any more.
    pub end: u32,
}

/// Why a dump was not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadDump {
    /// Something else, or another version of Lua.
    #[error("this is not compiled Lua 5.5")]
    Foreign,
    /// Other sizes of numbers, or another order of their bytes.
    #[error("this was compiled by Lua on another kind of machine; only 64-bit little-endian is understood")]
    Machine,
    /// Names or lines were left out.
    #[error("this was compiled by Lua, but its names and lines were stripped away")]
    Stripped,
    /// Not what `lua_dump` writes.
    #[error("this compiled Lua is damaged at byte {at}: {what}")]
    Damaged {
        /// Offset from the start of the dump.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

impl Code {
    /// Whether two functions do the same in themselves: instructions, constants, parameters, number and kinds of upvalues, number of
    /// nested functions. What those are, what the upvalues are bound to, lines, and names of locals do not count.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn same_body(&self, function: usize, other: &Code, its: usize) -> bool {
        let (a, b) = (&self.functions[function], &other.functions[its]);
        let kinds = |proto: &Proto| proto.upvalues.iter().map(|upvalue| upvalue.kind).collect::<Vec<u8>>();
        (a.params, a.flag, a.children.len()) == (b.params, b.flag, b.children.len())
            && a.code == b.code
            && a.constants == b.constants
            && kinds(a) == kinds(b)
    }

    /// The line of a function's instruction. For a `pc` that the function does not have, some line of the function.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn line_at(&self, function: usize, pc: usize) -> u32 {
        let proto = &self.functions[function];
        let known = |&(at, _): &(u32, u32)| at as usize <= pc;
        let before = &proto.lines.absolute[..proto.lines.absolute.partition_point(known)];
        let (from, line) = match before.last() {
            Some(&(at, line)) => (at as usize + 1, line),
            None => (0, proto.line),
        };
        let steps = proto.lines.relative.get(from..=pc).unwrap_or_default();
        let line = steps.iter().fold(i64::from(line), |line, &step| line + i64::from(step));
        u32::try_from(line).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
