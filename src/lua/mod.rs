//! The workshop: one Lua VM per instance, and everything that is done to it. The only user of mlua, whose raw interface it uses
//! (the safe one costs two to five times as much per message).
//!
//! Reading order: [`host`] is what all VMs share, [`launch`] brings one into being, [`service`] is the actor around it,
//! [`scheduler`] and [`coroutines`] run it, `api` is what Lua can call, [`codec`] packs values; [`apply`] carries out a patch.
//!
//! The rules of raw Lua, which every file here keeps and every `# Safety` section refers to:
//! - A Lua error is a jump. What may raise is only called inside `lua_pcall` or `lua_resume`, and no Rust value that needs dropping is
//!   alive in a frame that is jumped over; text and bytes on their way into Lua lie in the [`context::Context`] meanwhile.
//! - A panic must not cross Lua's frames: functions that Lua calls are declared with `lua_functions!`, which catches it.
//! - A VM is used by one thread at a time: the worker that runs its instance's turn.

pub mod api;
pub mod applied;
pub mod apply;
pub mod builtin;
pub mod changes;
pub mod chunks;
pub mod codec;
pub mod context;
pub mod coroutines;
pub mod files;
pub mod functions;
pub mod guard;
pub mod heap;
pub mod host;
pub mod launch;
pub mod layout;
pub mod library;
pub mod libs;
pub mod memory;
pub mod outgoing;
pub mod overdue;
pub mod parent;
pub mod plans;
#[cfg(any(test, fuzzing, feature = "probe"))]
pub mod probe;
pub mod queues;
pub mod restart;
pub mod scheduler;
pub mod service;
pub mod switch;
pub mod twins;
mod values;
pub mod variables;
pub mod vm;
pub mod wire;

#[cfg(test)]
mod tests;
