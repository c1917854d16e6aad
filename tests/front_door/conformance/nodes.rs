//! What the cases with a node of their own share.

use super::driver::{evaluate, main_starting};
use crate::harness::{Node, Project};

/// Starts the node with these services and waits for them.
pub fn start(project: &Project, services: &[&str]) -> Node {
    project.write("services/main.lua", main_starting(services));
    restart(project, &[])
}

/// Starts the node again with what it has on disk.
pub fn restart(project: &Project, arguments: &[&str]) -> Node {
    let mut node = project.start_with(arguments);
    node.wait_line("-- all started");
    node
}

/// The values of an expression in the service behind `.NAME`.
pub fn value(node: &Node, name: &str, expression: &str) -> String {
    evaluate(&mut node.console(), name, expression)
}

/// Drops a file and gives its summary.
pub fn apply(project: &Project, node: &mut Node, service: &str, file: &str, text: impl AsRef<[u8]>) -> String {
    let name = format!("{service}/{file}");
    let before = node.summaries(&name).len();
    project.drop_file(service, file, text);
    let summary = node.wait_for(&format!("a summary of {name}"), |node| {
        node.summaries(&name).into_iter().nth(before)
    });
    if summary.starts_with("applied") || summary.starts_with("unchanged") {
        node.wait_until("the letterbox to be empty", |_| !project.is_waiting(service, file));
    }
    summary
}

/// As [`apply`], for a patch that all of so many instances must take.
#[track_caller]
pub fn apply_to(project: &Project, node: &mut Node, instances: usize, service: &str, text: &str) -> String {
    let summary = apply(project, node, service, "x.lua", text);
    let s = if instances == 1 { "" } else { "s" };
    let wanted = format!("applied to {instances} of {instances} instance{s}: ");
    assert!(summary.starts_with(&wanted), "{summary}");
    summary
}
