//! Reading a dump. It may hold anything: whatever is not exactly what `lua_dump` would write is refused, so what is accepted is
//! written again byte for byte.

use std::collections::HashSet;

use crate::patch::bytecode::{
    BadDump, Code, Constant, HEADER, Lines, LocalVariable, OP_CLOSURE, Proto, SHORT_STRING, Text, Upvalue,
};

/// Functions inside each other. The compiler goes no deeper than 200.
const MAX_DEPTH: usize = 250;

/// Upvalues of one function; Lua counts them in a byte.
const MAX_UPVALUES: usize = 255;

/// Bytes of the header that name the format; the rest describes the machine.
const FORMAT: usize = 12;

impl Code {
    /// Reads the dump of a whole file, names and lines included.
    ///
    /// # Errors
    /// It is not what `lua_dump` of Lua 5.5 writes on a 64-bit little-endian machine.
    pub fn parse(dump: &[u8]) -> Result<Code, BadDump> {
        if dump.get(..FORMAT) != Some(&HEADER[..FORMAT]) {
            return Err(BadDump::Foreign);
        }
        if !dump.starts_with(&HEADER) {
            return Err(BadDump::Machine);
        }
        let mut reader = Reader {
            dump,
            at: HEADER.len(),
            strings: Vec::new(),
            known: HashSet::new(),
            functions: Vec::new(),
        };
        let upvalues = reader.byte()?;
        let main = reader.function(None, 0)?;
        if reader.functions[main].upvalues.len() != usize::from(upvalues) {
            return reader.damaged("the main function has another number of upvalues than announced");
        }
        if reader.at != dump.len() {
            return reader.damaged("something follows the end");
        }
        Ok(Code {
            functions: reader.functions,
        })
    }
}

struct Reader<'a> {
    dump: &'a [u8],
    /// How far it is read.
    at: usize,
    /// Strings so far; they are referred to by number, from 1.
    strings: Vec<Text>,
    /// The same, to find one that should have been referred to.
    known: HashSet<Text>,
    functions: Vec<Proto>,
}

impl<'a> Reader<'a> {
    fn damaged<T>(&self, what: &'static str) -> Result<T, BadDump> {
        Err(BadDump::Damaged { at: self.at, what })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BadDump> {
        let rest = &self.dump[self.at..];
        match rest.split_at_checked(length) {
            Some((taken, _)) => {
                self.at += length;
                Ok(taken)
            }
            None => self.damaged("it ends too early"),
        }
    }

    fn byte(&mut self) -> Result<u8, BadDump> {
        Ok(self.take(1)?[0])
    }

    fn eight(&mut self) -> Result<[u8; 8], BadDump> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(bytes)
    }

    /// 32-bit numbers, which begin at a multiple of four.
    fn words(&mut self, count: usize) -> Result<impl Iterator<Item = u32> + 'a, BadDump> {
        let padding = self.at.next_multiple_of(4) - self.at;
        if self.take(padding)?.iter().any(|&byte| byte != 0) {
            return self.damaged("the padding is not empty");
        }
        // A product too large is more than there is, too.
        let bytes = self.take(count.saturating_mul(4))?;
        Ok(bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)))
    }

    /// An unsigned number: seven bits in each byte, the highest first, all but the last byte marked.
    fn unsigned(&mut self) -> Result<u64, BadDump> {
        let mut number: u64 = 0;
        loop {
            let byte = self.byte()?;
            if number == 0 && byte == 0x80 {
                return self.damaged("a number begins with zeros");
            }
            if number > u64::MAX >> 7 {
                return self.damaged("a number is too large");
            }
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
    }

    /// A number that is an `int` in Lua and not negative.
    fn int(&mut self) -> Result<u32, BadDump> {
        match u32::try_from(self.unsigned()?) {
            Ok(number) if number <= i32::MAX as u32 => Ok(number),
            _ => self.damaged("a number is too large"),
        }
    }

    /// How many entries follow.
    fn count(&mut self) -> Result<usize, BadDump> {
        Ok(self.int()? as usize)
    }

    /// Entries that are read one by one. Each takes a byte at least, so a count that lies ends with the dump.
    fn list<T>(&mut self, mut entry: impl FnMut(&mut Self) -> Result<T, BadDump>) -> Result<Vec<T>, BadDump> {
        let count = self.count()?;
        (0..count).map(|_| entry(self)).collect()
    }

    /// A string; `None` where Lua has a null pointer.
    fn string(&mut self) -> Result<Option<Text>, BadDump> {
        let size = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        if size == 0 {
            let number = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
            return match number.checked_sub(1) {
                None => Ok(None),
                Some(index) => match self.strings.get(index) {
                    Some(text) => Ok(Some(text.clone())),
                    None => self.damaged("it refers to a string that is not there"),
                },
            };
        }
        let [text @ .., 0] = self.take(size)? else {
            return self.damaged("a string does not end with a zero");
        };
        let text = Text::from(text);
        if !self.known.insert(text.clone()) {
            return self.damaged("a string is written twice");
        }
        self.strings.push(text.clone());
        Ok(Some(text))
    }

    /// A string that only a stripped dump leaves out.
    fn name(&mut self) -> Result<Text, BadDump> {
        self.string()?.ok_or(BadDump::Stripped)
    }

    fn constant(&mut self) -> Result<Constant, BadDump> {
        Ok(match self.byte()? {
            0x00 => Constant::Nil,
            0x01 => Constant::Boolean(false),
            0x11 => Constant::Boolean(true),
            0x03 => {
                let coded = self.unsigned()?;
                let magnitude = (coded >> 1) as i64;
                Constant::Integer(if coded & 1 == 0 { magnitude } else { !magnitude })
            }
            0x13 => Constant::Float(u64::from_le_bytes(self.eight()?)),
            tag @ (0x04 | 0x14) => match self.string()? {
                Some(text) if (text.len() <= SHORT_STRING) == (tag == 0x04) => Constant::String(text),
                _ => return self.damaged("a string is not as long as its kind"),
            },
            _ => return self.damaged("there is no such kind of constant"),
        })
    }

    fn upvalue(&mut self) -> Result<Upvalue, BadDump> {
        let in_stack = match self.byte()? {
            0 => false,
            1 => true,
            _ => return self.damaged("an upvalue is neither local nor not"),
        };
        Ok(Upvalue {
            // The names come later.
            name: Text::default(),
            in_stack,
            index: self.byte()?,
            kind: self.byte()?,
        })
    }

    /// Reads a function and those in it; answers with its number.
    fn function(&mut self, parent: Option<usize>, depth: usize) -> Result<usize, BadDump> {
        if depth > MAX_DEPTH {
            return self.damaged("its functions are nested too deeply");
        }
        let number = self.functions.len();
        let before = self.before_children(parent)?;
        self.functions.push(before);
        for _ in 0..self.count()? {
            let child = self.function(Some(number), depth + 1)?;
            self.functions[number].children.push(child);
        }
        self.after_children(number)?;
        self.find_closures(number);
        Ok(number)
    }

    fn before_children(&mut self, parent: Option<usize>) -> Result<Proto, BadDump> {
        let (line, last_line) = (self.int()?, self.int()?);
        let (params, flag, stack) = (self.byte()?, self.byte()?, self.byte()?);
        let count = self.count()?;
        let code = self.words(count)?.collect();
        let constants = self.list(Self::constant)?;
        let upvalues = self.list(Self::upvalue)?;
        if upvalues.len() > MAX_UPVALUES {
            return self.damaged("a function has too many upvalues");
        }
        Ok(Proto {
            parent,
            children: Vec::new(),
            made_at: None,
            line,
            last_line,
            params,
            flag,
            stack,
            code,
            constants,
            upvalues,
            source: Text::default(),
            lines: Lines::default(),
            locals: Vec::new(),
        })
    }

    fn after_children(&mut self, number: usize) -> Result<(), BadDump> {
        let source = self.name()?;
        let lines = self.lines(self.functions[number].code.len())?;
        let locals = self.list(|reader| {
            Ok(LocalVariable {
                name: reader.name()?,
                start: reader.int()?,
                end: reader.int()?,
            })
        })?;
        let names = self.list(Self::name)?;
        let proto = &mut self.functions[number];
        if names.len() != proto.upvalues.len() {
            return Err(BadDump::Stripped);
        }
        for (upvalue, name) in proto.upvalues.iter_mut().zip(names) {
            upvalue.name = name;
        }
        (proto.source, proto.lines, proto.locals) = (source, lines, locals);
        Ok(())
    }

    fn lines(&mut self, instructions: usize) -> Result<Lines, BadDump> {
        let count = self.count()?;
        if count != instructions {
            return Err(BadDump::Stripped);
        }
        let relative = self.take(count)?.iter().map(|&byte| byte as i8).collect();
        let count = self.count()?;
        let mut absolute = Vec::new();
        if count > 0 {
            let mut words = self.words(count.saturating_mul(2))?;
            while let (Some(pc), Some(line)) = (words.next(), words.next()) {
                absolute.push((pc, line));
            }
        }
        Ok(Lines { relative, absolute })
    }

    /// Notes where a function makes closures of those in it.
    fn find_closures(&mut self, number: usize) {
        for pc in 0..self.functions[number].code.len() {
            let proto = &self.functions[number];
            let instruction = proto.code[pc];
            if instruction & 0x7f == OP_CLOSURE
                && let Some(&child) = proto.children.get((instruction >> 15) as usize)
            {
                self.functions[child].made_at.get_or_insert(pc);
            }
        }
    }
}
