//! A client of the node's console, as `nc` is one.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::DEADLINE;

/// One connection.
pub struct Console {
    stream: BufReader<TcpStream>,
}

/// What the console answered to one command.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The lines before the marker.
    pub lines: Vec<String>,
    /// `<CMD OK>` or `<CMD Error>`.
    pub ok: bool,
}

impl Reply {
    /// The lines as one text.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The lines, of a command that must have succeeded.
    #[track_caller]
    pub fn succeeded(self) -> Vec<String> {
        assert!(self.ok, "an OK was expected: {self:?}");
        self.lines
    }

    /// The text, of a command that must have failed.
    #[track_caller]
    pub fn failed(self) -> String {
        assert!(!self.ok, "an Error was expected: {self:?}");
        self.text()
    }
}

impl Console {
    /// Connects and checks the greeting.
    pub fn connect(address: &str) -> Self {
        let mut console = Self::connect_raw(address);
        assert_eq!(
            console.line().as_deref(),
            Some("Welcome to skynet console"),
            "the greeting"
        );
        console
    }

    /// Connects and reads nothing.
    pub fn connect_raw(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the console accepts");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends one command and waits for its reply.
    #[track_caller]
    pub fn cmd(&mut self, command: &str) -> Reply {
        self.send(format!("{command}\n"));
        self.reply()
    }

    /// The first value that `call ADDRESS ARGUMENTS` brings.
    #[track_caller]
    pub fn call(&mut self, address: &str, arguments: &str) -> String {
        let lines = self.cmd(&format!("call {address} {arguments}")).succeeded();
        let first = lines.first().and_then(|line| line.strip_prefix("1\t"));
        first.unwrap_or_default().to_owned()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.get_mut().write_all(bytes.as_ref());
        sent.expect("the console reads what is sent");
    }

    /// As [`Console::send`], for a connection that the node may have closed. Tells whether all
    /// was sent.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// From now on a send that the node does not take within this time fails.
    pub fn give_up_sending_after(&self, patience: Duration) {
        let set = self.stream.get_ref().set_write_timeout(Some(patience));
        set.expect("a write timeout");
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        let done = self.stream.get_ref().shutdown(Shutdown::Write);
        done.expect("the sending half closed");
    }

    /// Reads up to and with the marker.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let mut lines = Vec::new();
        loop {
            match self.line().as_deref() {
                Some("<CMD OK>") => return Reply { lines, ok: true },
                Some("<CMD Error>") => return Reply { lines, ok: false },
                Some(line) => lines.push(line.to_owned()),
                None => panic!("the connection ended before a marker, after {lines:?}"),
            }
        }
    }

    /// The next line, or `None` at the end of the connection.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no further line from the console: {error}"),
        }
    }
}
