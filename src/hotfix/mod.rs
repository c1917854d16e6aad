//! The post room: every patch passes here, in the order of the files below. It never touches a VM: it speaks in messages.
//!
//! [`inbox`] takes dropped files from the watcher, [`desk`] what is injected by hand; [`deliver`] sends a patch to every instance and
//! gathers the `answers`; [`history`] is the database, [`archive`] the files made from it; [`replay`] brings live patches back at start.
//! [`office`] is what they share.

mod answers;
pub mod archive;
pub mod deliver;
pub mod desk;
pub mod history;
pub mod inbox;
pub mod lock;
pub mod office;
pub mod record;
pub mod replay;
