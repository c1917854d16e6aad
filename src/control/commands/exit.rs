//! `exit`: asks a service to leave, which it does when it comes to read that message.

use crate::control::address;
use crate::control::command::{Command, Pending, Reply, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "exit",
    usage: "ADDRESS",
    help: "let a service end itself (kill does not wait for it)",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        match address::first_service(window, request) {
            Ok((instance, _)) => window.ask(format!("exit {}", instance.identity.handle)).await,
            Err(why) => Reply::error(why),
        }
    })
}
