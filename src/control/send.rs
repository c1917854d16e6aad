//! Writes to a client, but not for ever to one that does not read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a client may take none of what is written to it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Writes all of `text`.
///
/// # Errors
/// When the connection is broken, or when the other side takes nothing for as long as `patience` ([`io::ErrorKind::TimedOut`]).
pub async fn send(out: &mut (impl AsyncWrite + Unpin), text: &str, patience: Duration) -> io::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        match timeout(patience, out.write(left)).await?? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => left = &left[written..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::send;

    #[tokio::test]
    async fn a_slow_reader_gets_everything() {
        let (mut out, mut client) = tokio::io::duplex(4);
        let text = "0123456789".repeat(10);
        let read = async {
            let mut read = String::new();
            client.read_to_string(&mut read).await.map(|_| read)
        };
        let write = async {
            let sent = send(&mut out, &text, Duration::from_secs(60)).await;
            drop(out);
            sent
        };
        let (read, sent) = tokio::join!(read, write);
        assert!(sent.is_ok());
        assert_eq!(read.ok().as_deref(), Some(text.as_str()));
    }

    #[tokio::test]
    async fn one_that_never_reads_is_given_up() {
        let (mut out, _client) = tokio::io::duplex(4);
        let sent = send(&mut out, "0123456789", Duration::from_millis(20)).await;
        assert_eq!(sent.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }
}
