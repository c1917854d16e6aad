//! What is kept of every patch: the file, its diff, and a line of the journal.

use std::fs;

use serde_json::Value;

use crate::harness::svc::{GREETING, apply, apply_well, greet, running};
use crate::harness::{Node, Project, digest};

/// The journal's lines of one event, once there is at least one.
fn events(node: &mut Node, project: &Project, event: &str) -> Vec<Value> {
    node.wait_for(&format!("{event:?} in the journal"), |_| {
        let found: Vec<Value> = project
            .journal()
            .into_iter()
            .filter(|line| line["event"] == event)
            .collect();
        (!found.is_empty()).then_some(found)
    })
}

#[test]
fn the_file_is_kept_byte_for_byte_beside_its_diff() {
    let (project, mut node) = running();
    let patch = format!("-- reason: \u{e4} test\r\n{GREETING}-- no newline at the end");
    apply_well(&project, &mut node, &patch);
    node.wait_until("two archived files", |_| project.archived("svc").len() == 2);
    let names = project.archived("svc");
    let stem = names[0].strip_suffix(".diff").unwrap_or_default();
    assert_eq!(names, [format!("{stem}.diff"), format!("{stem}.lua")]);

    // <seq>-<UTC time>-<name>
    let parts: Vec<&str> = stem.splitn(3, '-').collect();
    assert_eq!(parts.len(), 3, "{stem}");
    assert_eq!(parts[0].parse(), Ok(1), "{stem}");
    assert!(parts[1].starts_with("20") && parts[1].ends_with('Z'), "{stem}");
    assert_eq!(parts[2], "x");

    let kept = fs::read(project.path(&format!("archive/svc/{}", names[1])));
    assert_eq!(kept.expect("the archived file"), patch.as_bytes());
    let diff = fs::read_to_string(project.path(&format!("archive/svc/{}", names[0])));
    let diff = diff.expect("the archived diff");
    for line in [
        "-\treturn decorate(\"hello \" .. name)",
        &format!("+{}", GREETING.trim_end()),
    ] {
        assert!(diff.lines().any(|l| l == line), "{line:?} is not in:\n{diff}");
    }
    assert!(!project.is_waiting("svc", "x.lua"));
}

#[test]
fn the_journal_says_who_when_why_and_what() {
    let (project, mut node) = running();
    let patch = format!("-- reason: greet as the guests expect\n{GREETING}");
    apply_well(&project, &mut node, &patch);
    let line = events(&mut node, &project, "applied").remove(0);
    assert_eq!(line["id"], 1);
    assert_eq!(line["service"], "svc");
    assert_eq!(line["name"], "x.lua");
    assert_eq!(line["sha256"], digest(&patch));
    assert_eq!(line["previous"], Value::Null);
    assert_eq!(line["reason"], "greet as the guests expect");
    assert!(line["by"].as_str().is_some_and(|by| !by.is_empty()), "{line}");
    assert!(line["ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{line}");
    let time = line["time"].as_str().unwrap_or_default();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
    assert_eq!(line["instances"].as_array().map(Vec::len), Some(1), "{line}");
    assert!(!line["functions"].is_null() && !line["warnings"].is_null(), "{line}");
}

#[test]
fn a_second_version_names_the_first() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    apply_well(&project, &mut node, GREETING.replace("day", "night"));
    node.wait_until("two lines of the journal", |_| {
        project.journal().iter().filter(|l| l["event"] == "applied").count() == 2
    });
    let lines = events(&mut node, &project, "applied");
    assert_eq!(lines[1]["id"], 2);
    assert_eq!(lines[1]["previous"], 1);
}

#[test]
fn rejections_and_failures_are_in_the_journal_too() {
    let (project, mut node) = running();
    apply(&project, &mut node, "x = = 1\n");
    let rejected = events(&mut node, &project, "rejected").remove(0);
    assert_eq!(rejected["sha256"], digest("x = = 1\n"));
    apply(&project, &mut node, "error \"on purpose\"\n");
    let failed = events(&mut node, &project, "failed").remove(0);
    assert_eq!(failed["sha256"], digest("error \"on purpose\"\n"));
}

#[test]
fn history_lists_what_happened_newest_and_oldest() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    apply(&project, &mut node, "x = = 1\n");
    events(&mut node, &project, "rejected");
    let history = node.console().cmd("history").succeeded().join("\n");
    for word in ["x.lua", "svc", "applied", "rejected"] {
        assert!(history.contains(word), "{word:?} is not in:\n{history}");
    }
    let of_svc = node.console().cmd("history svc").succeeded().join("\n");
    assert!(of_svc.contains("x.lua"), "{of_svc}");
    let of_other = node.console().cmd("history other").succeeded().join("\n");
    assert!(!of_other.contains("x.lua"), "{of_other}");
}

#[test]
fn history_outlives_the_node() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    events(&mut node, &project, "applied");
    assert_eq!(node.stop(), 0);
    let mut node = project.start();
    node.wait_line("ready");
    let history = node.console().cmd("history").succeeded().join("\n");
    assert!(history.contains("x.lua") && history.contains("applied"), "{history}");
}

#[test]
fn the_state_directory_may_be_elsewhere() {
    let project = Project::with_svc().set("node", "state", "\"var/state\"");
    let mut node = project.start();
    node.wait_line("ready");
    apply_well(&project, &mut node, GREETING);
    node.wait_until("the journal in the state directory", |_| {
        project.path("var/state/journal.jsonl").exists()
    });
    assert!(!project.path("archive").exists());
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn a_torn_line_at_the_journals_end_is_no_obstacle() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    events(&mut node, &project, "applied");
    node.kill9();
    let path = project.path("archive/journal.jsonl");
    let mut bytes = fs::read(&path).expect("the journal");
    bytes.extend_from_slice(b"{\"id\":99,\"ti");
    fs::write(&path, bytes).expect("a torn journal");
    let mut node = project.start();
    node.wait_line("ready");
    apply_well(&project, &mut node, GREETING.replace("day", "night"));
    node.wait_until("both in a journal that parses", |_| {
        let events: Vec<Value> = project.journal();
        events.iter().filter(|line| line["event"] == "applied").count() == 2
    });
}

#[test]
fn an_archive_that_is_gone_is_written_again_from_the_history() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    node.wait_until("the patch in the archive", |_| {
        project.archived_patches("svc").len() == 1
    });
    node.stop();
    fs::remove_dir_all(project.path("archive/svc")).expect("the archived files removed");
    fs::remove_file(project.path("archive/journal.jsonl")).expect("the journal removed");
    let mut node = project.start();
    node.wait_line("the archive was gone: 1 archived file written again from the history");
    node.wait_line("ready");
    let kept = fs::read_to_string(&project.archived_patches("svc")[0]);
    assert_eq!(kept.expect("the patch"), GREETING);
    assert!(project.journal().iter().any(|line| line["event"] == "applied"));
}
