//! `restart`: lets a service begin anew in place, with the files as they are now.

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "restart",
    usage: "SERVICE",
    help: "begin a service anew in place, from its files; its state goes unless it provides hotfix.save and hotfix.restore",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        let (service, _) = request.first_word();
        if service.is_empty() {
            return Reply::error(request.misused("Need a service"));
        }
        // A task of its own: a client that hangs up must not stop it half way.
        let restarting = tokio::spawn(window.patches.restart(service.to_owned(), request.asker.clone()));
        match restarting.await {
            Ok(told) => Reply::from(told),
            Err(_) => Reply::error("the restart may be half way: the node is stopping, or its log tells of a panic"),
        }
    })
}
