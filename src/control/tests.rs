//! The console as its clients see it, with a hall without Lua: a launcher and a post room that only say what they were asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Next};
use crate::actor::mailbox::Job;
use crate::actor::message::{Message, kind};
use crate::actor::node::{Node, Spawn};
use crate::actor::port::Port;
use crate::actor::workers::Workers;
use crate::control::command::Patches;
use crate::control::console::{Config, Console, SEATS};
use crate::hotfix::desk::{Injected, Injection, Target};

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

/// A post room that tells what it was given.
struct FakePatches;

impl Patches for FakePatches {
    fn inject(&self, injection: Injection) -> Pin<Box<dyn Future<Output = Injected> + Send>> {
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
        Box::pin(async move {
            Injected {
                output: "printed\n".to_owned(),
                report,
                done,
            }
        })
    }

    fn history(&self, service: Option<String>) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        Box::pin(async move { service.map_or_else(|| Ok("patch 1\n".to_owned()), |name| Err(format!("no {name}"))) })
    }
}

/// A node with a launcher (handle 3) and the services `store` (8, `.db`), `store two` (9) and `cafe` (10), and a console.
struct Bench {
    node: Arc<Node>,
    address: SocketAddr,
    console: Option<Console>,
    directory: tempfile::TempDir,
}

impl Bench {
    async fn open(token: &str) -> Bench {
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
            base: directory.path().to_owned(),
            max_patch: 10,
        };
        let console = Console::open_with(config, node.clone(), Arc::new(FakePatches))
            .await
            .expect("a free port");
        Bench {
            node,
            address: console.address(),
            console: Some(console),
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

    fn file(&self, name: &str) -> std::path::PathBuf {
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

#[tokio::test]
async fn what_the_launcher_is_asked() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    for (typed, asked) in [
        ("stat", "stat "),
        ("  start  a   b ", "start a   b"),
        ("ping 8", "ping :00000008 "),
        ("info .db  x y", "info :00000008 x y"),
        ("call :00000009 \"a\", 'b'", "call :00000009 \"a\", 'b'"),
        ("ping .launcher", "ping :00000003 "),
        ("exit 9 now", "exit :00000009"),
    ] {
        assert_eq!(client.cmd(typed).await, [asked, "OK"], "{typed}");
    }
    assert_eq!(client.cmd("setenv fail 1").await, ["setenv fail 1", "Error"]);
}

#[tokio::test]
async fn commands_that_need_no_lua() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    let rows = [
        ":00000008\tsnlua store",
        ":00000009\tsnlua store two",
        ":0000000a\tsnlua cafe",
        "OK",
    ];
    assert_eq!(client.cmd("list").await, rows);
    assert_eq!(client.cmd("kill 9").await, [":00000009\tsnlua store two", "OK"]);
    assert_eq!(client.cmd("list").await, [rows[0], rows[2], rows[3]]);
    assert_eq!(client.cmd("history").await, ["patch 1", "OK"]);
    assert_eq!(client.cmd("history x y").await, ["no x", "Error"]);
    let unknown = ["Invalid command, type help for command list", "", "Error"];
    assert_eq!(client.cmd("nosuch").await, unknown);
    assert_eq!(client.cmd("help kill").await.len(), 2);
    assert_eq!(client.cmd("help nosuch").await[1], "Error");
    bench.node.kill(Handle(3));
    let said = client.cmd("stat").await;
    assert!(
        said[0].contains("the launcher does not run") && said[1] == "Error",
        "{said:?}"
    );
}

#[tokio::test]
async fn wrong_addresses() {
    let bench = Bench::open("").await;
    let _port = Port::open(&bench.node);
    let mut client = bench.client().await;
    for (typed, said) in [
        ("ping", "Need an address. Usage: ping ADDRESS"),
        (
            "ping zz",
            "Need an address, and `zz` is neither a handle nor a .name. Usage: ping ADDRESS",
        ),
        ("kill .nobody", "Not a valid name: nobody is called .nobody"),
        ("task 999", "call to invalid address :00000999: no such instance"),
        (
            "kill .launcher",
            ":00000003 (launcher) is a part of the node itself; `list` shows the services",
        ),
        (
            "ping b",
            ":0000000b (port) is a part of the node itself; `list` shows the services",
        ),
        (
            "exit 3",
            ":00000003 (launcher) is a part of the node itself; `list` shows the services",
        ),
    ] {
        assert_eq!(client.cmd(typed).await, [said, "Error"], "{typed}");
    }
}

const AMBIGUOUS: &str =
    "`cafe` is a service, but also reads as the handle :0000cafe: name an instance, for example :0000000a";

#[tokio::test]
async fn inject_hands_over_the_file() {
    let bench = Bench::open("").await;
    std::fs::create_dir(bench.file("d")).expect("a directory");
    for (name, text) in [
        ("d/p.lua", "text"),
        ("bad.lua", "bad"),
        ("full.lua", "0123456789"),
        ("large.lua", "0123456789+"),
    ] {
        std::fs::write(bench.file(name), text).expect("a file");
    }
    let mut client = bench.client().await;
    for (typed, said) in [
        ("inject 8 d/p.lua", ":00000008 p.lua d/p.lua [] text"),
        ("inject .db d/p.lua a  b", ":00000008 p.lua d/p.lua [\"a\", \"b\"] text"),
        ("inject store d/p.lua", "store p.lua d/p.lua [] text"),
        ("inject store full.lua", "store full.lua full.lua [] 0123456789"),
    ] {
        assert_eq!(client.cmd(typed).await, ["printed", said, "OK"], "{typed}");
    }
    assert_eq!(client.cmd("inject store bad.lua").await[2], "Error");
    let missing = format!("Can't open x.lua: there is no file {}", bench.file("x.lua").display());
    for (typed, said) in [
        ("inject store x.lua", missing.as_str()),
        ("inject store d", "Can't open d: it is a directory; name one file"),
        (
            "inject store large.lua",
            "Can't open large.lua: it is larger than 10 bytes, the `max_size` under [hotfix]",
        ),
        (
            "inject nobody d/p.lua",
            "no instance of nobody is running; `list` shows what runs",
        ),
        ("inject cafe d/p.lua", AMBIGUOUS),
        (
            "inject :cafe d/p.lua",
            "call to invalid address :0000cafe: no such instance",
        ),
        ("inject :zz d/p.lua", "Need an address: `:zz` is no handle (:0000000a)"),
        (
            "inject 3 d/p.lua",
            ":00000003 (launcher) is a part of the node itself; `list` shows the services",
        ),
        (
            "inject store",
            "Need a file. Usage: inject ADDRESS|SERVICE FILE [ARGS...]",
        ),
    ] {
        assert_eq!(client.cmd(typed).await, [said, "Error"], "{typed}");
    }
}

#[tokio::test]
async fn a_special_file_is_refused() {
    let bench = Bench::open("").await;
    std::os::unix::net::UnixListener::bind(bench.file("socket")).expect("a socket");
    std::os::unix::fs::symlink("/dev/zero", bench.file("zero")).expect("a link");
    assert!(Path::new("/dev/zero").exists());
    let mut client = bench.client().await;
    assert_eq!(client.cmd("inject store socket").await[1], "Error");
    assert_eq!(
        client.cmd("inject store zero").await,
        ["Can't open zero: it is not a regular file", "Error"]
    );
}

#[tokio::test]
async fn commands_are_answered_in_order_also_after_the_clients_last_word() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    client.send("stat\r\n\r\n\nnosuch\nfail").await;
    client.send(b"\xff\ngetenv a\nlist").await;
    client.stream.get_mut().shutdown().await.expect("half a close");
    assert_eq!(client.reply().await, ["stat ", "OK"]);
    assert_eq!(client.reply().await[2], "Error");
    assert_eq!(
        client.reply().await,
        ["the line is not UTF-8; a command is one line of plain text", "Error"]
    );
    assert_eq!(client.reply().await, ["getenv a", "OK"]);
    let unfinished = "the last line has no line end, so it may be incomplete: it was not run";
    assert_eq!(client.reply().await, [unfinished, "Error"]);
    assert_eq!(client.line().await, None);
}

#[tokio::test]
async fn a_command_that_hangs_holds_up_only_its_own_client() {
    let bench = Bench::open("").await;
    let mut slow = bench.client().await;
    slow.send("stat hang\nlist\n").await;
    let mut quick = bench.client().await;
    assert_eq!(quick.cmd("getenv a").await, ["getenv a", "OK"]);
    assert!(
        timeout(Duration::from_millis(50), slow.stream.fill_buf())
            .await
            .is_err(),
        "its next command waits"
    );
}

#[tokio::test]
async fn a_long_line_is_read_and_a_longer_one_refused() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    let text = "x".repeat(1 << 20);
    assert_eq!(
        client.cmd(&format!("getenv {text}")).await,
        [format!("getenv {text}").as_str(), "OK"]
    );
    let said = client.cmd(&format!("getenv {text}{text}")).await;
    assert_eq!(said, ["the line is longer than 1114112 bytes", "Error"]);
    assert_eq!(client.cmd("getenv a").await, ["getenv a", "OK"]);
}

#[tokio::test]
async fn there_are_only_so_many_seats() {
    let bench = Bench::open("").await;
    let mut clients = Vec::new();
    for _ in 0..SEATS {
        clients.push(bench.client().await);
    }
    let mut late = Client {
        stream: BufReader::new(TcpStream::connect(bench.address).await.expect("a connection")),
    };
    late.send("list\n").await;
    let said = late.reply().await;
    assert!(
        said[0].starts_with("64 clients are connected already") && said[1] == "Error",
        "{said:?}"
    );
    assert_eq!(late.line().await, None);
    clients.pop();
    let mut next = bench.client().await;
    assert_eq!(next.cmd("getenv a").await, ["getenv a", "OK"]);
}

#[tokio::test]
async fn a_token_is_asked_for_first() {
    let bench = Bench::open("secret").await;
    let mut client = bench.client().await;
    assert_eq!(client.cmd("\r\nauth secret").await, ["OK"]);
    assert_eq!(client.cmd("getenv a").await, ["getenv a", "OK"]);
    for wrong in ["list", "auth wrong", "auth", "\u{1b}"] {
        let mut client = bench.client().await;
        client.send(format!("{wrong}\nlist\n")).await;
        let said = client.reply().await;
        assert!(said.len() == 2 && said[1] == "Error", "{wrong}: {said:?}");
        assert_eq!(client.line().await, None, "{wrong}: it is closed");
    }
    let mut client = bench.client().await;
    let said = client.cmd(&format!("auth {}", "x".repeat(100_000))).await;
    assert_eq!(said, ["the line is longer than 8192 bytes", "Error"]);
}

#[tokio::test]
async fn it_closes_everything_when_it_stops() {
    let mut bench = Bench::open("").await;
    let mut idle = bench.client().await;
    let mut busy = bench.client().await;
    busy.send("stat hang\n").await;
    let console = bench.console.take().expect("open until now");
    timeout(DEADLINE, console.stop()).await.expect("stopped in time");
    assert_eq!(idle.line().await, None);
    assert_eq!(busy.line().await, None);
    assert!(TcpStream::connect(bench.address).await.is_err());
}

#[tokio::test]
async fn dropping_it_closes_it_too() {
    let mut bench = Bench::open("").await;
    let mut client = bench.client().await;
    drop(bench.console.take());
    assert_eq!(client.line().await, None);
    let closed = async {
        while TcpStream::connect(bench.address).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(DEADLINE, closed).await.is_ok());
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let bench = Bench::open("").await;
    let config = Config {
        listen: bench.address,
        token: String::new(),
        base: "".into(),
        max_patch: 1,
    };
    let said = Console::open_with(config, bench.node.clone(), Arc::new(FakePatches))
        .await
        .err();
    let expected = format!("cannot listen on {}: Address already in use; stop", bench.address);
    assert!(
        said.as_ref().is_some_and(|said| said.starts_with(&expected)),
        "{said:?}"
    );
}
