//! A workshop without workers, watchers or post room, and instances that are driven by hand.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hotlua::actor::instance::{Actor, Instance};
use hotlua::actor::node::{Node, Spawn};
use hotlua::lua::host::{Config, Host, Outlets};
use hotlua::lua::launch::Begin;
use hotlua::lua::service::Service;
use hotlua::patch::order::{Loader, Order, Patch, PatchText, PostRoom};
use hotlua::patch::outcome::{InstanceReport, Status};
use hotlua::patch::source::Source;
use tempfile::TempDir;

/// Longer than any start should take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host with a folder for services.
pub struct Workshop {
    pub host: Arc<Host>,
    dir: TempDir,
    /// How many services have printed that they are ready.
    ready: Arc<AtomicUsize>,
}

impl Workshop {
    pub fn open() -> Workshop {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("services")).expect("a folder");
        let config = Config {
            base: dir.path().to_owned(),
            services: vec!["services/?.lua".into()],
            lualib: vec!["lualib/?.lua".into()],
            preload: None,
            env: Default::default(),
            mailbox_limit: 1 << 30,
            time_limit: Duration::from_secs(10),
            in_flight_wait: Duration::from_secs(2),
            restart_limit: PATIENCE,
            memory_limit: 64 << 20,
            snapshot_limit: 1 << 30,
        };
        let ready = Arc::new(AtomicUsize::new(0));
        let printed = ready.clone();
        let outlets = Outlets {
            print: Box::new(move |_, line| {
                printed.fetch_add(usize::from(line == b"ready\n"), Ordering::Relaxed);
            }),
            open_console: Box::new(|_, _, _| ()),
            make_actor: Service::boxed,
        };
        let node = Node::new().expect("a thread for the timers");
        let host = Host::new(config, node, Arc::new(Nobody), outlets);
        Workshop { host, dir, ready }
    }

    /// An instance that nobody runs.
    pub fn instance(&self, service: &str, args: &str) -> Arc<Instance> {
        let spawn = Spawn {
            handle: None,
            service: service.into(),
            args: args.into(),
            listed: true,
        };
        self.host.node.spawn(spawn, |_| Service::boxed())
    }

    /// An instance of the service `svc` with this text, which prints `ready` when it has started.
    pub fn start(&self, text: &str, args: &str) -> Driven {
        let ready = self.ready.load(Ordering::Relaxed);
        fs::write(self.dir.path().join("services/svc.lua"), text).expect("the service is written");
        let instance = self.instance("svc", args);
        let mut actor = Service::boxed();
        actor.job(Box::new(Begin {
            host: self.host.clone(),
            instance: instance.clone(),
            parent: None,
        }));
        let deadline = Instant::now() + PATIENCE;
        let mut messages = VecDeque::new();
        while self.ready.load(Ordering::Relaxed) == ready {
            assert!(
                Instant::now() < deadline,
                "the service has not printed `ready` after {PATIENCE:?}"
            );
            instance.mailbox.take_messages(&mut messages);
            for message in messages.drain(..) {
                actor.message(message);
            }
        }
        Driven(actor)
    }
}

/// An instance.
pub struct Driven(Box<dyn Actor>);

impl Driven {
    /// Applies a patch, which has to succeed.
    pub fn apply(&mut self, patch: Arc<Patch>) -> InstanceReport {
        let (sender, answers) = channel();
        let order = Order::Apply {
            patch,
            // Who asked may be gone.
            reply: Box::new(move |report| drop(sender.send(report))),
            progress: Arc::default(),
        };
        self.0.job(Box::new(order));
        let report: InstanceReport = answers.try_recv().expect("the instance answers at once");
        assert_eq!(report.status, Status::Applied, "{:?}", report.error);
        report
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A patch for the service.
pub fn patch(id: u64, text: &str) -> Arc<Patch> {
    let source = Source::new(text.as_bytes()).expect("a text");
    Arc::new(Patch {
        id,
        service: "svc".into(),
        name: "x.lua".into(),
        texts: vec![PatchText::dropped("hotfix/svc/x.lua".into(), source)],
        sha256: format!("{id:064x}"),
        args: Vec::new(),
        forced: false,
        sources: OnceLock::new(),
    })
}

/// A post room with nothing in it.
struct Nobody;

impl PostRoom for Nobody {
    fn loaded(&self, _by: &Loader<'_>, _path: &Path, _label: &str, _text: &Arc<[u8]>) {}
    fn unloaded(&self, _vm: usize) {}
    fn standing(&self, _service: &str) -> Vec<Arc<Patch>> {
        Vec::new()
    }
    fn caught_up(&self, _patch: &Arc<Patch>, _report: InstanceReport) {}
    fn outdated(&self, _patch: &Arc<Patch>, _file: &str) {}
}
