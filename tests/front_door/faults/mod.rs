//! Nothing lost, nothing twice, nothing half: the node is killed after each durable step, and its disk is full, closed, locked or damaged.

mod crash;
mod disk;

use std::fs;

use serde_json::Value;

use crate::harness::{Node, Project, digest, hotlua};

/// A patch that leaves a trace of each time that it runs.
fn trace(word: &str) -> String {
    format!("seen[#seen + 1] = \"{word}\"\n")
}

/// The traces in the service, in their order.
fn seen(node: &Node) -> String {
    node.ask(".svc", "\"seen\"")
}

/// Everything in the letterbox of `svc`, also what hides behind a dot.
fn left(project: &Project) -> Vec<String> {
    names(project, "hotfix/svc")
}

fn names(project: &Project, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(project.path(folder)).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names.map(|name| name.into_string().expect("a UTF-8 name")).collect()
}

/// The journal is whole, says what the history says, and each patch that it calls filed is in the archive with its bytes.
fn check_books(project: &Project) {
    let journal = project.journal();
    let numbers: Vec<u64> = journal.iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=journal.len() as u64).collect::<Vec<_>>(), "{journal:?}");
    let told = hotlua(project, &["history", "--json", "-n", "100"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    let events = told["events"].as_array().expect("events");
    let kinds = |lines: &[Value]| lines.iter().map(|line| line["event"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&journal), kinds(events));
    for line in &journal {
        if let Some(file) = line["file"].as_str() {
            let bytes = fs::read(project.path("archive").join(file)).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(line["sha256"], digest(bytes), "{line}");
        }
    }
    let archived = names(project, "archive/svc");
    assert!(archived.iter().all(|name| !name.starts_with('.')), "{archived:?}");
}
