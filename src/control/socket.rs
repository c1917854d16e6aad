//! The control socket: the door of the command line's own commands. It lies in the state directory, in a folder that only the node's user
//! (and root) may enter: whoever reaches it may patch.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{error, warn};

use crate::control::command::{Reply, Upload, Window};
use crate::control::line::one_line;
use crate::control::send::{PATIENCE, send};
use crate::control::table::{self, Sender};
use crate::control::wire::{Answer, Ask, Introduction, VERSION, socket};
use crate::hotfix::asker::{Advance, Asker};
use crate::plain;
use crate::trust;

/// How many clients are served at once; more wait for their turn.
const SEATS: usize = 64;
/// How long a client may take to say what it wants.
const TIME_TO_ASK: Duration = Duration::from_secs(30);
/// The longest line of a request, in bytes: a command line and some.
const LONGEST: u64 = 4 << 20;
/// Until the next try, when the system gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The open socket. Dropping it closes it and takes its folder away.
pub struct ControlSocket {
    folder: PathBuf,
    accepting: JoinHandle<()>,
}

impl ControlSocket {
    /// Opens the socket in a state directory, which is this node's alone: what lies there is a dead node's.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn open(state: &Path, window: Arc<Window>) -> Result<ControlSocket, String> {
        let path = socket(state);
        let folder = path.parent().unwrap_or(state).to_owned();
        let listener = bind(&folder, &path).map_err(|error| {
            format!(
                "cannot open the control socket {}: {error}; is the state directory on a file system without sockets?",
                path.display()
            )
        })?;
        Ok(ControlSocket {
            folder,
            accepting: tokio::spawn(accept(listener, window)),
        })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.accepting.abort();
        // It may be gone with its directory.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Binds the socket in a new folder that nobody else may enter, so that it is never open to more than its own rights allow. A link in the
/// folder's place is taken away, and not followed.
fn bind(folder: &Path, path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => DirBuilder::new().mode(0o700).create(folder)?,
    }
    let listener = crate::control::far::with_short_path(path, |short| UnixListener::bind(short))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, window: Arc<Window>) {
    let seats = Arc::new(Semaphore::new(SEATS));
    let mut clients = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let seat = seats.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let window = window.clone();
                clients.spawn(async move {
                    serve(stream, window).await;
                    drop(seat);
                });
            }
            Err(error) => {
                warn!("the control socket cannot accept a client: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while let Some(ended) = clients.try_join_next() {
            if let Err(panic) = ended {
                error!("a client of the control socket was lost: {panic}");
            }
        }
    }
}

async fn serve(stream: UnixStream, window: Arc<Window>) {
    let peer = stream
        .peer_cred()
        .map_or_else(|_| "unknown".to_owned(), |peer| trust::owner(peer.uid()));
    let (input, mut out) = stream.into_split();
    let reply = match asked(BufReader::new(input), window.max_patch, TIME_TO_ASK).await {
        Ok((line, upload)) => answer(&mut out, &window, &line, peer, upload.as_ref()).await,
        Err(why) => Reply::error(why),
    };
    let last = Answer::Reply {
        ok: reply.ok,
        text: plain::lines(&reply.text).into_owned(),
        data: reply.data,
    };
    // A client that has hung up misses it.
    let _ = say(&mut out, &last).await;
}

/// Reads a request, unless that takes longer than `patience`.
async fn asked(
    input: impl AsyncBufReadExt + Unpin,
    max_patch: u64,
    patience: Duration,
) -> Result<(String, Option<Upload>), String> {
    let late = |_| format!("nothing was asked within {} s", patience.as_secs());
    timeout(patience, request(input, max_patch)).await.map_err(late)?
}

/// Reads a request: its line, and the file that comes with it.
///
/// # Errors
/// Why it is none, as a sentence.
pub async fn request(
    mut input: impl AsyncBufReadExt + Unpin,
    max_patch: u64,
) -> Result<(String, Option<Upload>), String> {
    let broken = |error: io::Error| format!("the request is broken: {error}");
    let mut line = Vec::new();
    let mut limited = (&mut input).take(LONGEST);
    limited.read_until(b'\n', &mut line).await.map_err(broken)?;
    if !line.ends_with(b"\n") {
        return Err("the request has no end, or is too long".to_owned());
    }
    let Introduction { version } = serde_json::from_slice(&line).map_err(|_| {
        "this is the control socket of a hotlua node, and what was sent is no request of `hotlua`".to_owned()
    })?;
    if version != VERSION {
        return Err(format!(
            "this node speaks version {VERSION} of the control protocol and the client {version}: use the `hotlua` that runs the node"
        ));
    }
    let ask: Ask = serde_json::from_slice(&line).map_err(|error| format!("the request makes no sense: {error}"))?;
    one_line(ask.line.as_bytes())?;
    let Some(head) = ask.upload else {
        return Ok((ask.line, None));
    };
    if head.size > max_patch {
        return Err(format!(
            "{} is larger than {max_patch} bytes, the `max_size` under [hotfix]",
            head.label
        ));
    }
    let mut bytes = Vec::new();
    input.take(head.size).read_to_end(&mut bytes).await.map_err(broken)?;
    if bytes.len() as u64 != head.size {
        return Err("the request is broken: its file is not complete".to_owned());
    }
    let upload = Upload {
        label: head.label,
        bytes,
        args: head.args,
    };
    Ok((ask.line, Some(upload)))
}

/// Runs the command, and tells meanwhile how far it is.
async fn answer(out: &mut OwnedWriteHalf, window: &Window, line: &str, peer: String, upload: Option<&Upload>) -> Reply {
    let (progress, mut advances) = unbounded_channel();
    let asker = Asker {
        name: peer,
        progress: Some(progress),
    };
    let sender = Sender {
        asker: &asker,
        upload,
        wants_data: true,
    };
    let mut reply = std::pin::pin!(table::run(window, line, sender));
    loop {
        tokio::select! {
            biased;
            reply = &mut reply => return reply,
            Some(Advance { what, done, all }) = advances.recv() => {
                // A client that has hung up misses it; the work goes on.
                let _ = say(out, &Answer::Progress { what, done, all }).await;
            }
        }
    }
}

async fn say(out: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let line = serde_json::to_string(answer)? + "\n";
    send(out, &line, PATIENCE).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, BufReader};

    use super::asked;

    #[tokio::test]
    async fn one_that_never_asks_is_given_up() {
        let (mut client, node) = tokio::io::duplex(64);
        client.write_all(b"{\"version\":").await.expect("room");
        let asked = asked(BufReader::new(node), 1, Duration::from_millis(20)).await;
        assert_eq!(asked.err().as_deref(), Some("nothing was asked within 0 s"));
    }
}
