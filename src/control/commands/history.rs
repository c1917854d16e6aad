//! `history`: what happened, as a story.

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};

/// See the module.
pub const COMMAND: Command = Command {
    name: "history",
    usage: "[SERVICE] [-n NUMBER]",
    help: "tell what happened to one service, or to all: the latest 50 events, or that many; then what is frozen or waits",
    run: Run::Later(run),
};

/// How many events are told unless a number is given.
const USUAL: u32 = 50;

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move { tell(window, request).await.into() })
}

async fn tell(window: &Window, request: &Request<'_>) -> Result<Reply, String> {
    let (mut service, mut number) = (None, USUAL);
    let mut words = request.rest.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-n" => {
                let given = words.next().and_then(|word| word.parse().ok());
                number = given.ok_or_else(|| request.misused("Need a number behind -n"))?;
            }
            _ if service.is_none() => service = Some(word.to_owned()),
            _ => return Err(request.misused("One service at most")),
        }
    }
    let story = window.patches.history(service, number).await?;
    Ok(Reply::with(story.text().trim_end_matches('\n'), &story))
}
