//! What all clients of a console share, and how a command runs for one of them.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::timeout;

use crate::control::auth::Doorman;
use crate::control::command::{Reply, Window};
use crate::control::line::Lines;
use crate::control::table::{self, Sender};
use crate::hotfix::asker::Asker;

/// How long a command may still run for a client that sends no more. It may have left, and then nothing else would ever tell.
const TIME_AFTER_END: Duration = Duration::from_secs(60);

/// See the module.
pub struct House {
    /// Where commands run.
    pub window: Window,
    /// Who may come in.
    pub doorman: Doorman,
    /// HTTP is spoken too.
    pub http: bool,
    /// How long a stranger may take: to say the token, or what it asks by HTTP. Until then it is on a seat that others may need.
    pub time_for_strangers: Duration,
}

impl House {
    /// Runs a command. It is given up when the client breaks the connection, and some time after it has ended it properly.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn run(
        &self,
        lines: &mut Lines<impl AsyncRead + Unpin>,
        line: &str,
        peer: SocketAddr,
    ) -> io::Result<Reply> {
        let asker = Asker::patient(peer.to_string());
        let sender = Sender {
            asker: &asker,
            upload: None,
            wants_data: false,
        };
        let mut reply = pin!(table::run(&self.window, line, sender));
        tokio::select! {
            biased;
            reply = &mut reply => return Ok(reply),
            ended = lines.ended() => ended?,
        }
        let gave_up = || Reply::error("gave up: you have closed your side, and the command did not end");
        Ok(timeout(TIME_AFTER_END, reply).await.unwrap_or_else(|_| gave_up()))
    }
}
