//! Clients as they come and go, and the console as it opens and closes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::control::console::{Config, Console, SEATS};
use crate::control::tests::{Bench, Client, DEADLINE, FakePatches};

/// A client that comes again until there is a seat for it.
async fn seated(bench: &Bench) -> Client {
    let patient = async {
        loop {
            let stream = TcpStream::connect(bench.address).await.expect("a connection");
            let mut client = Client {
                stream: BufReader::new(stream),
            };
            if client.line().await.as_deref() == Some("Welcome to skynet console") {
                return client;
            }
        }
    };
    timeout(Duration::from_secs(30), patient).await.expect("a seat in time")
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
    let mut next = seated(&bench).await;
    assert_eq!(next.cmd("getenv a").await, ["getenv a", "OK"]);
}

#[tokio::test]
async fn clients_that_break_off_leave_their_seats() {
    let bench = Bench::open("").await;
    for _ in 0..=SEATS {
        let mut client = seated(&bench).await;
        client.send("stat hang\n").await;
        // The connection is cut, not ended: nobody there can read an answer.
        client.stream.get_ref().set_zero_linger().expect("a socket option");
    }
    let mut next = seated(&bench).await;
    assert_eq!(next.cmd("getenv a").await, ["getenv a", "OK"]);
}

#[tokio::test]
async fn a_patch_goes_on_when_its_client_is_gone() {
    let mut bench = Bench::open("").await;
    std::fs::write(bench.file("slow.lua"), "slow").expect("a file");
    let mut client = bench.client().await;
    client.send("inject store slow.lua\n").await;
    let slow = bench.patches.slow.clone();
    timeout(DEADLINE, slow.began.notified())
        .await
        .expect("the patch begins");
    let console = bench.console.take().expect("open until now");
    timeout(DEADLINE, console.stop()).await.expect("stopped in time");
    assert_eq!(client.line().await, None);
    slow.may_end.notify_one();
    timeout(DEADLINE, slow.ended.notified())
        .await
        .expect("the patch goes on to its end");
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
async fn who_does_not_say_the_token_in_time_leaves_its_seat() {
    let bench = Bench::open_with("secret", true, Duration::from_millis(200)).await;
    // Nothing, the beginning of a line, line after blank line, and a request that has no end.
    for said in ["", "auth sec", "\n", "GET /list HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(bench.address).await.expect("a connection");
        stream.write_all(said.as_bytes()).await.expect("sent");
        let mut heard = String::new();
        let end = timeout(DEADLINE, stream.read_to_string(&mut heard)).await;
        end.expect("closed in time").expect("closed in order");
        let expected = if said.starts_with("GET") {
            "the request did not come in time\n<CMD Error>\n"
        } else {
            "Need a token: too slow\n<CMD Error>\n"
        };
        assert!(heard.ends_with(expected), "{said:?}: {heard:?}");
    }
    let mut client = bench.client().await;
    assert_eq!(client.cmd("auth secret").await, ["OK"]);
    // Whoever has come in may be silent for as long as it likes.
    sleep(Duration::from_millis(400)).await;
    assert_eq!(client.cmd("getenv a").await, ["getenv a", "OK"]);
}

#[tokio::test]
async fn a_browser_cannot_give_commands() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nkill 8\r\n")
        .await;
    let said = client.reply().await;
    assert!(said[0].contains("no HTTP") && said[1] == "Error", "{said:?}");
    assert_eq!(client.line().await, None);
    let mut client = bench.client().await;
    assert_eq!(client.cmd("list").await.len(), 4, "nobody was killed");
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
        http: false,
        time_for_strangers: DEADLINE,
        base: "".into(),
        max_patch: 1,
    };
    let said = Console::open_with(config, bench.node.clone(), Arc::new(FakePatches::default()))
        .await
        .err();
    let expected = format!("cannot listen on {}: Address already in use; stop", bench.address);
    assert!(
        said.as_ref().is_some_and(|said| said.starts_with(&expected)),
        "{said:?}"
    );
}
