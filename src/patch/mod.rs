//! The drawing office: what a patch is, what became of it, and how that is told. Pure: no Lua, no files, no sockets.
//!
//! Reading order: [`source`] is the text of a patch, [`order`] takes it to an instance, [`outcome`] is the answer, [`report`] and [`diff`]
//! tell it. What a text is: [`syntax`] reads what its author wrote, [`bytecode`] what the compiler made of it; [`compare`] tells what became
//! of each function and variable from one version to the next, [`revision`] what that means for a file that runs.

pub mod bytecode;
pub mod compare;
pub mod diff;
pub mod order;
pub mod outcome;
pub mod report;
pub mod revision;
pub mod source;
pub mod syntax;
