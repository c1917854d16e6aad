//! The drawing office: what a patch is, what became of it, and how that is told. Pure: no Lua, no files, no sockets.
//!
//! Reading order: [`source`] is the text of a patch, [`order`] takes it to an instance, [`outcome`] is the
//! answer, [`report`] and [`diff`] tell it; [`syntax`] and [`free`] read names
//! out of a text, [`bytecode`] functions and variables out of what the compiler made of one.

pub mod bytecode;
pub mod compare;
pub mod diff;
pub mod free;
pub mod order;
pub mod outcome;
pub mod report;
pub mod revision;
pub mod source;
pub mod syntax;
