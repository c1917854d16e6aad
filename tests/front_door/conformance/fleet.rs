//! The fleet: every instance has its own state and its own result, now and later.

use super::nodes::{apply, apply_to, start, value};
use crate::harness::{Node, Project};

/// The text of an agent, which gets its name as an argument, around a body. The body begins in line 4.
fn agent(body: &str) -> String {
    format!(
        "local skynet = require \"skynet\"\nrequire \"skynet.manager\"\nM = {{}}\n{body}\nlocal name = ...\nskynet.start(function()\n\
         \tskynet.register(\".\" .. name)\n\tskynet.dispatch(\"lua\", function(_, _, source)\n\
         \t\tskynet.retpack(assert(load(source))())\n\tend)\nend)\n"
    )
}

const COUNTER: &str =
    "local n = 0\nfunction M.inc() n = n + 1 return n, 'v1' end\nfunction M.set(x) n = x end\nHOLDS = { M.inc }";

/// Agents `a1` to `aN`; the start service starts more of them when it is asked to.
fn agents(count: usize, body: &str) -> (Project, Node) {
    let names: Vec<String> = (1..=count).map(|i| format!("agent a{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let project = Project::empty()
        .service("agent", &agent(body))
        .service("starter", STARTER);
    let node = start(&project, &[&names[..], &["starter"]].concat());
    (project, node)
}

/// Starts an agent and tells what it says to a first message.
const STARTER: &str = "local skynet = require \"skynet\"\nrequire \"skynet.manager\"\nskynet.start(function()\n\
    \tskynet.register \".starter\"\n\tskynet.dispatch(\"lua\", function(_, _, name, source)\n\
    \t\tlocal h = skynet.newservice(\"agent\", name)\n\
    \t\tskynet.retpack(table.concat(table.pack(skynet.call(h, \"lua\", source)), \" \"))\n\tend)\nend)\n";

fn start_one(node: &Node, name: &str) -> String {
    node.ask(".starter", &format!("\"{name}\",\"return M.inc()\""))
}

const V2: &str = "function M.inc() n = n + 10 return n, 'v2' end\n";

#[test]
fn each_instance_keeps_its_own_state() {
    let (project, mut node) = agents(5, COUNTER);
    for i in 1..=5 {
        value(&node, &format!("a{i}"), &format!("M.set({})", i * 100));
    }
    apply_to(&project, &mut node, 5, "agent", V2);
    for i in 1..=5 {
        let name = format!("a{i}");
        assert_eq!(value(&node, &name, "M.inc()"), format!("{} v2", i * 100 + 10));
        assert_eq!(value(&node, &name, "HOLDS[1] == M.inc"), "true");
    }
}

#[test]
fn a_source_patch_reaches_every_instance_and_later_ones() {
    let (project, mut node) = agents(3, COUNTER);
    value(&node, "a2", "M.set(50)");
    let text = agent(&COUNTER.replace("n = n + 1 return n, 'v1'", "n = n + 10 return n, 'v2'"));
    apply_to(&project, &mut node, 3, "agent", &text);
    assert_eq!(value(&node, "a2", "M.inc()"), "60 v2");
    assert_eq!(value(&node, "a3", "M.inc()"), "10 v2");
    assert_eq!(start_one(&node, "late"), "10 v2");
}

#[test]
fn the_one_that_fails_is_named_and_the_others_are_patched() {
    let (project, mut node) = agents(20, COUNTER);
    value(&node, "a7", "M.set(-1)");
    let list = node.console().cmd("list").succeeded();
    let row = list
        .iter()
        .find(|row| row.ends_with("agent a7"))
        .expect("agent a7 runs");
    let handle = row.split('\t').next().expect("its handle").to_owned();
    let mark = node.mark();
    let summary = apply(
        &project,
        &mut node,
        "agent",
        "x.lua",
        format!("if n < 0 then error 'below zero' end\n{V2}"),
    );
    assert!(summary.starts_with("applied to 19 of 20 instances: "), "{summary}");
    let failing = node.wait_for("the failing instance", |node| {
        node.lines_since(mark)
            .into_iter()
            .find(|line| line.contains("below zero"))
    });
    assert!(
        node.lines_since(mark).iter().any(|line| line.contains(&handle)),
        "{handle} is not named: {failing}"
    );
    assert_eq!(value(&node, "a7", "M.inc()"), "0 v1");
    assert_eq!(value(&node, "a8", "M.inc()"), "10 v2");
    assert_eq!(start_one(&node, "late"), "10 v2");
}

#[test]
fn all_fail() {
    let (project, mut node) = agents(3, COUNTER);
    let summary = apply(&project, &mut node, "agent", "x.lua", "n = 5\nerror 'everywhere'\n");
    assert!(summary.starts_with("failed and undone: "), "{summary}");
    for name in ["a1", "a2", "a3"] {
        assert_eq!(value(&node, name, "M.inc()"), "1 v1");
    }
    assert_eq!(start_one(&node, "late"), "1 v1");
}

#[test]
fn instances_that_start_while_patches_come() {
    let (project, mut node) = agents(2, COUNTER);
    for round in 1..=10 {
        project.drop_file(
            "agent",
            "x.lua",
            format!("function M.inc() return {round}, 'round' end\n"),
        );
        let said = start_one(&node, &format!("late{round}"));
        // It started before this round's patch was live, or after.
        assert!(said.contains("v1") || said.contains("round"), "{said}");
    }
    node.wait_until("everybody to be patched", |node| {
        (1..=10).all(|i| value(node, &format!("late{i}"), "M.inc()") == "10 round")
    });
    assert_eq!(start_one(&node, "last"), "10 round");
}

#[test]
fn a_patch_for_one_handle_is_not_for_others() {
    let (project, node) = agents(2, COUNTER);
    project.write("p.lua", V2);
    node.console().cmd("inject .a1 p.lua").succeeded();
    assert_eq!(value(&node, "a1", "M.inc()"), "10 v2");
    assert_eq!(value(&node, "a2", "M.inc()"), "1 v1");
    assert_eq!(start_one(&node, "late"), "1 v1");
}

#[test]
fn forward_back_and_forward_again_is_three_applies() {
    let (project, mut node) = agents(2, COUNTER);
    let a = agent(&COUNTER.replace("'v1'", "'a'"));
    let b = agent(&COUNTER.replace("'v1'", "'b'"));
    for (text, version) in [(&a, "a"), (&b, "b"), (&a, "a")] {
        apply_to(&project, &mut node, 2, "agent", text);
        assert!(value(&node, "a1", "M.inc()").ends_with(version));
        assert!(value(&node, "a2", "HOLDS[1]()").ends_with(version));
    }
    assert_eq!(value(&node, "a1", "M.inc()"), "4 a");
    let again = apply(&project, &mut node, "agent", "x.lua", &a);
    assert!(again.starts_with("unchanged: "), "{again}");
}

#[test]
fn rollback_reaches_every_instance() {
    let (project, mut node) = agents(4, COUNTER);
    value(&node, "a3", "M.set(30)");
    apply_to(&project, &mut node, 4, "agent", V2);
    assert_eq!(start_one(&node, "late"), "10 v2");
    node.console().cmd("rollback agent").succeeded();
    assert_eq!(value(&node, "a1", "M.inc()"), "1 v1");
    assert_eq!(value(&node, "a3", "M.inc()"), "31 v1");
    assert_eq!(value(&node, "late", "M.inc()"), "11 v1");
    assert_eq!(start_one(&node, "later"), "1 v1");
}

#[test]
fn rollback_by_number_and_what_a_later_patch_has_built_upon() {
    let (project, mut node) = agents(2, COUNTER);
    let number = |summary: &str| {
        let rest = summary.split_once("(patch ").expect("the patch's number").1;
        rest.split(',').next().expect("the number").to_owned()
    };
    let a = apply(&project, &mut node, "agent", "a.lua", V2);
    let b = apply(&project, &mut node, "agent", "b.lua", V2.replace("v2", "v3"));
    let c = apply(
        &project,
        &mut node,
        "agent",
        "c.lua",
        "function M.other() return 'c' end\n",
    );
    let (a, b) = (number(&a), number(&b));
    assert!(c.starts_with("applied to 2 of 2"), "{c}");
    let refused = node.console().cmd(&format!("rollback agent {a}")).failed();
    assert!(
        refused.contains("b.lua") || refused.contains(&format!("patch {b}")),
        "{refused}"
    );
    assert_eq!(value(&node, "a1", "M.inc()"), "10 v3");
    node.console().cmd(&format!("rollback agent {b}")).succeeded();
    assert_eq!(value(&node, "a1", "M.inc()"), "20 v2");
    assert_eq!(value(&node, "a1", "M.other()"), "c");
    node.console().cmd(&format!("rollback agent {a}")).succeeded();
    assert_eq!(value(&node, "a2", "M.inc()"), "1 v1");
    assert_eq!(value(&node, "a2", "M.other()"), "c");
}

#[test]
fn a_later_instance_that_fails_runs_on_its_source_and_is_shown_as_behind() {
    let (project, mut node) = agents(1, COUNTER);
    let patch = format!("if name == 'late' then error 'not this one' end\n{V2}");
    apply_to(&project, &mut node, 1, "agent", &patch);
    assert_eq!(start_one(&node, "late"), "1 v1");
    // It answers before the post room has read its report.
    node.wait_until("the late one to be shown as behind", |node| {
        let list = node.console().cmd("list").succeeded();
        let row = list.iter().find(|row| row.contains("agent late")).expect("it runs");
        row.contains("behind")
    });
    assert_eq!(start_one(&node, "later"), "10 v2");
}
