//! HTTP on the console's port, if it is switched on: one request a connection, as skynet's debug console takes it. `GET /cmd/arg`, or a
//! `POST` with one command line as its body.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing::warn;

use crate::control::auth::Refusal;
use crate::control::command::Reply;
use crate::control::house::House;
use crate::control::http::{Head, Rejection, answer, rejection};
use crate::control::line::{Line, Lines};
use crate::control::send::{PATIENCE, send};
use crate::control::text;

/// The longest header line, in bytes.
const LONGEST_HEADER: usize = 8 << 10;
/// What a client is sent that waits for a word before it sends the body.
const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// Who asks, and at which of our addresses.
#[derive(Clone, Copy)]
pub struct Ends {
    /// Who.
    pub peer: SocketAddr,
    /// Where.
    pub local: SocketAddr,
}

/// Serves the request that begins with `head`.
///
/// # Errors
/// When the connection is broken.
pub async fn serve(
    house: &House,
    head: Head,
    lines: &mut Lines<impl AsyncRead + Unpin>,
    out: &mut (impl AsyncWrite + Unpin),
    ends: Ends,
) -> io::Result<()> {
    lines.allow(LONGEST_HEADER);
    let asked = timeout(house.time_for_strangers, asked(house, head, lines, out, ends)).await;
    let asked = asked.unwrap_or_else(|_| Ok(Err(rejection(408, "the request did not come in time"))))?;
    let (status, reply) = match asked {
        Ok(line) => {
            let reply = house.run(lines, &line, ends.peer).await?;
            (if reply.ok { 200 } else { 422 }, reply)
        }
        Err(Rejection { status, why }) => {
            warn!("{} sent away: {why}", ends.peer);
            (status, Reply::error(why))
        }
    };
    send(out, &answer(status, &text::render(&reply)), PATIENCE).await
}

/// Reads the request; the command line that it asks for, if it may.
async fn asked(
    house: &House,
    mut head: Head,
    lines: &mut Lines<impl AsyncRead + Unpin>,
    out: &mut (impl AsyncWrite + Unpin),
    ends: Ends,
) -> io::Result<Result<String, Rejection>> {
    loop {
        let added = match lines.next().await? {
            Some(Line::Text(line)) if line.is_empty() => break,
            Some(Line::Text(line)) => head.add(&line),
            Some(Line::Bad(why)) => Err(rejection(400, why)),
            None => Err(rejection(400, "the request is not complete")),
        };
        if let Err(no) = added {
            return Ok(Err(no));
        }
    }
    let length = match admitted(house, &head, ends) {
        Ok(length) => length,
        Err(no) => return Ok(Err(no)),
    };
    if head.waits() && length > 0 {
        send(out, GO_ON, PATIENCE).await?;
    }
    let body = lines.bytes(length).await?;
    Ok(body.map_or_else(
        || Err(rejection(400, "the request is not complete")),
        |body| head.command(&body),
    ))
}

/// Whether whoever asks may; then the length of the body.
fn admitted(house: &House, head: &Head, ends: Ends) -> Result<usize, Rejection> {
    head.refuse_foreign(ends.local)?;
    let verdict = house.doorman.admit(ends.peer.ip(), head.token()?, Instant::now());
    verdict.map_err(|why| match why {
        Refusal::Missing => rejection(401, "Need a token: the header `Authorization: Bearer TOKEN`"),
        Refusal::Wrong => rejection(401, why.to_string()),
        Refusal::TooMany(_) => rejection(429, why.to_string()),
    })?;
    head.length()
}
