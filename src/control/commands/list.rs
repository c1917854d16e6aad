//! `list`: what runs.

use crate::actor::instance::Instance;
use crate::control::command::{Command, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "list",
    usage: "",
    help: "show the services by handle",
    run: Run::Now(run),
};

fn run(window: &Window, _request: &Request<'_>) -> Result<String, String> {
    let all = window.node.registry().all();
    let rows: Vec<String> = all
        .iter()
        .filter(|instance| instance.identity.listed)
        .map(|instance| row(instance))
        .collect();
    Ok(rows.join("\n"))
}

/// One service; with the patches behind it that its peers have and it has not.
fn row(instance: &Instance) -> String {
    let identity = &instance.identity;
    let behind = match instance.behind() {
        names if names.is_empty() => String::new(),
        names => format!("\tbehind: {}", names.join(", ")),
    };
    format!("{}\tsnlua {}{behind}", identity.handle, identity.command_line())
}
