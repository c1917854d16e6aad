//! The only room with every key: builds the others, connects them, starts them, stops them.

mod dev;
mod guard;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::actor::address::Handle;
use crate::actor::node::Node;
use crate::actor::workers::Workers;
use crate::cli::run::Run;
use crate::config::{AfterApply, Config, Profile};
use crate::control::command::Window;
use crate::control::socket::ControlSocket;
use crate::control::{self, Console};
use crate::hotfix;
use crate::hotfix::desk::Desk;
use crate::hotfix::inbox::Inbox;
use crate::hotfix::office::Office;
use crate::log;
use crate::log::Printer;
use crate::lua;
use crate::lua::host::{Host, OpenConsole, Outlets, Print};
use crate::lua::launch::Launch;
use crate::lua::parent::Parent;
use crate::lua::service::Service;
use crate::patch::order::Order;
use crate::watch;

/// Handle of `.launcher`, as in skynet.
const LAUNCHER: Handle = Handle(3);
/// Handle of `.service`, as in skynet.
const SERVICE_MANAGER: Handle = Handle(7);
/// How long services have for what they do when the node stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long dropped files wait for the start service to have started what they are for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client of the console may take until it has said the token, or what it asks by HTTP.
const TIME_FOR_STRANGERS: Duration = Duration::from_secs(30);
/// The exit code of a command that makes no sense here.
const USAGE: u8 = 2;
/// Threads for sockets and disks; services have their own.
const ASYNC_THREADS: usize = 2;

/// Any port of this machine, for itself alone.
const ANYWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Runs a node until it is told to stop; the exit code. `file` is where the config came from.
///
/// # Errors
/// Why it could not start, as a sentence.
pub fn run(file: &Path, config: Config, options: &Run, printer: Printer) -> Result<u8, String> {
    watch::ignore_lease_signal();
    let async_threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ASYNC_THREADS)
        .enable_all()
        .build()
        .map_err(no_threads)?;
    async_threads.block_on(serve(file, config, options, printer))
}

fn no_threads(error: std::io::Error) -> String {
    format!("cannot start threads: {error}")
}

async fn serve(file: &Path, config: Config, options: &Run, printer: Printer) -> Result<u8, String> {
    if let Some(why) = dev::refusal(&config).filter(|_| options.dev) {
        error!("{why}");
        return Ok(USAGE);
    }
    guard::check(file, &config)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_threads)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_threads)?;
    let node = Node::new().map_err(no_threads)?;
    let (office, notes) = Office::open(post_room(&config, options), node.clone()).map_err(|e| e.to_string())?;
    office.replay().map_err(|e| e.to_string())?;
    tokio::spawn(office.clone().keep_books());
    tokio::spawn(office.clone().keep_notes(notes));
    let consoles = Consoles::new(&config, &node, &office);
    let outlets = Outlets {
        print: print_to(printer),
        open_console: consoles.opener(),
        make_actor: Service::boxed,
    };
    let host = Host::new(workshop(&config), node.clone(), office.clone(), outlets);
    let workers = Workers::start(&node, worker_count(&config)).map_err(no_threads)?;
    launch(&host, "launcher", Some(LAUNCHER)).await?;
    launch(&host, "service_mgr", Some(SERVICE_MANAGER)).await?;
    if let Some(listen) = config.console.listen {
        consoles.open(listen).await?;
    }
    let sources = options.dev.then(|| dev::start(&config, &host, &office));
    let window = Window::new(
        node.clone(),
        Arc::new(Desk::new(office.clone())),
        config.base.clone(),
        config.hotfix.max_size,
    );
    // Some file systems (mounts into containers) have no sockets; services and the console need none.
    let socket = ControlSocket::open(&config.node.state, Arc::new(window))
        .inspect_err(|why| warn!("the command line cannot reach this node: {why}"));
    let start = tokio::spawn(start(host, office, config, options.poll, sources));
    let outcome = tokio::select! {
        code = node.stop_requested() => Ok(code),
        _ = terminate.recv() => Ok(0),
        _ = interrupt.recv() => Ok(0),
        Err(why) = failure(start) => Err(why),
    };
    consoles.close().await;
    drop(socket);
    stop(&node, workers);
    outcome
}

/// The consoles: the configured one, and those that services open.
#[derive(Clone)]
struct Consoles {
    config: control::Config,
    node: Arc<Node>,
    desk: Desk,
    open: Arc<Mutex<Vec<Console>>>,
}

impl Consoles {
    fn new(config: &Config, node: &Arc<Node>, office: &Arc<Office>) -> Consoles {
        let settings = control::Config {
            listen: config.console.listen.unwrap_or(ANYWHERE),
            token: config.console.token.clone(),
            http: config.console.http,
            time_for_strangers: TIME_FOR_STRANGERS,
            base: config.base.clone(),
            max_patch: config.hotfix.max_size,
        };
        Consoles {
            config: settings,
            node: node.clone(),
            desk: Desk::new(office.clone()),
            open: Arc::default(),
        }
    }

    async fn open(&self, listen: SocketAddr) -> Result<(), String> {
        if !listen.ip().to_canonical().is_loopback() && self.config.token.is_empty() {
            return Err(format!(
                "a console on {listen} can be reached from other machines: set a `token` under [console]"
            ));
        }
        let config = control::Config {
            listen,
            ..self.config.clone()
        };
        let console = Console::open(config, self.node.clone(), self.desk.clone()).await?;
        self.open.lock().push(console);
        Ok(())
    }

    /// What services open consoles with.
    fn opener(&self) -> OpenConsole {
        let consoles = self.clone();
        let threads = tokio::runtime::Handle::current();
        Box::new(move |address, instance, waiting| {
            let consoles = consoles.clone();
            threads.spawn(async move {
                match consoles.open(address).await {
                    Ok(()) => waiting.succeed(&consoles.node, instance, true),
                    Err(why) => waiting.fail(&consoles.node, instance, why),
                }
            });
        })
    }

    async fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock());
        for console in open {
            console.stop().await;
        }
    }
}

/// Starts the start service, then looks at the letterbox.
async fn start(
    host: Arc<Host>,
    office: Arc<Office>,
    config: Config,
    poll: bool,
    sources: Option<UnboundedSender<watch::Event>>,
) -> Result<(), String> {
    let name = config.node.start.clone();
    let mut started = tokio::spawn(async move { launch(&host, &name, None).await });
    // A start function that goes on for ever must not keep patches out.
    let early = tokio::time::timeout(PATIENCE, &mut started).await;
    open_letterbox(&office, &config, poll, sources)?;
    let outcome = match early {
        Ok(outcome) => outcome,
        Err(_) => started.await,
    };
    match outcome {
        Ok(Err(why)) => Err(format!("the start service `{}` failed: {why}", config.node.start)),
        _ => Ok(()),
    }
}

/// Resolves when the start has failed, and never otherwise.
async fn failure(start: tokio::task::JoinHandle<Result<(), String>>) -> Result<(), String> {
    match start.await {
        Ok(Err(why)) => Err(why),
        _ => std::future::pending().await,
    }
}

fn open_letterbox(
    office: &Arc<Office>,
    config: &Config,
    poll: bool,
    sources: Option<UnboundedSender<watch::Event>>,
) -> Result<(), String> {
    let poll = poll || config.hotfix.poll;
    let (sender, events) = unbounded_channel();
    let settings = watch::Config {
        root: config.hotfix.dir.clone(),
        label: config.hotfix.label.clone(),
        poll,
        max_size: config.hotfix.max_size,
        strict: config.node.profile == Profile::Production,
        sweep: if poll { watch::POLL_SWEEP } else { watch::NATIVE_SWEEP },
        sources: office.config.dev.clone().unwrap_or_default(),
        skip: vec![config.hotfix.dir.clone(), config.node.state.clone()],
    };
    let watcher = watch::start(settings, sender).map_err(|e| format!("cannot watch {}: {e}", config.hotfix.label))?;
    office.set_watcher(watcher);
    tokio::spawn(Inbox::new(office.clone(), sources).run(events));
    Ok(())
}

fn post_room(config: &Config, options: &Run) -> hotfix::office::Config {
    let usual = if options.dev {
        AfterApply::Keep
    } else {
        AfterApply::Archive
    };
    let after_apply = config.hotfix.after_apply.unwrap_or(usual);
    hotfix::office::Config {
        dir: config.hotfix.dir.clone(),
        label: config.hotfix.label.clone(),
        keep: after_apply == AfterApply::Keep,
        replay: config.hotfix.replay && !options.no_replay,
        max_size: config.hotfix.max_size,
        state: config.node.state.clone(),
        base: config.base.clone(),
        colour: log::colour(&config.log),
        dev: options.dev.then(|| dev::source_roots(config)),
        time_limit: config.hotfix.time_limit,
        in_flight_wait: config.hotfix.in_flight_wait,
        restart_limit: config.hotfix.restart_limit,
    }
}

fn workshop(config: &Config) -> lua::host::Config {
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    lua::host::Config {
        base: config.base.clone(),
        services: config.paths.services.clone(),
        lualib: config.paths.lualib.clone(),
        preload: config.node.preload.clone(),
        env: config.env.clone(),
        mailbox_limit: bytes(config.node.mailbox_limit),
        time_limit: config.hotfix.time_limit,
        in_flight_wait: config.hotfix.in_flight_wait,
        restart_limit: config.hotfix.restart_limit,
        memory_limit: bytes(config.hotfix.memory_limit),
        snapshot_limit: bytes(config.hotfix.snapshot_limit),
    }
}

fn print_to(printer: Printer) -> Print {
    Box::new(move |handle, line| printer.print(handle.0, line))
}

fn worker_count(config: &Config) -> usize {
    match config.node.threads {
        0 => std::thread::available_parallelism().map_or(2, NonZero::get),
        count => count,
    }
}

/// Launches a service and waits until its start function has returned.
async fn launch(host: &Arc<Host>, service: &str, own: Option<Handle>) -> Result<Option<Handle>, String> {
    let (sender, started) = oneshot::channel();
    let tell = Parent::Caller(Box::new(move |outcome| drop(sender.send(outcome))));
    host.launch(Launch {
        service: service.into(),
        args: String::new(),
        parent: Some(tell),
        own,
    });
    started
        .await
        .unwrap_or_else(|_| Err(format!("{service} ended before it had started")))
}

/// Tells every service that the node stops, waits for them a while, and ends what is left.
fn stop(node: &Arc<Node>, workers: Workers) {
    info!("stopping");
    for instance in node.registry().all() {
        // One that has just ended needs no telling.
        let _ = node.post_job(&instance, Box::new(Order::Stop));
    }
    tokio::task::block_in_place(|| {
        node.wait_empty(GRACE);
        let left: Vec<Handle> = node
            .registry()
            .all()
            .iter()
            .map(|instance| instance.identity.handle)
            .collect();
        if !left.is_empty() {
            warn!(
                "{} service(s) did not end within {} s: {left:?}",
                left.len(),
                GRACE.as_secs()
            );
        }
        for handle in left {
            node.kill(handle);
        }
        node.wait_empty(Duration::from_millis(500));
        node.stop_threads();
        workers.join(Duration::from_millis(500));
    });
    info!("stopped");
}
