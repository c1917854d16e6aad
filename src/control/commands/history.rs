//! `history`: which patches there were.

use crate::control::command::{Command, Pending, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "history",
    usage: "[SERVICE]",
    help: "show the patches of one service, or of all",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        let (service, _) = request.first_word();
        let service = (!service.is_empty()).then(|| service.to_owned());
        let shown = window.patches.history(service).await;
        shown.map(|text| text.trim_end_matches('\n').to_owned()).into()
    })
}
