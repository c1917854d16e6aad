//! The only room with every key: builds the others, connects them, starts them, stops them.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::node::Node;
use crate::actor::workers::Workers;
use crate::cli::run::Run;
use crate::config::Config;
use crate::log::Printer;
use crate::lua;
use crate::lua::host::Host;
use crate::lua::launch::{Launch, Parent};
use crate::patch::order::{Order, Patch, PostRoom};
use crate::patch::outcome::InstanceReport;

struct NoRoom;
impl PostRoom for NoRoom {
    fn standing(&self, _service: &str) -> Vec<Arc<Patch>> {
        Vec::new()
    }
    fn caught_up(&self, _patch: &Arc<Patch>, _report: InstanceReport) {}
}

/// Handle of `.launcher`, as in skynet.
const LAUNCHER: Handle = Handle(3);
/// Handle of `.service`, as in skynet.
const SERVICE_MANAGER: Handle = Handle(7);
/// How long services have for what they do when the node stops.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a node until it is told to stop; the exit code.
///
/// # Errors
/// Why it could not start, as a sentence.
pub fn run(config: Config, _options: &Run, printer: Printer) -> Result<u8, String> {
    let async_threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start threads: {e}"))?;
    async_threads.block_on(serve(config, printer))
}

async fn serve(config: Config, printer: Printer) -> Result<u8, String> {
    let threads = |e: std::io::Error| format!("cannot start threads: {e}");
    let node = Node::new().map_err(threads)?;
    let host = Host::new(
        lua::host::Config {
            base: config.base.clone(),
            services: config.paths.services.clone(),
            lualib: config.paths.lualib.clone(),
            preload: config.node.preload.clone(),
            env: config.env.clone(),
            time_limit: config.hotfix.time_limit,
            memory_limit: config.hotfix.memory_limit as usize,
            snapshot_limit: config.hotfix.snapshot_limit as usize,
        },
        node.clone(),
        Arc::new(NoRoom),
        Box::new(move |handle, line| printer.print(handle.0, line)),
    );
    let count = match config.node.threads {
        0 => std::thread::available_parallelism().map_or(2, NonZero::get),
        count => count,
    };
    let workers = Workers::start(&node, count).map_err(threads)?;
    launch(&host, "launcher", Some(LAUNCHER)).await?;
    launch(&host, "service_mgr", Some(SERVICE_MANAGER)).await?;
    launch(&host, &config.node.start, None).await.map_err(|why| format!("the start service failed: {why}"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(threads)?;
    let code = tokio::select! {
        code = node.stop_requested() => code,
        _ = terminate.recv() => 0,
        _ = tokio::signal::ctrl_c() => 0,
    };
    info!("stopping");
    for instance in node.registry().all() {
        let _ = node.post_job(&instance, Box::new(Order::Stop));
    }
    let left = node.wait_empty(GRACE);
    node.stop_threads();
    let stuck = workers.join(Duration::from_millis(200));
    info!("stopped {left} {stuck}");
    Ok(code)
}

/// Launches a service and waits until its start function has returned.
async fn launch(host: &Arc<Host>, service: &str, own: Option<Handle>) -> Result<Option<Handle>, String> {
    let (sender, started) = oneshot::channel();
    let tell = Parent::Caller(Box::new(move |outcome| drop(sender.send(outcome))));
    host.launch(Launch { service: service.into(), args: String::new(), parent: Some(tell), own });
    started.await.unwrap_or_else(|_| Err(format!("{service} ended before it had started")))
}
