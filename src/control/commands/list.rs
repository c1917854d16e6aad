//! `list`: what runs.

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
    let listed = all
        .iter()
        .map(|instance| &instance.identity)
        .filter(|identity| identity.listed);
    let rows: Vec<String> = listed
        .map(|identity| format!("{}\tsnlua {}", identity.handle, identity.command_line()))
        .collect();
    Ok(rows.join("\n"))
}
