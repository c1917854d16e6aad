//! `kill`: ends a service at once. It needs no Lua, so it works while every worker thread is stuck in some service's endless loop.

use tracing::info;

use crate::control::address;
use crate::control::command::{Command, LAUNCHER, Reply, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "kill",
    usage: "ADDRESS",
    help: "end a service at once; whoever waits for its answer gets an error",
    run: Run::Now(run),
};

fn run(window: &Window, request: &Request<'_>) -> Reply {
    kill(window, request).map(|text| Reply::text(text, true)).into()
}

fn kill(window: &Window, request: &Request<'_>) -> Result<String, String> {
    let (instance, _) = address::first_service(window, request)?;
    let identity = &instance.identity;
    if !window.node.kill(identity.handle) {
        return Err(format!("{} has ended by itself just now", identity.handle));
    }
    // As skynet logs it: the launcher kills for the console, and the number is not padded.
    let killer = window.node.registry().find(LAUNCHER).map(|launcher| launcher.0);
    info!(handle = killer, "KILL :{:x}", identity.handle.0);
    Ok(format!("{}\tsnlua {}", identity.handle, identity.command_line()))
}
