//! Tests of other rooms' code that need Lua to be its judge.

mod bytecode;
mod revision;
mod syntax;
