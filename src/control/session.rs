//! One client of the console, from its greeting to its end. Its commands run one after another, in the order in which it sent them.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::control::auth::Doorman;
use crate::control::command::{Reply, Window};
use crate::control::line::{LONGEST, Line, Lines};
use crate::control::send::{PATIENCE, send};
use crate::control::table::{self, Sender};
use crate::control::text;
use crate::hotfix::asker::Asker;

/// How long a client has to say the token: until then it is a stranger on a seat that others may need.
const TIME_FOR_TOKEN: Duration = Duration::from_secs(30);
/// The longest first line of a stranger, in bytes.
const LONGEST_FROM_STRANGER: usize = 8 << 10;
/// How long a command may still run for a client that sends no more. It may have left, and then nothing else would ever tell.
const TIME_AFTER_END: Duration = Duration::from_secs(60);
/// How long a client that is sent away has to read why.
const TIME_TO_LEAVE: Duration = Duration::from_secs(1);

/// What a browser is told.
const NO_HTTP: &str = "this console speaks no HTTP: connect with `nc` or `telnet`";

/// What all clients of a console share.
pub struct House {
    /// Where commands run.
    pub window: Window,
    /// Who may come in.
    pub doorman: Doorman,
}

/// One connection, read and written by turns.
struct Session<'a> {
    lines: Lines<ReadHalf<'a>>,
    out: WriteHalf<'a>,
    peer: SocketAddr,
}

/// Says in the log that a client has left, however it leaves.
struct Visit(SocketAddr);

impl Drop for Visit {
    fn drop(&mut self) {
        info!("{} disconnect", self.0);
    }
}

/// Serves a client until it leaves or must be dropped.
pub async fn serve(mut stream: TcpStream, peer: SocketAddr, house: &House) {
    info!("{peer} connected");
    let _visit = Visit(peer);
    match Session::new(&mut stream, peer).serve(house).await {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            warn!("{peer} is dropped: it takes no reply any more");
        }
        // Whoever hangs up has left, like everybody in the end.
        Ok(()) | Err(_) => {}
    }
}

/// Tells a client that it cannot be served, and closes.
pub async fn refuse(mut stream: TcpStream, peer: SocketAddr, why: &str) {
    warn!("{peer} refused: {why}");
    let mut session = Session::new(&mut stream, peer);
    // It may have left already.
    let _ = session.dismiss(why).await;
}

impl<'a> Session<'a> {
    fn new(stream: &'a mut TcpStream, peer: SocketAddr) -> Session<'a> {
        // Replies are short and somebody waits for each; without this they are only slower.
        let _ = stream.set_nodelay(true);
        let (input, out) = stream.split();
        Session {
            lines: Lines::new(input, LONGEST),
            out,
            peer,
        }
    }

    async fn serve(&mut self, house: &House) -> io::Result<()> {
        send(&mut self.out, text::GREETING, PATIENCE).await?;
        if !house.doorman.is_open() && !self.admitted(&house.doorman).await? {
            return Ok(());
        }
        while let Some(line) = self.lines.next().await? {
            let reply = match line {
                Line::Text(text) if text.trim().is_empty() => continue,
                Line::Text(text) if is_http(&text) => return self.dismiss(NO_HTTP).await,
                Line::Text(text) => self.run(&house.window, &text).await?,
                Line::Bad(why) => Reply::error(why),
            };
            self.answer(&reply).await?;
        }
        self.out.shutdown().await
    }

    /// Waits for the token; false if the client was sent away.
    async fn admitted(&mut self, doorman: &Doorman) -> io::Result<bool> {
        self.lines.allow(LONGEST_FROM_STRANGER);
        let verdict = match timeout(TIME_FOR_TOKEN, self.first_line()).await {
            Ok(Ok(Some(Line::Text(line)))) => doorman.admit(self.peer.ip(), &line, Instant::now()),
            Ok(Ok(Some(Line::Bad(why)))) => Err(why),
            Ok(Ok(None)) => return Ok(false),
            Ok(Err(error)) => return Err(error),
            Err(_) => Err("Need a token: too slow".to_owned()),
        };
        self.lines.allow(LONGEST);
        match verdict {
            Ok(()) => self.answer(&Reply::text("", true)).await.map(|()| true),
            Err(why) => {
                warn!("{} sent away: {why}", self.peer);
                self.dismiss(&why).await.map(|()| false)
            }
        }
    }

    async fn first_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            match self.lines.next().await? {
                Some(Line::Text(text)) if text.trim().is_empty() => {}
                line => return Ok(line),
            }
        }
    }

    /// Runs a command. It is given up when the client breaks the connection, and some time after it has ended it properly.
    async fn run(&mut self, window: &Window, line: &str) -> io::Result<Reply> {
        let asker = Asker::patient(self.peer.to_string());
        let sender = Sender {
            asker: &asker,
            upload: None,
            wants_data: false,
        };
        let mut reply = pin!(table::run(window, line, sender));
        tokio::select! {
            biased;
            reply = &mut reply => return Ok(reply),
            ended = self.lines.ended() => ended?,
        }
        let gave_up = || Reply::error("gave up: you have closed your side, and the command did not end");
        Ok(timeout(TIME_AFTER_END, reply).await.unwrap_or_else(|_| gave_up()))
    }

    async fn answer(&mut self, reply: &Reply) -> io::Result<()> {
        send(&mut self.out, &text::render(reply), PATIENCE).await
    }

    async fn dismiss(&mut self, why: &str) -> io::Result<()> {
        let farewell = async {
            self.answer(&Reply::error(why)).await?;
            self.out.shutdown().await?;
            self.lines.drain().await
        };
        timeout(TIME_TO_LEAVE, farewell).await.unwrap_or(Ok(()))
    }
}

/// Whether a line is the first of an HTTP request, as `POST / HTTP/1.1`. Any web page can let its visitor's browser send one to the
/// loopback address, and the lines of its body would be commands.
fn is_http(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words[..], [method, _, version]
        if version.starts_with("HTTP/") && method.bytes().all(|byte| byte.is_ascii_uppercase()))
}
