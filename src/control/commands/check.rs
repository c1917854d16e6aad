//! `check`: says what a patch file would do, without executing anything of it.

use crate::control::command::{Command, Pending, Reply, Request, Run, Window};
use crate::control::patch_file;

/// See the module.
pub const COMMAND: Command = Command {
    name: "check",
    usage: "ADDRESS|SERVICE FILE",
    help: "show what a patch file would change, without running it",
    run: Run::Later(run),
};

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        match patch_file::read(window, request).await {
            Ok(injection) => Reply::from(window.patches.check(injection).await),
            Err(why) => Reply::error(why),
        }
    })
}
