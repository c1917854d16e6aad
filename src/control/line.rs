//! Reads a connection line by line, in bounded memory.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line, in bytes without its end: a mebibyte of text, and a command around it.
pub const LONGEST: usize = (1 << 20) + (64 << 10);
/// How much is read ahead of the line that is being handled: clients that send without end take no more than this.
const AHEAD: usize = 64 << 10;
/// How much is made room for at a time.
const PIECE: usize = 16 << 10;

/// One line of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// UTF-8 text without control characters (other than tabs), without its end; may be blank.
    Text(String),
    /// Something else; why it is none.
    Bad(String),
}

/// The lines of one connection. They end with LF or CRLF.
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// Up to where the buffer was searched for a line's end.
    searched: usize,
    longest: usize,
    /// The rest of a line that was too long is on its way.
    skipping: bool,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines that `input` brings, each at most `longest` bytes.
    pub fn new(input: R, longest: usize) -> Lines<R> {
        Lines {
            input,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            longest,
            skipping: false,
            ended: false,
        }
    }

    /// From now on a line may have this many bytes.
    pub fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Waits for the next line; `None` when there will be none. May be cancelled without loss.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.take() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.take_rest());
            }
            self.fill().await?;
        }
    }

    /// Waits until the client has said that it will send no more; reads ahead meanwhile, at most 64 KiB and as much as one line may have.
    /// May be cancelled without loss.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn ended(&mut self) -> io::Result<()> {
        while !self.ended {
            if self.buffer.len() - self.start > self.longest.min(AHEAD) {
                return std::future::pending().await;
            }
            self.fill().await?;
        }
        Ok(())
    }

    /// Waits for exactly so many bytes; `None` if the input ends before.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn bytes(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        while self.buffer.len() - self.start < length {
            if self.ended {
                return Ok(None);
            }
            self.fill().await?;
        }
        let end = self.start + length;
        let bytes = self.buffer[self.start..end].to_vec();
        self.start = end;
        self.searched = end;
        Ok(Some(bytes))
    }

    /// Reads and forgets what still comes, so that the close does not destroy what the client has not read yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn drain(&mut self) -> io::Result<()> {
        while !self.ended {
            self.forget();
            self.fill().await?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > 4 * PIECE {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(PIECE);
        self.ended = self.input.read_buf(&mut self.buffer).await? == 0;
        Ok(())
    }

    /// Takes the next line of the buffer, if there is a whole one.
    fn take(&mut self) -> Option<Line> {
        while let Some(length) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
            let end = self.searched + length;
            let line = &self.buffer[self.start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = if line.len() > self.longest {
                self.too_long()
            } else {
                checked(line)
            };
            self.start = end + 1;
            self.searched = self.start;
            // One that was too long was complained of when it became so.
            if !std::mem::take(&mut self.skipping) {
                return Some(line);
            }
        }
        self.searched = self.buffer.len();
        // One more than a line's bytes may be the CR of its end.
        let overlong = self.buffer.len() - self.start > self.longest + 1;
        if overlong || self.skipping {
            self.forget();
        }
        (overlong && !std::mem::replace(&mut self.skipping, true)).then(|| self.too_long())
    }

    /// What stands there without an end when the connection ends. It is not run: it may be the first half of something else.
    fn take_rest(&mut self) -> Option<Line> {
        let left = self.start < self.buffer.len();
        self.forget();
        left.then(|| Line::Bad("the last line has no line end, so it may be incomplete: it was not run".to_owned()))
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.start = 0;
        self.searched = 0;
    }

    fn too_long(&self) -> Line {
        Line::Bad(format!("the line is longer than {} bytes", self.longest))
    }
}

fn checked(bytes: &[u8]) -> Line {
    one_line(bytes).map_or_else(Line::Bad, |text| Line::Text(text.to_owned()))
}

/// What a command may look like, however it comes.
///
/// # Errors
/// Why it may not.
pub fn one_line(bytes: &[u8]) -> Result<&str, String> {
    let bad = |what: &str| Err(format!("the line {what}; a command is one line of plain text"));
    match str::from_utf8(bytes) {
        Err(_) => bad("is not UTF-8"),
        Ok(text) if text.contains(|c: char| c.is_control() && c != '\t') => bad("holds control characters"),
        Ok(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::{Line, Lines};

    /// What every line of `input` is read as, with at most 8 bytes a line; bad ones by the middle of their reason.
    async fn read(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(input, 8);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.expect("a slice is read without errors") {
            read.push(match line {
                Line::Text(text) => text,
                Line::Bad(why) => format!("! {why}"),
            });
        }
        read
    }

    const TOO_LONG: &str = "! the line is longer than 8 bytes";

    #[tokio::test]
    async fn lines_end_with_lf_or_crlf() {
        assert_eq!(read(b"a\nb\r\n\n\r\n c \n").await, ["a", "b", "", "", " c "]);
        assert_eq!(read(b"").await, [""; 0]);
    }

    #[tokio::test]
    async fn an_unfinished_line_is_not_run() {
        let rest = "! the last line has no line end, so it may be incomplete: it was not run";
        assert_eq!(read(b"a\nkill 1").await, ["a", rest]);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_one_error() {
        assert_eq!(read(b"12345678\n12345678\r\n").await, ["12345678", "12345678"]);
        assert_eq!(read(b"123456789\nb\n").await, [TOO_LONG, "b"]);
        let mut long = vec![b'x'; 100_000];
        long.extend(b"\nb\n");
        assert_eq!(read(&long).await, [TOO_LONG, "b"]);
        assert_eq!(read(&long[..100_000]).await, [TOO_LONG]);
    }

    #[tokio::test]
    async fn what_is_no_text_is_one_error() {
        let rubbish = read(b"\xff\xfe\n\0\na\rb\na\tb\n").await;
        let control = "! the line holds control characters; a command is one line of plain text";
        let encoding = "! the line is not UTF-8; a command is one line of plain text";
        assert_eq!(rubbish, [encoding, control, control, "a\tb"]);
    }

    #[tokio::test]
    async fn it_reads_ahead_without_losing_anything_and_not_too_far() {
        let (mut client, input) = tokio::io::duplex(4);
        let mut lines = Lines::new(input, 8);
        client.write_all(b"a\nb\n").await.expect("room for four bytes");
        let waited = tokio::time::timeout(Duration::from_millis(20), lines.ended()).await;
        assert!(waited.is_err(), "the client may still speak");
        let flood = tokio::time::timeout(Duration::from_millis(200), async {
            tokio::join!(lines.ended(), client.write_all(&[b'\n'; 100]))
        });
        assert!(flood.await.is_err(), "it takes only so much");
        assert_eq!(lines.next().await.ok().flatten(), Some(Line::Text("a".to_owned())));
        assert_eq!(lines.next().await.ok().flatten(), Some(Line::Text("b".to_owned())));
        drop(client);
        while lines.next().await.ok().flatten().is_some() {}
        assert!(lines.ended().await.is_ok());
    }
}
