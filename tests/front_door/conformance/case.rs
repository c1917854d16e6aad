//! How a case of the catalogue is written down: a program, and what is done to it and seen of it, in order.
//!
//! In every text `@@` stands for the name of the case's service, so that many cases can live in one node.

/// The forms a patch can have. A case that fits both is run in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The changed functions alone.
    Chunk,
    /// The new text of the whole file.
    Source,
}

/// One step of a case.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Lua statements, run in the service.
    Do(&'static str),
    /// An expression and the values that it must have, separated by spaces.
    Gives(&'static str, &'static str),
    /// As [`Op::Gives`], but it may take a while.
    Soon(&'static str, &'static str),
    /// From now on patches are dropped under this file name.
    Named(&'static str),
    /// A chunk patch.
    Chunk(&'static str),
    /// A source patch: the present text of the service with one text replaced by another.
    Edit(&'static str, &'static str),
    /// A patch of either form: the new text alone, or the service's text with the old replaced by the new.
    Swap(&'static str, &'static str),
    /// As [`Op::Swap`], when the chunk is not simply the new text: the chunk, then the old and the new text.
    Both(&'static str, &'static str, &'static str),
    /// A module patch: the module's name, the old and the new text.
    Module(&'static str, &'static str, &'static str),
    /// A further replacement in the same patch.
    Also(&'static str, &'static str),
    /// The service's text as at the start.
    Original,
    /// How the summary of the last patch must begin. Without it: applied to the one instance.
    Outcome(&'static [&'static str]),
    /// A text in the report of the last patch, above its diff.
    Says(&'static str),
    /// A text that must not be there.
    Silent(&'static str),
    /// A text in the diff of the last patch.
    Diff(&'static str),
    /// A console command, whether it succeeds, and a text of its reply.
    Console(&'static str, bool, &'static str),
    /// Writes a file of the project.
    Write(&'static str, &'static str),
    /// As [`Op::Write`], with the service's text after one replacement: the path, the old and the new text.
    WriteEdit(&'static str, &'static str, &'static str),
}

const MAX_OPS: usize = 40;

/// One program and its story.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// File-level code between the `require`s and `skynet.start`. The table `M` is a global. It begins in line 4.
    pub v1: &'static str,
    /// Modules that it requires: name and text, with `---@module "NAME"` put before it as its first line.
    pub libs: [(&'static str, &'static str); 3],
    ops: [Op; MAX_OPS],
    len: usize,
}

/// A case; its name says the phenomenon and is the name of its service.
pub const fn case(name: &'static str) -> Case {
    Case {
        name,
        v1: "",
        libs: [("", ""); 3],
        ops: [Op::Do(""); MAX_OPS],
        len: 0,
    }
}

const REJECTED: &[&str] = &["rejected: "];
const FAILED: &[&str] = &["failed and undone: "];
const REFUSED: &[&str] = &["rejected: ", "failed and undone: ", "timed out: "];
const UNCHANGED: &[&str] = &["unchanged: "];
const HARMLESS: &[&str] = &["applied to 1 of 1 instance: ", "had no effect: ", "unchanged: "];

impl Case {
    pub const fn v1(mut self, text: &'static str) -> Self {
        self.v1 = text;
        self
    }

    pub const fn lib(mut self, name: &'static str, text: &'static str) -> Self {
        let mut free = 0;
        while !self.libs[free].0.is_empty() {
            free += 1;
        }
        self.libs[free] = (name, text);
        self
    }

    const fn op(mut self, op: Op) -> Self {
        self.ops[self.len] = op;
        self.len += 1;
        self
    }

    pub const fn run(self, lua: &'static str) -> Self {
        self.op(Op::Do(lua))
    }
    pub const fn gives(self, expression: &'static str, values: &'static str) -> Self {
        self.op(Op::Gives(expression, values))
    }
    pub const fn soon(self, expression: &'static str, values: &'static str) -> Self {
        self.op(Op::Soon(expression, values))
    }
    pub const fn named(self, file: &'static str) -> Self {
        self.op(Op::Named(file))
    }
    pub const fn chunk(self, patch: &'static str) -> Self {
        self.op(Op::Chunk(patch))
    }
    pub const fn edit(self, old: &'static str, new: &'static str) -> Self {
        self.op(Op::Edit(old, new))
    }
    pub const fn swap(self, old: &'static str, new: &'static str) -> Self {
        self.op(Op::Swap(old, new))
    }
    pub const fn both(self, chunk: &'static str, old: &'static str, new: &'static str) -> Self {
        self.op(Op::Both(chunk, old, new))
    }
    pub const fn module(self, name: &'static str, old: &'static str, new: &'static str) -> Self {
        self.op(Op::Module(name, old, new))
    }
    pub const fn also(self, old: &'static str, new: &'static str) -> Self {
        self.op(Op::Also(old, new))
    }
    pub const fn original(self) -> Self {
        self.op(Op::Original)
    }
    pub const fn says(self, text: &'static str) -> Self {
        self.op(Op::Says(text))
    }
    pub const fn silent(self, text: &'static str) -> Self {
        self.op(Op::Silent(text))
    }
    pub const fn diff(self, text: &'static str) -> Self {
        self.op(Op::Diff(text))
    }
    /// Nothing ran.
    pub const fn rejected(self, text: &'static str) -> Self {
        self.op(Op::Outcome(REJECTED)).says(text)
    }
    /// It ran and was undone.
    pub const fn failed(self, text: &'static str) -> Self {
        self.op(Op::Outcome(FAILED)).says(text)
    }
    /// Rejected or undone, with the reason.
    pub const fn refused(self, text: &'static str) -> Self {
        self.op(Op::Outcome(REFUSED)).says(text)
    }
    pub const fn unchanged(self) -> Self {
        self.op(Op::Outcome(UNCHANGED))
    }
    /// Applied, or found to change nothing: the contract leaves open which of these words is used.
    pub const fn harmless(self) -> Self {
        self.op(Op::Outcome(HARMLESS))
    }
    pub const fn summary(self, prefixes: &'static [&'static str]) -> Self {
        self.op(Op::Outcome(prefixes))
    }
    pub const fn console(self, command: &'static str, text: &'static str) -> Self {
        self.op(Op::Console(command, true, text))
    }
    pub const fn console_error(self, command: &'static str, text: &'static str) -> Self {
        self.op(Op::Console(command, false, text))
    }
    /// Takes back the last patch.
    pub const fn rollback(self) -> Self {
        self.console("rollback @@", "")
    }
    pub const fn write(self, path: &'static str, text: &'static str) -> Self {
        self.op(Op::Write(path, text))
    }
    pub const fn write_edit(self, path: &'static str, old: &'static str, new: &'static str) -> Self {
        self.op(Op::WriteEdit(path, old, new))
    }

    pub fn ops(&self) -> &[Op] {
        &self.ops[..self.len]
    }

    /// Whether the case can be told in this form.
    pub fn fits(&self, form: Form) -> bool {
        let chunk_only = self.ops().iter().any(|op| matches!(op, Op::Chunk(_)));
        let source_only = self
            .ops()
            .iter()
            .any(|op| matches!(op, Op::Edit(..) | Op::Module(..) | Op::Original | Op::WriteEdit(..)));
        let either = self.ops().iter().any(|op| matches!(op, Op::Swap(..) | Op::Both(..)));
        match form {
            Form::Chunk => !source_only,
            Form::Source => source_only || (either && !chunk_only),
        }
    }

    /// The name of the case's service.
    pub fn slug(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("_").to_lowercase()
    }
}
