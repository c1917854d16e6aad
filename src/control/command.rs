//! What a command is, what it may use, and what it answers.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::{Value, json};

use crate::actor::message::kind;
use crate::actor::node::Node;
use crate::actor::port::Port;
use crate::hotfix::asker::Asker;
use crate::hotfix::choice::Wanted;
use crate::hotfix::desk::{Desk, Injection};
use crate::hotfix::record::{PatchId, Shown};
use crate::hotfix::story::{Letterbox, Story};
use crate::hotfix::told::Told;

/// The service that answers for the VMs.
pub const LAUNCHER: &str = ".launcher";

/// One command: an entry of the table, from which `help` is made too.
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// What follows the name; empty for nothing.
    pub usage: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// How it is done.
    pub run: Run,
}

/// How a command is done.
#[derive(Clone, Copy)]
pub enum Run {
    /// Answered at once.
    Now(fn(&Window, &Request<'_>) -> Reply),
    /// Takes its time.
    Later(for<'a> fn(&'a Window, &'a Request<'a>) -> Pending<'a>),
    /// Asked of the launcher as it stands.
    Ask,
    /// Asked of the launcher, with the address that follows the name made a handle.
    AskAbout,
}

/// An answer that is on its way.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What was typed, and by whom.
pub struct Request<'a> {
    /// The command.
    pub command: &'static Command,
    /// What follows its name, without white space around it.
    pub rest: &'a str,
    /// Who asks.
    pub asker: &'a Asker,
    /// The patch file that came with it; without, it is read from the disk.
    pub upload: Option<&'a Upload>,
    /// The data of the answer are wanted, and not only its text.
    pub wants_data: bool,
}

/// A patch file that came with a request.
#[derive(Clone, Debug)]
pub struct Upload {
    /// As whoever sends it calls it.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What `...` is in it.
    pub args: Vec<String>,
}

impl<'a> Request<'a> {
    /// The first word behind the name (empty if there is none), and what follows it.
    pub fn first_word(&self) -> (&'a str, &'a str) {
        let (word, rest) = self.rest.split_once(char::is_whitespace).unwrap_or((self.rest, ""));
        (word, rest.trim_start())
    }

    /// A complaint, with the way in which the command is used behind it.
    pub fn misused(&self, complaint: &str) -> String {
        format!("{complaint}. Usage: {} {}", self.command.name, self.command.usage)
    }
}

/// The answer to a command.
#[derive(Debug, PartialEq)]
pub struct Reply {
    /// Lines, without a newline at the end. Services put what they like into it: whoever shows it must escape it.
    pub text: Vec<u8>,
    /// The same as data, for programs; null where there is none.
    pub data: Value,
    /// Whether the command did what was asked.
    pub ok: bool,
}

impl Reply {
    /// Text alone.
    pub fn text(text: impl Into<Vec<u8>>, ok: bool) -> Reply {
        Reply {
            text: text.into(),
            data: Value::Null,
            ok,
        }
    }

    /// A good answer, as text and as data.
    pub fn with(text: impl Into<Vec<u8>>, data: &impl Serialize) -> Reply {
        // What is answered has only names as keys, and no number that JSON lacks.
        let data = serde_json::to_value(data).unwrap_or_default();
        Reply {
            data,
            ..Reply::text(text, true)
        }
    }

    /// The answer of a command that did not do what was asked: why.
    pub fn error(why: impl Into<String>) -> Reply {
        let why = why.into();
        Reply {
            data: json!({ "error": why.trim_end() }),
            ..Reply::text(why, false)
        }
    }
}

impl From<Result<Reply, String>> for Reply {
    fn from(result: Result<Reply, String>) -> Reply {
        result.unwrap_or_else(Reply::error)
    }
}

impl From<Told> for Reply {
    /// What was printed, then the report.
    fn from(told: Told) -> Reply {
        let report = told.head.clone() + &told.diff;
        let parts = [told.output.as_str(), report.as_str()].map(|text| text.strip_suffix('\n').unwrap_or(text));
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Reply {
            ok: told.done,
            ..Reply::with(parts.join("\n"), &told)
        }
    }
}

/// Something of the post room's that is on its way.
pub type Promise<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The post room's desk, as commands need it.
pub trait Patches: Send + Sync {
    /// Applies a patch by hand.
    fn inject(&self, injection: Injection) -> Promise<Told>;
    /// Says what a patch would do.
    fn check(&self, injection: Injection) -> Promise<Told>;
    /// Takes patches of a service back.
    fn roll_back(&self, service: String, wanted: Wanted, by: Asker) -> Promise<Told>;
    /// Lets a service begin anew in place.
    fn restart(&self, service: String, by: Asker) -> Promise<Told>;
    /// Freezes a service, or all.
    fn freeze(&self, service: Option<String>, by: String, reason: Option<String>) -> Promise<Told>;
    /// Ends a freeze.
    fn unfreeze(&self, service: Option<String>, by: String) -> Promise<Told>;
    /// What is kept out just now.
    fn letterbox(&self) -> Letterbox;
    /// The latest events of one service, or of all.
    fn history(&self, service: Option<String>, limit: u32) -> Promise<Result<Story, String>>;
    /// One patch.
    fn show(&self, id: PatchId) -> Promise<Result<Shown, String>>;
}

impl Patches for Desk {
    fn inject(&self, injection: Injection) -> Promise<Told> {
        let desk = self.clone();
        Box::pin(async move { desk.inject(injection).await })
    }

    fn check(&self, injection: Injection) -> Promise<Told> {
        let desk = self.clone();
        Box::pin(async move { desk.check(injection).await })
    }

    fn roll_back(&self, service: String, wanted: Wanted, by: Asker) -> Promise<Told> {
        let desk = self.clone();
        Box::pin(async move { desk.roll_back(service, wanted, by).await })
    }

    fn restart(&self, service: String, by: Asker) -> Promise<Told> {
        let desk = self.clone();
        Box::pin(async move { desk.restart(service, by).await })
    }

    fn freeze(&self, service: Option<String>, by: String, reason: Option<String>) -> Promise<Told> {
        let desk = self.clone();
        Box::pin(async move { desk.freeze(service, by, reason).await })
    }

    fn unfreeze(&self, service: Option<String>, by: String) -> Promise<Told> {
        let desk = self.clone();
        Box::pin(async move { desk.unfreeze(service, by).await })
    }

    fn letterbox(&self) -> Letterbox {
        Desk::letterbox(self)
    }

    fn history(&self, service: Option<String>, limit: u32) -> Promise<Result<Story, String>> {
        let desk = self.clone();
        Box::pin(async move { desk.history(service, limit).await })
    }

    fn show(&self, id: PatchId) -> Promise<Result<Shown, String>> {
        let desk = self.clone();
        Box::pin(async move { desk.show(id).await })
    }
}

/// What commands may use.
pub struct Window {
    /// The hall.
    pub node: Arc<Node>,
    /// The post room.
    pub patches: Arc<dyn Patches>,
    /// The directory that FILE of `inject` and `check` is relative to.
    pub base: PathBuf,
    /// The largest patch file that is read, in bytes.
    pub max_patch: u64,
    port: OnceLock<Port>,
}

impl Window {
    /// Opens the window of a node.
    pub fn new(node: Arc<Node>, patches: Arc<dyn Patches>, base: PathBuf, max_patch: u64) -> Window {
        Window {
            node,
            patches,
            base,
            max_patch,
            port: OnceLock::new(),
        }
    }

    /// Asks the launcher and waits for its answer, without limit.
    pub async fn ask(&self, line: String) -> Reply {
        let Some(launcher) = self.node.registry().find(LAUNCHER) else {
            return Reply::error("nobody can answer: the launcher does not run (the node starts or stops just now)");
        };
        // Opened at the first question: a port takes a handle, and those of the start services are numbers that people know.
        let port = self.port.get_or_init(|| Port::open(&self.node));
        match port
            .ask(launcher, kind::TEXT, line.into_bytes().into_boxed_slice())
            .await
        {
            Ok(answer) => match answer.split_first() {
                Some((b'+', text)) => Reply::text(text, true),
                Some((b'-', text)) => Reply::text(text, false),
                _ => Reply::error("the launcher's answer makes no sense; its errors are in the node's log"),
            },
            Err(why) => Reply::error(format!(
                "the launcher did not answer: {why}; its errors are in the node's log"
            )),
        }
    }
}
