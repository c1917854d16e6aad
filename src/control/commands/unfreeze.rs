//! `unfreeze`: patches again.

use crate::control::command::{Command, Pending, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "unfreeze",
    usage: "[SERVICE]",
    help: "end the freeze of one service, or of the node: what waits is applied at once",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        let (service, _) = request.first_word();
        let service = Some(service.to_owned()).filter(|service| !service.is_empty());
        window
            .patches
            .unfreeze(service, request.asker.name.clone())
            .await
            .into()
    })
}
