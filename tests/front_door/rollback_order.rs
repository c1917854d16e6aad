//! What runs after a rollback depends on which patches stand, and not on when an instance was started.

use crate::harness::svc::running;
use crate::harness::{Node, Project};

/// Patches for `greet`, by the files that they are dropped as.
fn greets(project: &Project, node: &mut Node, patches: &[(&str, &str)]) {
    for (name, word) in patches {
        let mark = node.mark();
        project.drop_file("svc", name, format!("function command.greet() return '{word}' end\n"));
        let summary = node.wait_summary(mark, &format!("svc/{name}"));
        assert!(summary.starts_with("applied to "), "{summary}");
        node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", name));
    }
}

/// Starts a further instance; its address.
fn young(node: &Node) -> String {
    node.ask(".svc", "\"spawn\",\"svc\"");
    let last = node.console().cmd("list").succeeded().pop().expect("the new instance");
    last.split('\t').next().unwrap_or_default().to_owned()
}

#[test]
fn the_version_that_stands_again_does_not_take_the_place_of_a_later_patch() {
    let (project, mut node) = running();
    greets(
        &project,
        &mut node,
        &[("x.lua", "one"), ("y.lua", "two"), ("x.lua", "three")],
    );
    // This one never has the first version of x.lua, on which y.lua was built.
    let young = young(&node);
    let both = |node: &Node| [".svc", &young].map(|address| node.ask(address, "\"greet\",\"you\""));
    assert_eq!(both(&node), ["three", "three"]);
    let said = node.console().cmd("rollback svc").succeeded().join("\n");
    let expected = format!(
        "  patch 1, the version before it, stands again; applied to {young}, which had not had it, below patch 2, which was applied \
         there anew\n"
    );
    assert!(said.contains(expected.as_str()), "{said}");
    assert_eq!(both(&node), ["two", "two"]);
    for (patch, word) in [("2", "one"), ("1", "<hello you>")] {
        node.console().cmd(&format!("rollback svc {patch}")).succeeded();
        assert_eq!(both(&node), [word, word]);
    }
}
