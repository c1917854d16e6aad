//! The TCP console: listens, and seats its clients.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::actor::node::Node;
use crate::control::auth::Doorman;
use crate::control::command::{Patches, Window};
use crate::control::house::House;
use crate::control::session;
use crate::hotfix::desk::Desk;

/// How many clients there may be at once.
pub const SEATS: usize = 64;
/// How long a client waits for a seat, so that a burst of short visits is no crowd.
const PATIENCE: Duration = Duration::from_secs(1);
/// Clients that the system lets wait for us.
const BACKLOG: u32 = 1024;
/// Until the next try, when the system gives no connection (it has run out of files, say).
const PAUSE: Duration = Duration::from_millis(100);

/// Settings of the console.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What a client has to know; empty for nothing.
    pub token: String,
    /// HTTP is spoken, too.
    pub http: bool,
    /// How long a client may take until it has said the token, or what it asks by HTTP.
    pub time_for_strangers: Duration,
    /// The directory that `inject`'s FILE is relative to.
    pub base: PathBuf,
    /// The largest patch that `inject` reads, in bytes.
    pub max_patch: u64,
}

/// A running console. Dropping it closes the listener and every connection.
pub struct Console {
    address: SocketAddr,
    /// Never used: the console ends when this is gone.
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Console {
    /// Opens the console. It serves from now on, on threads of the runtime in which this is called.
    ///
    /// # Errors
    /// Why it cannot listen, as a sentence.
    pub async fn open(config: Config, node: Arc<Node>, desk: Desk) -> Result<Console, String> {
        Console::open_with(config, node, Arc::new(desk)).await
    }

    pub(super) async fn open_with(
        config: Config,
        node: Arc<Node>,
        patches: Arc<dyn Patches>,
    ) -> Result<Console, String> {
        let Config {
            listen,
            token,
            http,
            time_for_strangers,
            base,
            max_patch,
        } = config;
        let cannot = |error: io::Error| cannot_listen(listen, &error);
        let listener = bind(listen).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        info!("console listening on {address}");
        let house = House {
            window: Window::new(node, patches, base, max_patch),
            doorman: Doorman::new(&token),
            http,
            time_for_strangers,
        };
        let (stop, stopping) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, Arc::new(house), stopping));
        Ok(Console {
            address,
            stop,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and every connection; returns when they are closed. A patch that is being injected is not stopped.
    pub async fn stop(self) {
        drop(self.stop);
        // It only fails if accepting has panicked, and then everything is closed as well.
        let _ = self.accepting.await;
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A new node may follow an old one at once.
    socket.set_reuseaddr(true)?;
    // Handed on to each connection: a client whose machine has gone does not keep its seat for ever.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "Address already in use; stop the process that has it (another node?), or choose another port".to_owned()
        }
        io::ErrorKind::PermissionDenied => "Permission denied; choose a port above 1023".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; choose 127.0.0.1".to_owned(),
        _ => format!("{error}; choose another address"),
    };
    format!("cannot listen on {address}: {why} (`listen` under [console])")
}

async fn accept(listener: TcpListener, house: Arc<House>, mut stopping: oneshot::Receiver<()>) {
    let seats = Arc::new(Semaphore::new(SEATS));
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopping => break,
            (stream, peer, seat) = next_client(&listener, &seats) => {
                let house = house.clone();
                sessions.spawn(async move {
                    match seat {
                        Some(_seat) => session::serve(stream, peer, &house).await,
                        None => session::refuse(stream, peer, &full()).await,
                    }
                });
            }
        }
        while let Some(ended) = sessions.try_join_next() {
            if let Err(panic) = ended {
                error!("a console client was lost: {panic}");
            }
        }
    }
    drop(listener);
    sessions.shutdown().await;
}

fn full() -> String {
    format!("{SEATS} clients are connected already, which is the limit: close one and try again")
}

/// Waits for a client, and then for a seat; `None` if there is none.
async fn next_client(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let (stream, peer) = loop {
        match listener.accept().await {
            Ok(client) => break client,
            Err(error) => {
                warn!("the console cannot accept a client: {error}");
                sleep(PAUSE).await;
            }
        }
    };
    let seat = timeout(PATIENCE, seats.clone().acquire_owned()).await;
    (stream, peer, seat.ok().and_then(Result::ok))
}
