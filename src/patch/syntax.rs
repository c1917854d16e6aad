//! What a syntax tree tells about a file that Lua's compiler has accepted: all that a comparison of two versions of it needs. Whether
//! a text is valid Lua is the compiler's verdict alone: the tree of an invalid text is never asked for.
//!
//! Reading order: `model` is what is read; `function` finds and names the functions, `scope` walks through the file and resolves
//! every name (`names`), `part` reads statements and expressions for it. They stand on `written` (names as text), `constant`,
//! `literal`, `text` and `walk`; `limits` keeps texts away that no parser survives; `whole` recognises a new version of a whole file.

mod constant;
mod function;
mod limits;
mod literal;
mod model;
mod names;
mod part;
mod scope;
mod text;
mod walk;
mod whole;
mod written;

use emmylua_parser::{LuaAstNode, LuaStat};

pub use limits::too_much;
pub use model::{
    Body, Call, Declaration, Expression, Field, Function, Kind, Local, Outline, Path, Read, Statement, Target, Value,
};
pub use whole::{WholeFile, source_of};

/// Reads the outline of a text that Lua's compiler has accepted, and that is not [`too_much`] (nothing is known of such a text).
pub fn outline(bytes: &[u8]) -> Outline {
    if too_much(bytes).is_some() {
        return Outline {
            bodies: vec![Body::default()],
            tail: bytes.len(),
            ..Outline::default()
        };
    }
    let text = text::Text::new(bytes);
    let chunk = text::parse(bytes);
    let functions = function::functions(&text, &chunk);
    let found = scope::resolve(&text, &functions, &chunk);
    let last = chunk.get_block().and_then(|block| block.get_stats().last());
    let last_return = last.filter(|stat| matches!(stat, LuaStat::ReturnStat(_)));
    let tail = last_return
        .as_ref()
        .map_or(bytes.len(), |stat| stat.syntax().text_range().start().into());
    Outline {
        locals: found.locals,
        functions,
        bodies: found.bodies,
        reads: found.reads,
        writes: found.writes,
        tail,
        returns: last_return.is_some(),
    }
}

#[cfg(test)]
mod tests;
