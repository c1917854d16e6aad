//! What runs after a rollback depends on which patches stand, and not on when an instance was started.

use crate::harness::svc::{SVC, running};
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

/// Patches `svc` with this text under this name; the patch's number.
fn patch(project: &Project, node: &mut Node, name: &str, text: impl AsRef<[u8]>) -> String {
    let mark = node.mark();
    project.drop_file("svc", name, text);
    let summary = node.wait_summary(mark, &format!("svc/{name}"));
    assert!(summary.starts_with("applied to "), "{summary}");
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", name));
    let number = summary
        .split("(patch ")
        .nth(1)
        .and_then(|rest| rest.split([',', ')']).next());
    number.expect("its number").to_owned()
}

#[test]
fn a_whole_file_finds_the_functions_of_a_patch_that_was_made_for_a_version_that_is_gone() {
    let (project, mut node) = running();
    let first = SVC.replace("return total\n", "return total + 0\n");
    assert_ne!(first, SVC);
    let first = patch(&project, &mut node, "w.lua", first);
    patch(
        &project,
        &mut node,
        "x.lua",
        "function command.greet() return 'patched' end\n",
    );
    node.console().cmd(&format!("rollback svc {first}")).succeeded();
    assert_eq!(node.ask(".svc", "\"greet\",\"you\""), "patched");
    let other = SVC.replace("return decorate(\"hello \" .. name)", "return 'whole file'");
    patch(&project, &mut node, "v.lua", other);
    assert_eq!(node.ask(".svc", "\"greet\",\"you\""), "whole file");
}

#[test]
fn a_function_that_was_put_aside_keeps_its_patch() {
    let (project, mut node) = running();
    let first = patch(
        &project,
        &mut node,
        "x.lua",
        "function command.greet() return 'one' end\n",
    );
    let second = patch(
        &project,
        &mut node,
        "y.lua",
        "command.greet = setmetatable({}, { __call = function() return 'an object' end })\n",
    );
    let said = node.console().cmd(&format!("rollback svc {first}")).failed();
    let expected = format!("patch {second} (y.lua) has built upon patch {first} (x.lua): it replaced `command.greet`");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(node.ask(".svc", "\"greet\",\"you\""), "an object");
    for (number, said) in [(second, "one"), (first, "<hello you>")] {
        node.console().cmd(&format!("rollback svc {number}")).succeeded();
        assert_eq!(node.ask(".svc", "\"greet\",\"you\""), said);
    }
}

#[test]
fn what_a_sleeping_old_body_makes_is_exchanged_by_the_patch_that_stays() {
    let make = |word: &str| {
        format!(
            "function command.make()\n\trepeat require('skynet').sleep(1) until io.open('go')\n\tmade = function() return '{word}' end\nend\n"
        )
    };
    let old = SVC.replace(
        "function command.label()",
        &format!("{}\nfunction command.label()", make("old")),
    );
    let project = Project::with_svc().service("svc", &old);
    let mut node = project.start();
    node.wait_line("ready");
    node.ask(
        ".svc",
        "\"eval\",\"require('skynet').send(require('skynet').self(), 'lua', 'make') return 1\"",
    );
    patch(&project, &mut node, "x.lua", make("one"));
    let second = patch(&project, &mut node, "y.lua", make("two"));
    node.console().cmd(&format!("rollback svc {second}")).succeeded();
    project.write("go", "");
    node.wait_until("it to be made and exchanged", |node| {
        node.ask(".svc", "\"eval\",\"return made and made()\"") == "one"
    });
}

#[test]
fn a_version_that_leaves_a_function_out_says_so() {
    let (project, mut node) = running();
    let one = "function command.greet() return 'one' end\n";
    let two = "function command.label() return 'two' end\n";
    patch(&project, &mut node, "x.lua", format!("{one}{two}"));
    let mark = node.mark();
    patch(&project, &mut node, "x.lua", two);
    let said = node.wait_line_since(mark, "warning: this version has no");
    let expected = "this version has no `command.greet` any more, which the version before it (patch 1) replaced: instances that \
                    start from now on have the source's";
    assert!(said.contains(expected), "{said}");
    let young = young(&node);
    let both = [".svc", &young].map(|address| node.ask(address, "\"greet\",\"you\""));
    assert_eq!(both, ["one", "<hello you>"]);
    // With all of them, and of a whole file, there is nothing to say.
    let mark = node.mark();
    patch(&project, &mut node, "x.lua", format!("{one}{two}-- again\n"));
    patch(&project, &mut node, "x.lua", SVC.replace("\"hello \"", "\"hi \""));
    node.stays_quiet(mark, "this version has no");
}
