//! What is read out of a Lua file's syntax tree: functions, variables, statements and calls, each with what identifies it in two
//! versions of one file. Lines count from 1, ranges are bytes of the text.

use std::ops::Range;

/// The outline of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// Locals that are visible at the end of the file, in order of declaration; of two with one name only the last.
    pub locals: Vec<Local>,
    /// Every function expression, in source order (a nested one after the one around it): the order in which the compiler numbers
    /// prototypes.
    pub functions: Vec<Function>,
    /// What each function does itself: first the file's main function, then that of `functions[i]` at `i + 1`.
    pub bodies: Vec<Body>,
    /// The free names that are read, each once, in the order of the text. Its own `global` declarations explain names, too.
    pub reads: Vec<Read>,
    /// The globals that are assigned somewhere, also by `function name()` or in a `global` declaration, each once.
    pub writes: Vec<String>,
    /// Byte offset of the final `return`, or of the end of the text: where one more statement can stand.
    pub tail: usize,
    /// Whether there is a final `return`.
    pub returns: bool,
}

/// A file-level local.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// Declared `<const>` or `<close>`: it cannot be assigned.
    pub fixed: bool,
}

/// A free name that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The name.
    pub name: String,
    /// The first line that reads it.
    pub line: usize,
}

/// A function expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// As the author would call it: `command.do_test`, `M:hit`, `test`; empty if it has no name of its own.
    pub name: String,
    /// Index in [`Outline::functions`] of the function around it.
    pub parent: Option<usize>,
    /// It is the value of `function a.b() … end`, `function a() … end` or `a.b = function … end`: where something stands there
    /// already, it takes its place.
    pub replaces: bool,
    /// What identifies it among the functions that stand directly in the same function: `a.b`, `skynet.start(1)`, `<return>`. Never
    /// a line or an index in the file; two siblings may have the same.
    pub key: String,
    /// For people: the keys of the functions around it and its own, `M.mk/<return>`.
    pub path: String,
    /// From `function` (in a statement: from its parameters) to `end`.
    pub range: Range<usize>,
    /// The lines between which the compiler says that it is defined.
    pub lines: (u32, u32),
    /// Its parameters in order, `self` of a method first; `...` or `...name` last.
    pub params: Vec<String>,
}

/// What stands in a function itself, without the functions nested in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Every local that it declares, in the order in which the compiler activates them.
    pub declarations: Vec<Declaration>,
    /// The statements of its outermost block.
    pub statements: Vec<Statement>,
    /// The calls that it makes.
    pub calls: Vec<Call>,
    /// First and last line of each of its loops.
    pub loops: Vec<(u32, u32)>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The callee as it is written, without spaces: `price`, `M.price`; of a method call the method alone, `:hit`.
    pub name: String,
    /// The line of the callee's last word.
    pub line: u32,
    /// The line on which its arguments end.
    pub last_line: u32,
}

/// A local variable: a parameter, a `local`, a local function or a loop's variable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// The line of its name (of the implicit `self`: of the parameters).
    pub line: u32,
    /// Declared `<const>` or `<close>`.
    pub fixed: bool,
    /// The compiler makes a constant of it: at run time there is no such variable.
    pub folded: bool,
    /// Declared in the outermost block of its function.
    pub outermost: bool,
    /// Somewhere in the file a statement gives it another value after its initialisation.
    pub assigned: bool,
    /// The expression that is its own in `local a, b = 1, f()`; none for what has no initial value of one expression alone.
    pub initial: Option<Expression>,
    /// The number of the statement that declares it, if that is one of [`Body::statements`].
    pub statement: Option<usize>,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// Where it stands.
    pub range: Range<usize>,
    /// Its first and its last line.
    pub lines: (u32, u32),
    /// Its words with one space between them, without comments; of a function expression only `function` and its key.
    pub text: String,
    /// What it is.
    pub value: Value,
}

/// What an expression is, as far as a comparison can make use of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `nil`, a boolean, a number, a string, or what operators make of such alone.
    Literal,
    /// A function expression, by its number in [`Outline::functions`].
    Function(usize),
    /// A table constructor.
    Table(Vec<Field>),
    /// `require "x"`.
    Require(String),
    /// Anything else.
    Other,
}

/// An entry of a table constructor.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key as Lua indexes with it, `.name`, `["a b"]`, `[3]` (items of a list count from `[1]`); `None` if the key is computed.
    pub key: Option<String>,
    /// Its value.
    pub value: Expression,
}

/// A statement of a function's outermost block.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Where it stands, without a semicolon after it.
    pub range: Range<usize>,
    /// Its first and its last line.
    pub lines: (u32, u32),
    /// As [`Expression::text`].
    pub text: String,
    /// What it is.
    pub kind: Kind,
}

impl Body {
    /// Its statements in order, those of plain blocks in the place of the blocks.
    pub fn flat(&self) -> Vec<&Statement> {
        let mut found = Vec::new();
        let mut open: Vec<&Statement> = self.statements.iter().rev().collect();
        while let Some(statement) = open.pop() {
            match &statement.kind {
                Kind::Block { statements } => open.extend(statements.iter().rev()),
                _ => found.push(statement),
            }
        }
        found
    }
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `local a, b = …`.
    Local {
        /// The names that it declares.
        names: Vec<String>,
        /// Its expressions.
        values: Vec<Expression>,
    },
    /// `local function f() … end`.
    LocalFunction {
        /// The name that it declares.
        name: String,
        /// Its number in [`Outline::functions`].
        function: usize,
    },
    /// `function a.b() … end`.
    Function {
        /// What it is assigned to.
        target: Target,
        /// Its number in [`Outline::functions`].
        function: usize,
    },
    /// `a, b.c = …`.
    Assign {
        /// What is assigned to.
        targets: Vec<Target>,
        /// Its expressions.
        values: Vec<Expression>,
    },
    /// `return …`.
    Return {
        /// Its expressions.
        values: Vec<Expression>,
    },
    /// `f(…)`.
    Call {
        /// As [`Call::name`].
        callee: String,
        /// Its arguments.
        arguments: Vec<Expression>,
    },
    /// A `global` declaration (not `global function`).
    Global,
    /// `do … end`.
    Block {
        /// What it is made of.
        statements: Vec<Statement>,
    },
    /// A loop, a condition, a label, a jump, or `;`.
    Other,
}

/// What a statement assigns to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it is written, without spaces, a method's colon as a dot: `M.a.b`, `t[i]`.
    pub text: String,
    /// Where it is, if constants lead there.
    pub path: Option<Path>,
    /// Its first and its last line.
    pub lines: (u32, u32),
}

/// A name and constant keys: `M.a["x y"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The name at its beginning.
    pub root: String,
    /// Each key as Lua indexes with it, as in [`Field::key`].
    pub keys: Vec<String>,
}
