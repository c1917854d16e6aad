//! The black-box suite: every test starts the built binary in a directory of its own, drops
//! files, talks to the console, and asserts the lines that a user would see. Tests know the
//! public contract only; nothing here uses the crate.

mod archive;
mod authors;
mod cases;
mod check;
mod command_line;
mod conformance;
mod console;
mod control_socket;
mod dev;
mod docs;
mod faults;
mod freeze;
mod ground;
mod harness;
mod inject;
mod list;
mod load;
mod lua_tests;
mod newcomers;
mod patch_apply;
mod patch_failure;
mod patch_names;
mod patch_reach;
mod patch_undo;
mod property;
mod replay;
mod restart;
mod restart_meanwhile;
mod rollback;
mod rollback_files;
mod rollback_order;
mod runtime;
mod scenarios;
mod security;
mod start_stop;
mod story;
mod stuck;
