//! The post room: every patch passes here, in the order of the files below. It never touches a VM: it speaks in messages.
//!
//! [`inbox`] takes dropped files from the watcher and puts each into the `tray` of its service; [`desk`] takes what an [`asker`] asks by hand; [`deliver`] sends a patch (a [`parcel`]) to every instance, [`check`] asks
//! what it would do, [`rollback`] takes back what is a [`choice`], and the version `previous` to it stands again: each is a `round` of one order, whose `answers` are [`told`], also `late` ones. [`history`] is the database, [`archive`]
//! the files made from it; [`replay`] brings live patches back at start. [`office`] is what they share, and `books` what they write (`bookkeeping`); `standing` holds what new instances get, [`waiting`] the files that wait.
//! In dev mode [`sources`] knows who has loaded which source file, and [`saved`] makes patches of those that are saved.

mod answers;
pub mod archive;
pub mod asker;
mod bookkeeping;
mod books;
pub mod check;
pub mod choice;
pub mod deliver;
pub mod desk;
pub mod freeze;
mod frozen;
pub mod history;
pub mod inbox;
mod late;
pub mod lock;
pub mod office;
pub mod parcel;
mod previous;
pub mod record;
pub mod replay;
pub mod restart;
pub mod rollback;
pub mod round;
pub mod saved;
pub mod sources;
mod standing;
pub mod story;
pub mod told;
mod tray;
pub mod waiting;
