//! What passes through the control socket: one line of JSON with the request and the bytes of its file behind it; then lines of JSON back,
//! the last of which is the reply.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of all this. A node and a client of different versions say so instead of guessing.
pub const VERSION: u32 = 1;

/// The longest line of an answer, in bytes.
pub const LONGEST: u64 = 64 << 20;

/// The part of a request that every version has: it is read first, so that another version gets a sentence.
#[derive(Clone, Debug, Deserialize)]
pub struct Introduction {
    /// As in [`Ask`].
    pub version: u32,
}

/// A request. What is changed here, or in [`Answer`], so that another side would misunderstand it, changes [`VERSION`]; a reply that is
/// not `ok` looks the same in every version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// See [`VERSION`].
    pub version: u32,
    /// The line, as on the console.
    pub line: String,
    /// The file that comes with it, if one does.
    pub upload: Option<Head>,
}

/// What stands before the bytes of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// As it was typed.
    pub label: String,
    /// How many bytes follow.
    pub size: u64,
    /// What `...` is in it.
    pub args: Vec<String>,
}

/// One line of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How far it is.
    Progress {
        /// What it is about: `simpledb/x.lua`.
        what: String,
        /// How many instances have answered.
        done: usize,
        /// How many there are.
        all: usize,
    },
    /// The end.
    Reply {
        /// The command did what was asked.
        ok: bool,
        /// For people; nothing in it that a terminal would obey.
        text: String,
        /// The same for programs; null where there is none.
        data: Value,
    },
}

/// Where the socket is: in a folder of the state directory that nobody else may enter, whoever may read the archive beside it.
pub fn socket(state: &Path) -> PathBuf {
    state.join(".control/control.sock")
}
