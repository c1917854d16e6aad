//! The commands that do more than ask the launcher, one a file.

pub mod check;
pub mod exit;
pub mod freeze;
pub mod history;
pub mod inject;
pub mod kill;
pub mod list;
pub mod restart;
pub mod rollback;
pub mod show;
pub mod unfreeze;
