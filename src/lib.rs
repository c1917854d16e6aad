//! hotlua: a runtime for Lua actor services that patches them while they run.
//!
//! In reading order: how a message travels ([`actor`], [`lua`]), how a patch travels ([`watch`], [`hotfix`], [`patch`]),
//! who asks ([`control`], [`client`], [`cli`]), how saved sources become patches ([`dev`]), and what puts it all together ([`config`], [`log`], [`app`]). [`plain`] is how any
//! foreign text is shown, [`trust`] who may change what runs.

pub mod actor;
pub mod app;
pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod dev;
pub mod failpoint;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod hotfix;
pub mod log;
pub mod lua;
pub mod patch;
pub mod plain;
pub mod project;
pub mod trust;
pub mod watch;

/// Everything is allocated by it, what Lua allocates too (see [`lua`]): thousands of small heaps that are made on one thread and go on on others.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
