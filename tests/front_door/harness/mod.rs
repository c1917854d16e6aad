//! What every black-box test stands on: a project in a temporary directory, the built binary
//! running in it, and a client of its console. Nothing here knows the code of the node: only
//! files, signals, sockets and lines.

mod command;
mod console;
mod node;
mod project;
mod records;
pub mod svc;

use std::time::{Duration, Instant};

pub use command::hotlua;
pub use console::{Console, Reply};
pub use node::{Mark, Node};
pub use project::{Project, copy_tree, repository};
pub use records::digest;

/// How long a test waits for anything before it fails. Generous, since a busy machine is no
/// reason to fail; a test that passes never waits this long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long a test watches that something does *not* happen.
pub const QUIET: Duration = Duration::from_millis(1500);

/// Pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// Looks at `condition` until it gives a value, at most for `patience`.
pub fn poll<T>(patience: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if start.elapsed() > patience {
            return None;
        }
        std::thread::sleep(POLL);
    }
}
