//! `list`: what runs.

use serde::Serialize;

use crate::actor::instance::Instance;
use crate::control::command::{Command, Reply, Request, Run, Window};
use crate::hotfix::story::Letterbox;

/// See the module.
pub const COMMAND: Command = Command {
    name: "list",
    usage: "",
    help: "show the services by handle",
    run: Run::Now(run),
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
    patches: Vec<Patch>,
    /// The patches that its peers have and it has not.
    behind: Vec<String>,
    /// How many messages wait.
    queue: usize,
    /// The VM's heap in bytes.
    memory: usize,
}

/// A patch that runs.
#[derive(Serialize)]
struct Patch {
    patch: u64,
    name: String,
}

fn run(window: &Window, request: &Request<'_>) -> Reply {
    let all = window.node.registry().all();
    let listed = all.iter().filter(|instance| instance.identity.listed);
    if request.wants_data {
        // Nobody is asked, so an instance that is stuck hinders nobody.
        let listing = Listing {
            instances: listed.map(|instance| row(instance)).collect(),
            letterbox: window.patches.letterbox(),
        };
        return Reply::with("", &listing);
    }
    let lines: Vec<String> = listed.map(|instance| line(instance)).collect();
    Reply::text(lines.join("\n"), true)
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

fn row(instance: &Instance) -> Row {
    let identity = &instance.identity;
    let live = instance.live().into_iter();
    Row {
        handle: identity.handle.to_string(),
        service: identity.service.clone(),
        args: identity.args.clone(),
        patches: live
            .map(|live| Patch {
                patch: live.id,
                name: live.name,
            })
            .collect(),
        behind: instance.behind(),
        queue: instance.mailbox.waiting(),
        memory: instance.counters.memory(),
    }
}
