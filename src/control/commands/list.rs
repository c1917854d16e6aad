//! `list`: what runs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::actor::instance::Instance;
use crate::control::command::{Command, Pending, Reply, Request, Run, Window};
use crate::hotfix::record::{Record, Target};
use crate::hotfix::story::Letterbox;

/// See the module.
pub const COMMAND: Command = Command {
    name: "list",
    usage: "",
    help: "show the services by handle",
    run: Run::Later(run),
};

/// What runs, and what is kept out.
#[derive(Serialize)]
struct Listing {
    instances: Vec<Row>,
    #[serde(flatten)]
    letterbox: Letterbox,
}

/// One instance. The field names are those of the JSON that the command line prints.
#[derive(Serialize)]
struct Row {
    handle: String,
    service: String,
    args: String,
    /// The patches that it runs.
    patches: Vec<Live>,
    /// The patches that its peers have and it has not.
    behind: Vec<String>,
    /// How many messages wait.
    queue: usize,
    /// The VM's heap in bytes, as it was after the last message.
    memory: usize,
}

/// A patch that runs.
#[derive(Clone, Serialize)]
struct Live {
    patch: u64,
    name: String,
}

fn run<'a>(window: &'a Window, request: &'a Request<'a>) -> Pending<'a> {
    Box::pin(async move {
        let all = window.node.registry().all();
        let listed: Vec<Arc<Instance>> = all.into_iter().filter(|instance| instance.identity.listed).collect();
        if request.wants_data {
            return rows(window, &listed).await.into();
        }
        let lines: Vec<String> = listed.iter().map(|instance| line(instance)).collect();
        Reply::text(lines.join("\n"), true)
    })
}

/// One service; with the patches behind it that its peers have and it has not.
fn line(instance: &Instance) -> String {
    let identity = &instance.identity;
    let behind = match instance.behind() {
        names if names.is_empty() => String::new(),
        names => format!("\tbehind: {}", names.join(", ")),
    };
    format!("{}\tsnlua {}{behind}", identity.handle, identity.command_line())
}

async fn rows(window: &Window, listed: &[Arc<Instance>]) -> Result<Reply, String> {
    let mut live: HashMap<String, Vec<Record>> = HashMap::new();
    let services: BTreeSet<String> = listed.iter().map(|instance| instance.identity.folder()).collect();
    for service in services {
        let patches = window.patches.live(service.clone()).await?;
        live.insert(service, patches);
    }
    let rows: Vec<Row> = listed
        .iter()
        .map(|instance| row(instance, &live[&instance.identity.folder()]))
        .collect();
    Ok(Reply::with(
        "",
        &Listing {
            instances: rows,
            letterbox: window.patches.letterbox(),
        },
    ))
}

fn row(instance: &Instance, live: &[Record]) -> Row {
    let identity = &instance.identity;
    let behind = instance.behind();
    let runs = |record: &&Record| match record.target {
        Target::All => !behind.contains(&record.name),
        Target::Handle(handle) => handle == identity.handle.0,
    };
    let patches = live.iter().filter(runs).map(|record| Live {
        patch: record.id.0,
        name: record.name.clone(),
    });
    Row {
        handle: identity.handle.to_string(),
        service: identity.service.clone(),
        args: identity.args.clone(),
        patches: patches.collect(),
        queue: instance.mailbox.waiting(),
        memory: instance.counters.memory.load(Ordering::Relaxed),
        behind,
    }
}
