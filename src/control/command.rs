//! What a command is, what it may use, and what it answers.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use crate::actor::message::kind;
use crate::actor::node::Node;
use crate::actor::port::Port;
use crate::hotfix::choice::Wanted;
use crate::hotfix::desk::{Desk, Injected, Injection};

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
    Now(fn(&Window, &Request<'_>) -> Result<String, String>),
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
    /// Who asks, as log and archive name it.
    pub peer: &'a str,
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
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Lines, without a newline at the end. Services put what they like into it: whoever shows it must escape it.
    pub text: Vec<u8>,
    /// Whether the command did what was asked.
    pub ok: bool,
}

impl Reply {
    /// The answer of a command that did not do what was asked: why.
    pub fn error(why: impl Into<String>) -> Reply {
        Reply {
            text: why.into().into_bytes(),
            ok: false,
        }
    }
}

impl From<Result<String, String>> for Reply {
    fn from(result: Result<String, String>) -> Reply {
        match result {
            Ok(text) => Reply {
                text: text.into_bytes(),
                ok: true,
            },
            Err(why) => Reply::error(why),
        }
    }
}

impl From<Injected> for Reply {
    /// What the patch printed, then the report.
    fn from(injected: Injected) -> Reply {
        let without_end = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
        let parts = [without_end(&injected.output), without_end(&injected.report)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Reply {
            text: parts.join("\n").into_bytes(),
            ok: injected.done,
        }
    }
}

/// An answer of the post room that is on its way.
pub type Told = Pin<Box<dyn Future<Output = Injected> + Send>>;

/// The post room's desk, as commands need it.
pub trait Patches: Send + Sync {
    /// Applies a patch by hand.
    fn inject(&self, injection: Injection) -> Told;
    /// Says what a patch would do.
    fn check(&self, injection: Injection) -> Told;
    /// Takes patches of a service back.
    fn roll_back(&self, service: String, wanted: Wanted, by: String) -> Told;
    /// Lets a service begin anew in place.
    fn restart(&self, service: String, by: String) -> Told;
    /// The patches of one service, or of all: a line each.
    fn history(&self, service: Option<String>) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;
}

impl Patches for Desk {
    fn inject(&self, injection: Injection) -> Told {
        let desk = self.clone();
        Box::pin(async move { desk.inject(injection).await })
    }

    fn check(&self, injection: Injection) -> Told {
        let desk = self.clone();
        Box::pin(async move { desk.check(injection).await })
    }

    fn roll_back(&self, service: String, wanted: Wanted, by: String) -> Told {
        let desk = self.clone();
        Box::pin(async move { desk.roll_back(service, wanted, by).await })
    }

    fn restart(&self, service: String, by: String) -> Told {
        let desk = self.clone();
        Box::pin(async move { desk.restart(service, by).await })
    }

    fn history(&self, service: Option<String>) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let desk = self.clone();
        Box::pin(async move { desk.history(service).await })
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
                Some((b'+', text)) => Reply {
                    text: text.to_vec(),
                    ok: true,
                },
                Some((b'-', text)) => Reply {
                    text: text.to_vec(),
                    ok: false,
                },
                _ => Reply::error("the launcher's answer makes no sense; its errors are in the node's log"),
            },
            Err(why) => Reply::error(format!(
                "the launcher did not answer: {why}; its errors are in the node's log"
            )),
        }
    }
}
