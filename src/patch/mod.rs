//! The drawing office: what a patch is, what became of it, and how that is told. Pure: no Lua, no files, no sockets.
//!
//! Reading order: [`source`] is the text of a patch, [`order`] takes it to an instance, [`outcome`] is the answer.

pub mod order;
pub mod outcome;
pub mod source;
pub mod syntax;
