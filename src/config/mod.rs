//! `config.toml` → plain structs. The only module that knows TOML; every other part is handed its own section.
//!
//! Nothing is ignored: an unknown key, a wrong type or an impossible value stops the node before it starts, and one
//! look at the message (file, line, key, what to write instead) is enough to mend it.

mod document;
mod error;
mod sections;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

pub use crate::config::error::{ConfigError, Problem};
pub use crate::config::sections::parse;

/// A config file larger than this is somebody's data, not a config file (bytes).
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// Everything that `config.toml` says, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[node]`
    pub node: Node,
    /// `[paths]`
    pub paths: Paths,
    /// `[hotfix]`
    pub hotfix: Hotfix,
    /// `[console]`
    pub console: Console,
    /// `[log]`
    pub log: Log,
    /// `[env]`: what `skynet.getenv` answers; numbers and booleans are spelled as Lua prints them.
    pub env: BTreeMap<String, String>,
    /// The absolute directory of the file. Relative paths in the file are relative to it, see [`Config::resolve`].
    pub base: PathBuf,
}

/// `[node]`: the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The service that is started first, and its arguments, as one types them: `main` or `main 8888`.
    pub start: String,
    /// Worker threads, at most 1024; 0 means one per core.
    pub threads: usize,
    /// Whether dev mode may be used on this node.
    pub profile: Profile,
    /// A Lua file that runs in every service before its script, as spelled: open it through [`Config::resolve`].
    pub preload: Option<PathBuf>,
    /// How much memory the messages that wait for one service may take, in bytes.
    pub mailbox_limit: u64,
    /// The absolute directory of history database, lock, control socket and archived patches.
    pub state: PathBuf,
}

/// What the node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Everything is allowed.
    Development,
    /// `hotlua dev` is refused.
    Production,
}

/// `[paths]`: where Lua files are looked for. Each pattern holds a `?` for the name and is kept as spelled, so that
/// `services/simpledb.lua` stands in a traceback as the author knows it; open through [`Config::resolve`].
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    /// Where service scripts are found; never empty.
    pub services: Vec<String>,
    /// Where `require` looks before the built-in library; may be empty.
    pub lualib: Vec<String>,
}

/// `[hotfix]`: how patches arrive and what they may cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Hotfix {
    /// The absolute directory that is watched; it need not exist yet.
    pub dir: PathBuf,
    /// The same directory as spelled in the file, without a slash at the end: how messages name it.
    pub label: String,
    /// What becomes of a dropped file once it is applied.
    pub after_apply: Option<AfterApply>,
    /// Whether a restart applies the active patches again.
    pub replay: bool,
    /// The largest patch file that is read (bytes).
    pub max_size: u64,
    /// How long a patch waits for a dangerous suspended body to end; may be zero.
    pub in_flight_wait: Duration,
    /// How long a service that is restarted in place may take to start.
    pub restart_limit: Duration,
    /// The largest Lua heap that is snapshotted for undo (bytes).
    pub snapshot_limit: u64,
    /// How long the patch's own code may run in one instance.
    pub time_limit: Duration,
    /// How much memory the patch's own code may take in one instance (bytes).
    pub memory_limit: u64,
    /// Sweep the directories instead of waiting for events (network file systems, some container mounts).
    pub poll: bool,
}

/// What becomes of a dropped file once it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterApply {
    /// It moves to the archive.
    Archive,
    /// It stays; the archive gets a copy.
    Keep,
}

/// `[console]`: the debug console.
#[derive(Clone, Debug, PartialEq)]
pub struct Console {
    /// Where it listens; `None` for no console. Without a token this is a loopback address.
    pub listen: Option<SocketAddr>,
    /// What a client has to know; empty for nothing. Never holds white space.
    pub token: String,
    /// Whether the console also answers HTTP.
    pub http: bool,
}

/// `[log]`: what is written to standard output, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Log {
    /// How a line looks.
    pub format: Format,
    /// What is written at all.
    pub level: LevelFilter,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: `[:0000000a] text`.
    Text,
    /// For collectors: one JSON object per line.
    Json,
}

/// Reads and checks a config file.
///
/// # Errors
/// Whatever keeps the file from being used, as lines for its author: it is missing or unreadable, is not TOML, or
/// has keys or values that mean nothing (the first twenty of these at once).
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|cause| ConfigError::unreadable(path, cause))?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(ConfigError::TooLarge(path.to_path_buf()));
    }
    let absolute = std::path::absolute(path).map_err(|cause| ConfigError::unreadable(path, cause))?;
    let base = absolute.parent().unwrap_or(&absolute).to_path_buf();
    sections::parse(&bytes, base).map_err(|problems| ConfigError::Invalid {
        file: path.to_path_buf(),
        problems,
    })
}

impl Config {
    /// What an empty file in the directory `base` says: every default.
    pub fn defaults(base: PathBuf) -> Config {
        Config {
            node: Node {
                start: "main".to_owned(),
                threads: 0,
                profile: Profile::Development,
                preload: None,
                mailbox_limit: 1024 * 1024 * 1024,
                state: base.join("archive"),
            },
            paths: Paths {
                services: vec!["services/?.lua".to_owned(), "services/?/init.lua".to_owned()],
                lualib: vec!["lualib/?.lua".to_owned(), "lualib/?/init.lua".to_owned()],
            },
            hotfix: Hotfix {
                dir: base.join("hotfix"),
                label: "hotfix".to_owned(),
                after_apply: None,
                replay: true,
                max_size: 1024 * 1024,
                in_flight_wait: Duration::from_secs(2),
                restart_limit: Duration::from_secs(30),
                snapshot_limit: 32 * 1024 * 1024,
                time_limit: Duration::from_secs(1),
                memory_limit: 64 * 1024 * 1024,
                poll: false,
            },
            console: Console {
                listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8000))),
                token: String::new(),
                http: false,
            },
            log: Log {
                format: Format::Text,
                level: LevelFilter::INFO,
            },
            env: BTreeMap::new(),
            base,
        }
    }

    /// Where a path of the config file really is, whatever the working directory: absolute ones as they are, others
    /// below [`Config::base`].
    pub fn resolve(&self, spelled: impl AsRef<Path>) -> PathBuf {
        self.base.join(spelled)
    }
}

#[cfg(test)]
mod tests;
