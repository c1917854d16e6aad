//! Writing dumps: a whole file as it was, or a chunk that makes one of its functions.

use std::collections::HashMap;

use crate::patch::bytecode::{Code, Constant, HEADER, Lines, OP_CLOSURE, Proto, SHORT_STRING, Text};

const OP_LOADNIL: u32 = 8;
const OP_RETURN: u32 = 70;
const OP_RETURN1: u32 = 72;

impl Code {
    /// The whole file, byte for byte what [`Code::parse`] read.
    pub fn encode(&self) -> Vec<u8> {
        self.write(true)
    }

    /// The same without the names of local variables and upvalues.
    pub fn encode_without_names(&self) -> Vec<u8> {
        self.write(false)
    }

    fn write(&self, with_names: bool) -> Vec<u8> {
        let mut writer = Writer::new(self.functions[0].upvalues.len());
        writer.with_names = with_names;
        writer.tree(self, 0);
        writer.dump
    }

    /// A chunk of its own for one function. Loaded and called, it returns a Lua function, the maker; each call of that returns a new
    /// closure of the function. All of them have one prototype, and it holds the nested functions' prototypes.
    ///
    /// The closure has the function's upvalues in their order, but not its variables: they are cells without meaning, possibly one
    /// for all, so each must be joined to the right cell before the closure runs.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn maker(&self, function: usize) -> Vec<u8> {
        let mut wanted = self.functions[function].clone();
        for upvalue in &mut wanted.upvalues {
            // The maker's local `u`.
            (upvalue.in_stack, upvalue.index) = (true, 0);
        }
        // return function() … end
        let main = around(&wanted, vec![closure(0), OP_RETURN1 | 2 << 16]);
        // local u; return <the function>: the flag of the return closes `u`.
        let maker = around(
            &wanted,
            vec![OP_LOADNIL, closure(1), OP_RETURN | 1 << 7 | 1 << 15 | 2 << 16],
        );
        let mut writer = Writer::new(0);
        writer.before_children(&main);
        writer.before_children(&maker);
        writer.before_children(&wanted);
        for &child in &wanted.children {
            writer.tree(self, child);
        }
        writer.after_children(&wanted);
        writer.after_children(&maker);
        writer.after_children(&main);
        writer.dump
    }
}

/// The instruction that puts a closure of the first nested function into a register.
fn closure(register: u32) -> u32 {
    OP_CLOSURE | register << 7
}

/// A function of these instructions around another one, without parameters, variables or upvalues of its own; on the other's lines.
fn around(inner: &Proto, code: Vec<u32>) -> Proto {
    Proto {
        parent: None,
        children: vec![0],
        made_at: None,
        line: inner.line,
        last_line: inner.last_line,
        params: 0,
        flag: 0,
        stack: 2,
        constants: Vec::new(),
        upvalues: Vec::new(),
        source: inner.source.clone(),
        lines: Lines {
            relative: vec![0; code.len()],
            absolute: Vec::new(),
        },
        code,
        locals: Vec::new(),
    }
}

struct Writer {
    dump: Vec<u8>,
    with_names: bool,
    /// The numbers of the strings that are written already, from 1.
    strings: HashMap<Text, u64>,
}

impl Writer {
    fn new(upvalues: usize) -> Writer {
        let mut dump = HEADER.to_vec();
        dump.push(upvalues as u8);
        Writer {
            dump,
            with_names: true,
            strings: HashMap::new(),
        }
    }

    /// A function and those in it.
    fn tree(&mut self, code: &Code, function: usize) {
        let proto = &code.functions[function];
        self.before_children(proto);
        for &child in &proto.children {
            self.tree(code, child);
        }
        self.after_children(proto);
    }

    fn before_children(&mut self, proto: &Proto) {
        self.unsigned(proto.line.into());
        self.unsigned(proto.last_line.into());
        self.dump.extend([proto.params, proto.flag, proto.stack]);
        self.count(proto.code.len());
        self.words(proto.code.iter().copied());
        self.count(proto.constants.len());
        for constant in &proto.constants {
            self.constant(constant);
        }
        self.count(proto.upvalues.len());
        for upvalue in &proto.upvalues {
            self.dump.extend([upvalue.in_stack.into(), upvalue.index, upvalue.kind]);
        }
        self.count(proto.children.len());
    }

    fn after_children(&mut self, proto: &Proto) {
        self.string(&proto.source);
        self.count(proto.lines.relative.len());
        self.dump.extend(proto.lines.relative.iter().map(|&step| step as u8));
        self.count(proto.lines.absolute.len());
        if !proto.lines.absolute.is_empty() {
            self.words(proto.lines.absolute.iter().flat_map(|&(pc, line)| [pc, line]));
        }
        if !self.with_names {
            self.count(0);
            return self.count(0);
        }
        self.count(proto.locals.len());
        for local in &proto.locals {
            self.string(&local.name);
            self.unsigned(local.start.into());
            self.unsigned(local.end.into());
        }
        self.count(proto.upvalues.len());
        for upvalue in &proto.upvalues {
            self.string(&upvalue.name);
        }
    }

    fn constant(&mut self, constant: &Constant) {
        match constant {
            Constant::Nil => self.dump.push(0x00),
            Constant::Boolean(false) => self.dump.push(0x01),
            Constant::Boolean(true) => self.dump.push(0x11),
            Constant::Integer(number) => {
                self.dump.push(0x03);
                let doubled = (*number as u64) << 1;
                self.unsigned(if *number >= 0 { doubled } else { !doubled });
            }
            Constant::Float(bits) => {
                self.dump.push(0x13);
                self.dump.extend(bits.to_le_bytes());
            }
            Constant::String(text) => {
                self.dump.push(if text.len() <= SHORT_STRING { 0x04 } else { 0x14 });
                self.string(text);
            }
        }
    }

    fn string(&mut self, text: &Text) {
        if let Some(&number) = self.strings.get(text) {
            self.dump.push(0);
            self.unsigned(number);
            return;
        }
        self.strings.insert(text.clone(), self.strings.len() as u64 + 1);
        self.count(text.len() + 1);
        self.dump.extend_from_slice(text);
        self.dump.push(0);
    }

    /// 32-bit numbers, from the next multiple of four on.
    fn words(&mut self, words: impl Iterator<Item = u32>) {
        self.dump.resize(self.dump.len().next_multiple_of(4), 0);
        self.dump.extend(words.flat_map(u32::to_le_bytes));
    }

    fn count(&mut self, count: usize) {
        self.unsigned(count as u64);
    }

    /// Seven bits in each byte, the highest first, all but the last byte marked.
    fn unsigned(&mut self, number: u64) {
        let bits = u64::BITS - number.leading_zeros();
        for place in (1..bits.div_ceil(7)).rev() {
            self.dump.push((number >> (7 * place)) as u8 | 0x80);
        }
        self.dump.push(number as u8 & 0x7f);
    }
}
