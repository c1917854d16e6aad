//! The hall: instances, their mailboxes, and the threads that carry messages between them. Knows no Lua, no files, no sockets.
//!
//! Reading order: [`address`] and [`message`] are what travels, [`mailbox`] is where it waits, [`instance`] is who it is for,
//! [`registry`] finds them, [`queue`], with a slot of each worker, and [`workers`] run them, [`timer`] wakes them, [`node`] holds it all together, [`port`] lets Rust code take part.

pub mod address;
pub mod instance;
pub mod mailbox;
pub mod message;
pub mod node;
pub mod port;
pub mod queue;
pub mod registry;
mod slot;
pub mod timer;
pub mod workers;
