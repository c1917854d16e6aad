//! Connecting dev mode: which source trees are watched, the session, and what restarts everything.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::warn;

use crate::actor::instance::Instance;
use crate::actor::node::Node;
use crate::app::{GRACE, SERVICE_MANAGER, launch};
use crate::config::{Config, Profile};
use crate::dev::{self, Keyboard, RestartAll};
use crate::hotfix::asker::Asker;
use crate::hotfix::office::Office;
use crate::log;
use crate::lua::host::Host;
use crate::patch::order::Order;
use crate::trust;
use crate::watch::{Event, SourceRoot};

/// Why dev mode is not for this node, if it is not.
pub fn refusal(config: &Config) -> Option<String> {
    (config.node.profile == Profile::Production).then(|| {
        "`hotlua dev` is refused: [node] profile = \"production\" in the configuration; there patches go through hotfix/ \
         (`hotlua run`)"
            .to_owned()
    })
}

/// The folders in which services and modules are looked for, each once.
pub fn source_roots(config: &Config) -> Vec<SourceRoot> {
    let mut roots: Vec<SourceRoot> = Vec::new();
    for pattern in config.paths.services.iter().chain(&config.paths.lualib) {
        let label = folder_of(pattern).to_owned();
        let path = config.base.join(&label);
        if !roots.iter().any(|root| root.path == path) {
            roots.push(SourceRoot { path, label });
        }
    }
    roots
}

/// The folder below which a pattern finds files.
fn folder_of(pattern: &str) -> &str {
    let fixed = pattern.split('?').next().unwrap_or_default();
    match fixed.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    }
}

/// Starts the session, which ends with the node; where it takes what the doorkeeper reports.
pub fn start(config: &Config, host: &Arc<Host>, office: &Arc<Office>) -> UnboundedSender<Event> {
    let (sender, events) = unbounded_channel();
    let (keyboard, keys) = Keyboard::open().unzip();
    let roots = source_roots(config).into_iter().map(|root| root.label);
    let settings = dev::Config {
        base: config.base.clone(),
        colour: log::colour(&config.log),
        watched: roots.chain([config.hotfix.label.clone()]).collect(),
        by: Asker::patient(trust::owner(rustix::process::getuid().as_raw())),
    };
    let parts = dev::Parts {
        office: office.clone(),
        events,
        keys,
        restart_all: restart_all(host.clone(), config.node.start.clone()),
    };
    tokio::spawn(async move {
        tokio::select! {
            () = dev::run(settings, parts) => {}
            () = keep_terminal(keyboard.as_ref()) => {}
        }
    });
    sender
}

/// Sets the terminal again whenever the process goes on after it was stopped.
async fn keep_terminal(keyboard: Option<&Keyboard>) {
    let (Some(keyboard), Ok(mut goes_on)) = (keyboard, signal(SignalKind::from_raw(libc::SIGCONT))) else {
        return std::future::pending().await;
    };
    while goes_on.recv().await.is_some() {
        keyboard.set_again();
    }
}

/// Ends every service, then begins with the start service again.
fn restart_all(host: Arc<Host>, start: String) -> RestartAll {
    Box::new(move || {
        let (host, start) = (host.clone(), start.clone());
        Box::pin(async move {
            end_services(&host.node).await;
            // It knows the unique services, which are gone.
            host.node.kill(SERVICE_MANAGER);
            launch(&host, "service_mgr", Some(SERVICE_MANAGER)).await?;
            let started = launch(&host, &start, None).await;
            started
                .map(drop)
                .map_err(|why| format!("the start service `{start}` failed: {why}"))
        })
    })
}

async fn end_services(node: &Arc<Node>) {
    for instance in listed(node) {
        // One that has just ended needs no telling.
        let _ = node.post_job(&instance, Box::new(Order::Stop));
    }
    let ended = tokio::time::timeout(GRACE, async {
        while !listed(node).is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    });
    if ended.await.is_err() {
        for instance in listed(node) {
            let identity = &instance.identity;
            warn!(
                "{} ({}) did not end by itself and is killed",
                identity.handle, identity.service
            );
            node.kill(identity.handle);
        }
    }
}

/// How often it is looked whether all have ended.
const LOOK: Duration = Duration::from_millis(5);

fn listed(node: &Node) -> Vec<Arc<Instance>> {
    let mut all = node.registry().all();
    all.retain(|instance| instance.identity.listed);
    all
}

#[cfg(test)]
mod tests {
    use super::folder_of;

    #[test]
    fn patterns_have_folders() {
        for (pattern, folder) in [
            ("services/?.lua", "services"),
            ("services/?/init.lua", "services"),
            ("a/b/x-?.lua", "a/b"),
            ("?.lua", "."),
            ("./?.lua", "."),
            ("/opt/lib/?.lua", "/opt/lib"),
            ("/?.lua", "/"),
            ("one/fixed.lua", "one"),
        ] {
            assert_eq!(folder_of(pattern), folder, "{pattern}");
        }
    }
}
