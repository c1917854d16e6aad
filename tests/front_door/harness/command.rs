//! A command that runs and ends, as one types it.

use std::process::{Command, Stdio};

use super::project::Project;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// What it printed as its result.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Runs `hotlua ARGUMENTS…` in the project's directory to its end.
#[track_caller]
pub fn hotlua(project: &Project, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_hotlua"))
        .args(arguments)
        .current_dir(project.path("."))
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Output {
        code: output.status.code().expect("it ended by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
