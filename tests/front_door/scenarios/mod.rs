//! What people, editors and tools do to the letterbox, each on every file system: what is saved is applied once and whole, and archived with exactly
//! its bytes; and after a sweep nothing has changed. Machines that lack a file system or a program skip what needs it, and say so.

mod again;
mod editors;
mod folders;
mod links;
mod load;
mod mounts;
mod nodes;
mod refusals;
mod saves;
mod stage;
mod writers;
