//! `rollback`: takes patches back, to what ran before them.

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};
use crate::hotfix::choice::Wanted;
use crate::hotfix::record::PatchId;
use crate::hotfix::told::Told;

/// See the module.
pub const COMMAND: Command = Command {
    name: "rollback",
    usage: "SERVICE [ID | --all]",
    help: "take back the latest patch of a service, the one with that number (see history), or all",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        match roll_back(window, request).await {
            Ok(told) => Reply::from(told),
            Err(why) => Reply::error(why),
        }
    })
}

async fn roll_back(window: &Window, request: &Request<'_>) -> Result<Told, String> {
    let (service, rest) = request.first_word();
    if service.is_empty() {
        return Err(request.misused("Need a service"));
    }
    let wanted = match rest.trim_end() {
        "" => Wanted::Latest,
        "--all" => Wanted::All,
        number => match number.parse() {
            Ok(id) => Wanted::One(PatchId(id)),
            Err(_) => return Err(request.misused(&format!("Need the number of a patch, and `{number}` is none"))),
        },
    };
    // A task of its own: a client that hangs up must not stop it half way.
    let rolling = tokio::spawn(
        window
            .patches
            .roll_back(service.to_owned(), wanted, request.asker.clone()),
    );
    rolling
        .await
        .map_err(|_| "the rollback may be half way: the node is stopping, or its log tells of a panic".to_owned())
}
