//! One client of the console, from its greeting to its end. Its commands run one after another, in the order in which it sent them.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::control::auth::Doorman;
use crate::control::command::Reply;
use crate::control::house::House;
use crate::control::http::Head;
use crate::control::line::{LONGEST, Line, Lines};
use crate::control::send::{PATIENCE, send};
use crate::control::text;
use crate::control::web::{self, Ends};

/// The longest first line of a stranger, in bytes.
const LONGEST_FROM_STRANGER: usize = 8 << 10;
/// How long a client that is sent away has to read why.
const TIME_TO_LEAVE: Duration = Duration::from_secs(1);
/// Where HTTP is spoken: how long a client may say nothing until it is greeted. With HTTP the client speaks first.
const TIME_FOR_HTTP: Duration = Duration::from_secs(1);

/// What a browser is told. Any web page can let its visitor's browser send requests to the loopback address, and the lines of the body
/// would be commands.
const NO_HTTP: &str = "this console speaks no HTTP (`http` under [console] is false): connect with `nc` or `telnet`";
/// The same where HTTP is spoken, but not in the middle of a conversation.
const LATE_HTTP: &str = "an HTTP request must be the first and only thing that is sent, and at once";

/// One connection, read and written by turns.
struct Session<'a> {
    lines: Lines<ReadHalf<'a>>,
    out: WriteHalf<'a>,
    ends: Ends,
    /// What the client said before it was greeted.
    early: Option<Line>,
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
    let served = match Session::new(&mut stream, peer) {
        Ok(mut session) => session.serve(house).await,
        Err(error) => Err(error),
    };
    match served {
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
    if let Ok(mut session) = Session::new(&mut stream, peer) {
        // It may have left already.
        let _ = session.dismiss(why).await;
    }
}

impl<'a> Session<'a> {
    fn new(stream: &'a mut TcpStream, peer: SocketAddr) -> io::Result<Session<'a>> {
        let local = stream.local_addr()?;
        // Replies are short and somebody waits for each; without this they are only slower.
        let _ = stream.set_nodelay(true);
        let (input, out) = stream.split();
        Ok(Session {
            lines: Lines::new(input, LONGEST),
            out,
            ends: Ends { peer, local },
            early: None,
        })
    }

    async fn serve(&mut self, house: &House) -> io::Result<()> {
        if !house.doorman.is_open() {
            self.lines.allow(LONGEST_FROM_STRANGER);
        }
        if house.http
            && let Some(head) = self.early_request().await?
        {
            web::serve(house, head, &mut self.lines, &mut self.out, self.ends).await?;
            return self.leave().await;
        }
        send(&mut self.out, text::GREETING, PATIENCE).await?;
        if !house.doorman.is_open() && !self.admitted(house).await? {
            return Ok(());
        }
        self.lines.allow(LONGEST);
        self.converse(house).await
    }

    /// The beginning of an HTTP request, if the client sends one at once.
    async fn early_request(&mut self) -> io::Result<Option<Head>> {
        if let Ok(line) = timeout(TIME_FOR_HTTP, self.lines.next()).await {
            self.early = line?;
        }
        Ok(match &self.early {
            Some(Line::Text(line)) => Head::begin(line),
            _ => None,
        })
    }

    async fn converse(&mut self, house: &House) -> io::Result<()> {
        // Whoever begins with what is no text speaks another protocol, and what follows is not meant as commands.
        let mut is_known = !house.doorman.is_open();
        while let Some(line) = self.next_line().await? {
            let reply = match line {
                Line::Text(text) if text.trim().is_empty() => continue,
                Line::Text(text) if Head::begin(&text).is_some() => {
                    return self.dismiss(if house.http { LATE_HTTP } else { NO_HTTP }).await;
                }
                Line::Text(text) => house.run(&mut self.lines, &text, self.ends.peer).await?,
                Line::Bad(why) if is_known => Reply::error(why),
                Line::Bad(why) => return self.dismiss(&why).await,
            };
            is_known = true;
            self.answer(&reply).await?;
        }
        self.out.shutdown().await
    }

    async fn next_line(&mut self) -> io::Result<Option<Line>> {
        match self.early.take() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next().await,
        }
    }

    /// Waits for the token; false if the client was sent away.
    async fn admitted(&mut self, house: &House) -> io::Result<bool> {
        let verdict = match timeout(house.time_for_strangers, self.first_line()).await {
            Ok(Ok(Some(Line::Text(line)))) => admit(&house.doorman, self.ends.peer, &line),
            Ok(Ok(Some(Line::Bad(why)))) => Err(why),
            Ok(Ok(None)) => return Ok(false),
            Ok(Err(error)) => return Err(error),
            Err(_) => Err("Need a token: too slow".to_owned()),
        };
        match verdict {
            Ok(()) => self.answer(&Reply::text("", true)).await.map(|()| true),
            Err(why) => {
                warn!("{} sent away: {why}", self.ends.peer);
                self.dismiss(&why).await.map(|()| false)
            }
        }
    }

    async fn first_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            match self.next_line().await? {
                Some(Line::Text(text)) if text.trim().is_empty() => {}
                line => return Ok(line),
            }
        }
    }

    async fn answer(&mut self, reply: &Reply) -> io::Result<()> {
        send(&mut self.out, &text::render(reply), PATIENCE).await
    }

    async fn dismiss(&mut self, why: &str) -> io::Result<()> {
        let farewell = async {
            self.answer(&Reply::error(why)).await?;
            self.leave().await
        };
        timeout(TIME_TO_LEAVE, farewell).await.unwrap_or(Ok(()))
    }

    /// Closes so that the client can still read what it was told.
    async fn leave(&mut self) -> io::Result<()> {
        let farewell = async {
            self.out.shutdown().await?;
            self.lines.drain().await
        };
        timeout(TIME_TO_LEAVE, farewell).await.unwrap_or(Ok(()))
    }
}

fn admit(doorman: &Doorman, peer: SocketAddr, line: &str) -> Result<(), String> {
    let verdict = doorman.admit_line(peer.ip(), line, Instant::now());
    verdict.map_err(|why| why.to_string())
}
