//! What all instances share: settings, the environment, the compiled files, and the ways out of the workshop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;

use crate::actor::address::Handle;
use crate::actor::instance::Actor;
use crate::actor::node::Node;
use crate::lua::chunks::Chunks;
use crate::lua::layout::InMemory;
use crate::lua::parent::Parent;
use crate::lua::plans::Plans;
use crate::patch::order::PostRoom;

/// Settings of the workshop.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory that relative patterns are relative to.
    pub base: PathBuf,
    /// Where services are looked for: patterns with `?`.
    pub services: Vec<String>,
    /// Where `require` looks, before the built-in library: patterns with `?`.
    pub lualib: Vec<String>,
    /// A file that runs in every service before its script.
    pub preload: Option<PathBuf>,
    /// Values of `skynet.getenv` at the start.
    pub env: BTreeMap<String, String>,
    /// How much memory the messages that wait for one instance may take, in bytes.
    pub mailbox_limit: usize,
    /// How long a patch's own code may run in one instance.
    pub time_limit: Duration,
    /// How long a patch may wait for a suspended old body that it would break.
    pub in_flight_wait: Duration,
    /// How long a service that is restarted in place may take to start, and to hand its state over.
    pub restart_limit: Duration,
    /// How much memory it may take, in bytes.
    pub memory_limit: usize,
    /// Up to how much Lua heap a snapshot is taken for undoing it, in bytes.
    pub snapshot_limit: usize,
}

/// Takes what a service prints: who, and one whole line with its newline.
pub type Print = Box<dyn Fn(Handle, &[u8]) + Send + Sync>;

/// Opens a console: where, for which instance, and who is told.
pub type OpenConsole = Box<dyn Fn(SocketAddr, Handle, Parent) + Send + Sync>;

/// What the workshop is given to reach the rest of the house.
pub struct Outlets {
    /// See [`Host::print`].
    pub print: Print,
    /// See [`Host::open_console`].
    pub open_console: OpenConsole,
    /// See [`Host::make_actor`].
    pub make_actor: fn() -> Box<dyn Actor>,
}

/// What all instances share. One per node.
pub struct Host {
    /// Settings.
    pub config: Config,
    /// The hall.
    pub node: Arc<Node>,
    /// The post room, for patches that a new instance gets.
    pub post_room: Arc<dyn PostRoom>,
    /// Where `print` goes.
    pub print: Print,
    /// Opens a further console at an address, in the name of an instance, and tells whoever waits for it.
    pub open_console: OpenConsole,
    /// Makes what runs behind a new mailbox.
    pub make_actor: fn() -> Box<dyn Actor>,
    /// Whether [`crate::lua::layout`] fits the Lua that runs here: proved in the first VM.
    pub layout_fits: OnceLock<bool>,
    /// The same for its tables and frames, which are then walked faster.
    pub in_memory: OnceLock<Option<InMemory>>,
    /// Every Lua file that was read, compiled.
    pub chunks: Chunks,
    /// What differs between versions of files.
    pub plans: Plans,
    env: RwLock<BTreeMap<String, String>>,
}

impl Host {
    /// Opens the workshop.
    pub fn new(config: Config, node: Arc<Node>, post_room: Arc<dyn PostRoom>, outlets: Outlets) -> Arc<Host> {
        let env = RwLock::new(config.env.clone());
        Arc::new(Host {
            config,
            node,
            post_room,
            print: outlets.print,
            open_console: outlets.open_console,
            make_actor: outlets.make_actor,
            layout_fits: OnceLock::new(),
            in_memory: OnceLock::new(),
            chunks: Chunks::default(),
            plans: Plans::default(),
            env,
        })
    }

    /// The value of an environment key.
    pub fn getenv(&self, key: &str) -> Option<String> {
        self.env.read().get(key).cloned()
    }

    /// Sets an environment key that has no value yet; false if it has one.
    pub fn setenv(&self, key: &str, value: &str) -> bool {
        let mut env = self.env.write();
        if env.contains_key(key) {
            return false;
        }
        env.insert(key.to_owned(), value.to_owned());
        true
    }

    /// The file that a name (with `/`) stands for in a list of patterns.
    ///
    /// # Errors
    /// Every spelling that was tried, if there is none.
    pub fn find_by(&self, patterns: &[String], name: &str) -> Result<Found, Vec<String>> {
        find(&self.config.base, patterns, name)
    }
}

/// A file that was looked for and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As messages spell it: `services/simpledb.lua`.
    pub label: String,
    /// Where it is.
    pub path: PathBuf,
    /// The pattern that it was found by.
    pub pattern: String,
}

/// Tries the patterns in turn; on failure every spelling that was tried.
fn find(base: &Path, patterns: &[String], name: &str) -> Result<Found, Vec<String>> {
    let mut tried = Vec::new();
    for pattern in patterns {
        let label = pattern.replace('?', name);
        let path = base.join(&label);
        if path.is_file() {
            return Ok(Found {
                label,
                path,
                pattern: pattern.clone(),
            });
        }
        tried.push(label);
    }
    Err(tried)
}
