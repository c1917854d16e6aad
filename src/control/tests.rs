//! The console as its clients see it, with a hall without Lua: a launcher and a post room that only say what they were asked.

mod clients;
mod commands;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Next};
use crate::actor::mailbox::Job;
use crate::actor::message::{Message, kind};
use crate::actor::node::{Node, Spawn};
use crate::actor::workers::Workers;
use crate::control::command::{Patches, Promise};
use crate::control::console::{Config, Console};
use crate::hotfix::asker::Asker;
use crate::hotfix::choice::Wanted;
use crate::hotfix::desk::{Injection, Target};
use crate::hotfix::record::{PatchId, Shown};
use crate::hotfix::story::{Letterbox, Story};
use crate::hotfix::told::Told;

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A launcher that answers with the question; an error if that holds `fail`, and never if it holds `hang`. Any other service is silent.
struct Fake {
    node: Arc<Node>,
    own: Handle,
    is_launcher: bool,
}

impl Actor for Fake {
    fn message(&mut self, message: Message) -> Next {
        let question = String::from_utf8_lossy(&message.data).into_owned();
        if let (true, false, Some(source)) = (self.is_launcher, question.contains("hang"), message.source) {
            let mark = if question.contains("fail") { "-" } else { "+" };
            let data = format!("{mark}{question}").into_bytes().into();
            let answer = Message {
                source: Some(self.own),
                session: message.session,
                kind: kind::RESPONSE,
                data,
            };
            // The console may be closed.
            let _ = self.node.send(source, answer);
        }
        Next::Continue
    }

    fn job(&mut self, _job: Job) -> Next {
        Next::Continue
    }

    fn end(&mut self) -> Vec<(Handle, u32)> {
        Vec::new()
    }
}

/// A post room that tells what it was given. The patch `slow` goes on until it may end.
#[derive(Default)]
struct FakePatches {
    slow: Arc<Slow>,
}

#[derive(Default)]
struct Slow {
    began: Notify,
    may_end: Notify,
    ended: Notify,
}

impl Patches for FakePatches {
    fn inject(&self, injection: Injection) -> Promise<Told> {
        let target = match injection.target {
            Target::Service(name) => name,
            Target::Instance(handle) => handle.to_string(),
        };
        let Injection {
            name,
            label,
            bytes,
            args,
            ..
        } = injection;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let report = format!("{target} {name} {label} {args:?} {text}\n");
        let done = !text.contains("bad");
        let slow = self.slow.clone();
        Box::pin(async move {
            if text == "slow" {
                slow.began.notify_one();
                slow.may_end.notified().await;
                slow.ended.notify_one();
            }
            Told {
                output: "printed\n".to_owned(),
                ..told(report, done)
            }
        })
    }

    fn check(&self, injection: Injection) -> Promise<Told> {
        let target = match injection.target {
            Target::Service(name) => name,
            Target::Instance(handle) => handle.to_string(),
        };
        let report = format!("checked {} for {target}", injection.name);
        Box::pin(async move { told(report, true) })
    }

    fn restart(&self, service: String, _by: Asker) -> Promise<Told> {
        Box::pin(async move { told(format!("{service} restarted"), true) })
    }

    fn roll_back(&self, service: String, wanted: Wanted, _by: Asker) -> Promise<Told> {
        let report = format!("{service} {wanted:?}");
        let done = wanted != Wanted::All;
        Box::pin(async move { told(report, done) })
    }

    fn freeze(&self, service: Option<String>, _by: String, reason: Option<String>) -> Promise<Told> {
        Box::pin(async move { told(format!("{service:?} {reason:?}"), true) })
    }

    fn unfreeze(&self, service: Option<String>, _by: String) -> Promise<Told> {
        Box::pin(async move { told(format!("{service:?}"), service.is_some()) })
    }

    fn letterbox(&self) -> Letterbox {
        Letterbox::default()
    }

    fn history(&self, service: Option<String>, limit: u32) -> Promise<Result<Story, String>> {
        Box::pin(async move {
            match service {
                Some(name) => Err(format!("no {name} in {limit}")),
                None => Ok(Story::default()),
            }
        })
    }

    fn show(&self, id: PatchId) -> Promise<Result<Shown, String>> {
        Box::pin(async move { Err(format!("no {id}")) })
    }
}

fn told(head: String, done: bool) -> Told {
    Told {
        done,
        head,
        ..Told::default()
    }
}

/// A node with a launcher (handle 3) and the services `store` (8, `.db`), `store two` (9) and `cafe` (10), and a console.
struct Bench {
    node: Arc<Node>,
    address: SocketAddr,
    console: Option<Console>,
    patches: Arc<FakePatches>,
    directory: tempfile::TempDir,
}

impl Bench {
    async fn open(token: &str) -> Bench {
        Bench::open_with(token, false, DEADLINE).await
    }

    async fn open_with(token: &str, http: bool, time_for_strangers: Duration) -> Bench {
        let node = Node::new().expect("a timer thread");
        Workers::start(&node, 1).expect("a worker thread");
        for (handle, service, args) in [
            (Some(Handle(3)), "launcher", ""),
            (None, "store", ""),
            (None, "store", "two"),
            (None, "cafe", ""),
        ] {
            let (service, args, is_launcher) = (service.to_owned(), args.to_owned(), handle.is_some());
            let spawn = Spawn {
                handle,
                service,
                args,
                listed: !is_launcher,
            };
            node.spawn(spawn, |own| {
                Box::new(Fake {
                    node: node.clone(),
                    own,
                    is_launcher,
                })
            });
        }
        node.registry().name(".launcher", Handle(3));
        node.registry().name(".db", Handle(8));
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            token: token.to_owned(),
            http,
            time_for_strangers,
            base: directory.path().to_owned(),
            max_patch: 10,
        };
        let patches = Arc::new(FakePatches::default());
        let console = Console::open_with(config, node.clone(), patches.clone()).await;
        let console = console.expect("a free port");
        Bench {
            node,
            address: console.address(),
            console: Some(console),
            patches,
            directory,
        }
    }

    async fn client(&self) -> Client {
        let mut client = Client {
            stream: BufReader::new(TcpStream::connect(self.address).await.expect("a connection")),
        };
        assert_eq!(client.line().await.as_deref(), Some("Welcome to skynet console"));
        client
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.node.stop_threads();
    }
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// The next line; `None` at the end of the connection.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(DEADLINE, self.stream.read_line(&mut line))
            .await
            .expect("a line in time");
        // A connection that is cut has ended, too.
        (read.unwrap_or(0) > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .get_mut()
            .write_all(bytes.as_ref())
            .await
            .expect("the console reads");
    }

    /// The lines of the next reply, with the marker's last word.
    async fn reply(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await.expect("a marker before the end");
            if let Some(marker) = line.strip_prefix("<CMD ") {
                lines.push(marker.trim_end_matches('>').to_owned());
                return lines;
            }
            lines.push(line);
        }
    }

    async fn cmd(&mut self, command: &str) -> Vec<String> {
        self.send(format!("{command}\n")).await;
        self.reply().await
    }
}
