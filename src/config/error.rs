//! What is wrong with a config file, as its author should read it: `config.toml:LINE: key … : what, and what to do`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a config file cannot be used. Prints one line per problem.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error(
        "{}: no such file; run hotlua in the project's folder, or name the file with --config FILE",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is there and cannot be read.
    #[error("{}: cannot be read: {cause}", file.display())]
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is far larger than any config file.
    #[error("{}: larger than 1 MiB; is this really the config file?", .0.display())]
    TooLarge(PathBuf),
    /// It is not TOML, or its keys or values mean nothing.
    #[error("{}", render(file, problems))]
    Invalid {
        /// The file as it was named.
        file: PathBuf,
        /// What is wrong, in the order of the file: at least one problem, at most the first twenty.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    pub(in crate::config) fn unreadable(file: &Path, cause: io::Error) -> ConfigError {
        let file = file.to_path_buf();
        match cause.kind() {
            io::ErrorKind::NotFound => ConfigError::Missing(file),
            _ => ConfigError::Unreadable { file, cause },
        }
    }
}

/// One thing that is wrong at one line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The key with its section (`hotfix.max_size`); `None` where the text is not even TOML.
    pub key: Option<String>,
    /// What is wrong and what to write instead, without a full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(out, "{}: key `{key}`: {}", self.line, self.message),
            None => write!(out, "{}: {}", self.line, self.message),
        }
    }
}

fn render(file: &Path, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}:{problem}", file.display()))
        .collect();
    lines.join("\n")
}
