//! The conformance suite: what a patch engine must get right, one small program per phenomenon, each judged by what the program
//! does afterwards and by what the report says. Where a patch can be written both as a chunk and as a source patch, it is tried as both.
//!
//! One case alone: `CASE="words of its name" cargo test --test front_door conformance`.

mod additions;
mod bad_patches;
mod bodies;
mod case;
mod checks;
mod corners;
mod coroutines;
mod driver;
mod factories;
mod fleet;
mod holders;
mod hooks;
mod in_flight;
mod language;
mod large;
mod literals;
mod modules;
mod nodes;
mod programs;
mod replay;
mod rollback;
mod source;
mod stacks;
mod state;
mod tables;
