//! `show`: one patch in full.

use serde_json::json;

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};
use crate::hotfix::record::PatchId;
use crate::hotfix::story;

/// See the module.
pub const COMMAND: Command = Command {
    name: "show",
    usage: "ID",
    help: "show one patch (history has the numbers): who, when, why, what, each instance's answer, the diff",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move { show(window, request).await.into() })
}

async fn show(window: &Window, request: &Request<'_>) -> Result<Reply, String> {
    let (word, _) = request.first_word();
    let Ok(id) = word.parse() else {
        return Err(request.misused(&format!("Need the number of a patch, and `{word}` is none")));
    };
    let shown = window.patches.show(PatchId(id)).await?;
    let head = story::show(&shown);
    let text = (head.clone() + &shown.diff).trim_end_matches('\n').to_owned();
    let data = json!({
        "patch": shown.record,
        "diff": shown.diff,
        "text": String::from_utf8_lossy(&shown.bytes),
        "sources": shown.sources,
        "head": head,
    });
    Ok(Reply::with(text, &data))
}
