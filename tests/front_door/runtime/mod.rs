//! What the node prints while services run. What functions *do* is tested in `tests/lua`.

mod errors;
mod library;
mod output;

use crate::harness::Project;

/// A start service whose start function is `body`.
fn main_with(body: &str) -> Project {
    let text = format!(
        "local skynet = require \"skynet\"\nrequire \"skynet.manager\"\n\nskynet.start(function()\n{body}\nend)\n"
    );
    Project::empty().service("main", &text)
}
