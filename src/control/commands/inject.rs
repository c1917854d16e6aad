//! `inject`: applies a patch file by hand.

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};
use crate::control::patch_file;
use crate::hotfix::told::Told;

/// See the module.
pub const COMMAND: Command = Command {
    name: "inject",
    usage: "ADDRESS|SERVICE FILE [ARGS...]",
    help: "apply a patch file to one instance, or to all of a service (FILE is relative to the config file)",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        match inject(window, request).await {
            Ok(told) => Reply::from(told),
            Err(why) => Reply::error(why),
        }
    })
}

async fn inject(window: &Window, request: &Request<'_>) -> Result<Told, String> {
    let injection = patch_file::read(window, request).await?;
    // A task of its own: a client that hangs up must not stop a patch half way to its instances and its archive.
    let applying = tokio::spawn(window.patches.inject(injection));
    applying
        .await
        .map_err(|_| "the patch may be half way: the node is stopping, or its log tells of a panic".to_owned())
}
