//! The connection to the node.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::control::far;
use crate::control::wire::{self, Answer, Ask, Head, LONGEST, VERSION};

/// A node that listens.
pub struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    /// Connects to the node with this state directory.
    ///
    /// # Errors
    /// A sentence, if there is none.
    pub fn open(state: &Path) -> Result<Connection, String> {
        let path = wire::socket(state);
        let stream = far::with_short_path(&path, |short| UnixStream::connect(short)).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "no node runs with this configuration; start it with `hotlua run`, or name its file with --config"
                        .to_owned()
                }
                io::ErrorKind::PermissionDenied => "it belongs to another user, who alone may patch".to_owned(),
                _ => error.to_string(),
            };
            format!("cannot reach the node at {}: {why}", path.display())
        })?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the node goes away.
    pub fn ask(&mut self, line: &str, upload: Option<(&Head, &[u8])>) -> Result<(), String> {
        let ask = Ask {
            version: VERSION,
            line: line.to_owned(),
            upload: upload.map(|(head, _)| head.clone()),
        };
        let mut request = serde_json::to_vec(&ask).map_err(|error| error.to_string())?;
        request.push(b'\n');
        request.extend_from_slice(upload.map_or(&[], |(_, bytes)| bytes));
        match self.stream.get_mut().write_all(&request) {
            // The node may refuse a file before it has read it; its reason can be read all the same.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("the node went away: {error}")),
            _ => Ok(()),
        }
    }

    /// Waits for the next line of the answer.
    ///
    /// # Errors
    /// If the node goes away first.
    pub fn answer(&mut self) -> Result<Answer, String> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(LONGEST).read_until(b'\n', &mut line);
        read.map_err(|error| format!("the node went away: {error}"))?;
        if line.is_empty() {
            return Err(
                "the node went away before it had answered; its log and `hotlua history` tell how far it was"
                    .to_owned(),
            );
        }
        serde_json::from_slice(&line)
            .map_err(|error| format!("the node's answer makes no sense ({error}); use the `hotlua` that runs the node"))
    }
}
