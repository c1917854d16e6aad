//! What a client of the console sends: lines, the token among them, or a request by HTTP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Builder;

use crate::control::auth::Doorman;
use crate::control::http::Head;
use crate::control::line::{Line, Lines};

/// The longest line, in bytes: short, so that there are longer ones.
const LONGEST: usize = 40;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whatever the network cuts it into, it is the same lines; what counts as a line of text is one. Whether there is such a line.
pub fn examine(bytes: &[u8]) -> bool {
    let whole = lines(bytes, bytes.len().max(1));
    for size in [1, 7] {
        assert_eq!(lines(bytes, size), whole, "in pieces of {size}");
    }
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(whole.len() <= ends + 1, "{} lines, {ends} ends", whole.len());
    let doorman = Doorman::new("secret");
    for line in &whole {
        let Line::Text(text) = line else { continue };
        assert!(text.len() <= LONGEST, "{text}");
        assert!(
            !text
                .chars()
                .any(|character| character.is_control() && character != '\t')
        );
        let is_let_in = doorman.admit_line(PEER, text, Instant::now()).is_ok();
        assert!(!is_let_in || text.contains("secret"), "{text}");
    }
    request(&whole);
    whole.iter().any(|line| matches!(line, Line::Text(_)))
}

/// The lines as a request: its body is a command of one line.
fn request(lines: &[Line]) {
    let mut lines = lines.iter().map_while(|line| match line {
        Line::Text(text) => Some(text),
        Line::Bad(_) => None,
    });
    let Some(mut head) = lines.next().and_then(|line| Head::begin(line)) else {
        return;
    };
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if head.add(line).is_err() {
            return;
        }
    }
    let _ = head.refuse_foreign(SocketAddr::new(PEER, 8000));
    let _ = (head.token(), head.length(), head.waits());
    let body = lines.next().map_or(&[][..], |line| line.as_bytes());
    if let Ok(line) = head.command(body) {
        assert!(!line.contains('\n'), "{line:?}");
    }
}

fn lines(bytes: &[u8], size: usize) -> Vec<Line> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut lines = Lines::new(Pieces { bytes, size }, LONGEST);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.expect("nothing breaks") {
            all.push(line);
        }
        all
    })
}

/// An input that comes in pieces of at most `size` bytes.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.size.min(self.bytes.len()).min(into.remaining());
        let (piece, rest) = self.bytes.split_at(length);
        into.put_slice(piece);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}
