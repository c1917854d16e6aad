//! The drawing office: what a patch is, what became of it, and how that is told. Pure: no Lua, no files, no sockets.
//!
//! Reading order: [`source`] is the text of a patch, [`order`] takes it to an instance, [`outcome`] is the
//! answer, [`report`] and [`diff`] tell it; [`syntax`] reads out of a Lua text what a comparison of two versions of it
//! needs, [`bytecode`] functions and variables out of what the compiler made of one.

pub mod bytecode;
pub mod diff;
pub mod order;
pub mod outcome;
pub mod report;
pub mod source;
pub mod syntax;
