//! `hotlua new`: a new project.

use std::path::PathBuf;

use clap::Args;

/// The options of `hotlua new`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The folder that is made; it may be there if it is empty
    pub folder: PathBuf,
}
