//! The window: where operators ask the node what runs, and patch it by hand.
//!
//! Two halves that do not know each other's business. *What can be asked* is one table of commands ([`table`]), one command a file
//! in `commands`; it knows lines of text and nothing of sockets. *How it is asked* is the TCP console ([`console`]: one line is one
//! command, every reply ends with a marker line) and the control socket of the command line ([`socket`], which speaks [`wire`]). What concerns Lua VMs is asked of the service `.launcher`, by message.

mod address;
pub mod auth;
pub mod command;
mod commands;
pub mod console;
pub mod far;
mod house;
pub mod http;
pub mod line;
pub mod patch_file;
mod send;
mod session;
pub mod socket;
pub mod table;
pub mod text;
mod web;
pub mod wire;

#[cfg(test)]
mod tests;

pub use crate::control::console::{Config, Console};
