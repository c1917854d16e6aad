//! `freeze`: no patches for a while.

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "freeze",
    usage: "[SERVICE] [-- REASON]",
    help: "let patches of one service, or of all, wait or be refused until unfreeze, also across restarts",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        let rest = format!(" {} ", request.rest);
        let (service, reason) = rest.split_once(" -- ").unwrap_or((&rest, ""));
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        if service.split_whitespace().count() > 1 {
            return Reply::error(request.misused("One service at most; a reason stands behind `--`"));
        }
        let by = request.asker.name.clone();
        window.patches.freeze(given(service), by, given(reason)).await.into()
    })
}
