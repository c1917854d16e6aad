//! Dev mode: saved source files become patches of the services that have loaded them, and a terminal's keys do what one wants then.
//!
//! In the order of a save: [`batch`] gathers what the doorkeeper reports until it is quiet, `session` has the post room apply it to
//! every service that is concerned, `tell` says what became of it, with an `excerpt` of the line where something is wrong. `keys` is the keyboard,
//! `press` what its keys do.

mod batch;
mod excerpt;
mod keys;
mod press;
mod session;
mod tell;

pub use keys::{Key, Keyboard};
pub use session::{Config, Parts, RestartAll, run};
