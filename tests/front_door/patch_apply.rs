//! What applying a patch means: which names it sees, what its summary and diff say, and which
//! of the files that people really drop are accepted.

use crate::harness::svc::{GREETING, SVC, apply, apply_well, greet, running};
use crate::harness::{Mark, Node, Project, digest};

/// The lines after `mark` that stand below the summary of `svc/x.lua`, up to the line `last`.
fn diff_since(node: &mut Node, mark: Mark, last: &str) -> Vec<String> {
    node.wait_for("the diff", |node| {
        let lines = node.lines_since(mark);
        let start = lines.iter().position(|line| line.starts_with("[hotfix] svc/x.lua "))?;
        let end = lines.iter().rposition(|line| line == last)?;
        lines.get(start + 1..=end).map(<[String]>::to_vec)
    })
}

#[test]
fn one_line_replaces_a_function_and_keeps_the_state() {
    let (project, mut node) = running();
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(node.ask(".svc", "\"add\",5"), "5");
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
    assert_eq!(node.ask(".svc", "\"add\",1"), "6");
}

#[test]
fn the_summary_has_the_promised_form() {
    let (project, mut node) = running();
    let summary = apply_well(&project, &mut node, GREETING);
    let rest = summary
        .strip_prefix("applied to 1 of 1 instance: 1 function, 1 holder, ")
        .unwrap_or_else(|| panic!("{summary}"));
    let (time, rest) = rest.split_once(" ms (patch 1, sha256 ").expect(&summary);
    assert!(time.parse::<f64>().is_ok_and(|ms| ms >= 0.0), "{summary}");
    let start = rest.strip_suffix("…)").expect(&summary);
    assert!(start.len() >= 4 && digest(GREETING).starts_with(start), "{summary}");
}

#[test]
fn the_diff_is_of_the_function_that_was_replaced() {
    let (project, mut node) = running();
    let mark = node.mark();
    apply_well(&project, &mut node, GREETING);
    let added = format!("+{}", GREETING.trim_end());
    let diff = diff_since(&mut node, mark, &added);
    assert!(diff[0].starts_with("--- services/svc.lua"), "{diff:#?}");
    assert!(diff[1].starts_with("+++ hotfix/svc/x.lua"), "{diff:#?}");
    // `function command.greet` stands in the lines 12 to 14 of services/svc.lua.
    assert_eq!(diff[2], "@@ -12,3 +1 @@");
    assert_eq!(
        diff[3..],
        [
            "-function command.greet(name)",
            "-\treturn decorate(\"hello \" .. name)",
            "-end",
            added.as_str(),
        ]
    );
}

#[test]
fn a_second_version_is_compared_with_the_first() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, GREETING);
    let mark = node.mark();
    let second = GREETING.replace("good day", "good night");
    apply_well(&project, &mut node, &second);
    assert_eq!(greet(&node), "<good night you>");
    let removed = format!("-{}", GREETING.trim_end());
    let added = format!("+{}", second.trim_end());
    let diff = diff_since(&mut node, mark, &added);
    assert!(diff.contains(&removed), "{diff:#?}");
    assert!(
        !diff.iter().any(|line| line.contains("hello ")),
        "the source's text is history: {diff:#?}"
    );
}

#[test]
fn free_names_are_the_services_own_locals() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "label = \"new\"\n\
         total = total + 40\n\
         seen[#seen + 1] = label .. total\n\
         ADDED_GLOBAL = _VERSION\n",
    );
    assert_eq!(node.ask(".svc", "\"label\""), "new");
    assert_eq!(node.ask(".svc", "\"add\",2"), "42");
    assert_eq!(node.ask(".svc", "\"seen\""), "new40");
    assert_eq!(node.ask(".svc", "\"eval\",\"return ADDED_GLOBAL\""), "Lua 5.5");
}

#[test]
fn a_local_function_is_replaced_for_everyone_who_uses_it() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "function decorate(text) return \"[\" .. text .. \"]\" end\n",
    );
    assert_eq!(greet(&node), "[hello you]");
}

#[test]
fn a_patch_may_wrap_the_old_function() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "local old = command.greet\ncommand.greet = function(name) return \"W\" .. old(name) end\n",
    );
    assert_eq!(greet(&node), "W<hello you>");
}

#[test]
fn what_a_patch_prints_is_in_its_report_and_what_it_prints_later_in_the_log() {
    let (project, mut node) = running();
    let mark = node.mark();
    apply_well(
        &project,
        &mut node,
        "print(\"while applying\")\nfunction command.greet(name) print(\"greeting\", name) return name end\n",
    );
    node.wait_line_since(mark, "while applying");
    let mark = node.mark();
    assert_eq!(greet(&node), "you");
    assert_eq!(node.wait_line_since(mark, "greeting"), "greeting\tyou");
}

#[test]
fn what_a_patch_forks_starts_once_it_is_committed() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "skynet.fork(function() skynet.sleep(1) seen[#seen + 1] = label end)\nlabel = \"committed\"\n",
    );
    node.wait_until("the fork to have run", |node| {
        node.ask(".svc", "\"seen\"") == "committed"
    });
}

#[test]
fn a_byte_order_mark_and_crlf_are_accepted() {
    let (project, mut node) = running();
    let mut patch = b"\xef\xbb\xbf".to_vec();
    patch.extend_from_slice(b"-- from Windows\r\n");
    patch.extend_from_slice(GREETING.replace('\n', "\r\n").as_bytes());
    apply_well(&project, &mut node, &patch);
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn look_alikes_inside_strings_and_comments_are_nobodys_business() {
    let (project, mut node) = running();
    apply_well(
        &project,
        &mut node,
        "-- a\u{a0}comment with \u{201c}quotes\u{201d}\nlabel = \"a\u{a0}b\"\n",
    );
    assert_eq!(node.ask(".svc", "\"label\""), "a\u{a0}b");
}

#[test]
fn bytes_that_are_live_already_are_unchanged() {
    let (project, mut node) = running();
    let patch = "seen[#seen + 1] = \"once\"\n";
    apply_well(&project, &mut node, patch);
    node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
    let summary = apply(&project, &mut node, patch);
    assert_eq!(summary, "unchanged: these bytes are live already");
    assert_eq!(node.ask(".svc", "\"seen\""), "once");
    node.wait_until("the duplicate to be archived", |_| {
        project.archived_patches("svc").len() == 2 && !project.is_waiting("svc", "x.lua")
    });
}

#[test]
fn going_back_to_an_earlier_version_is_a_third_apply() {
    let (project, mut node) = running();
    let (a, b) = ("seen[#seen + 1] = \"a\"\n", "seen[#seen + 1] = \"b\"\n");
    for patch in [a, b, a] {
        apply_well(&project, &mut node, patch);
        node.wait_until("the letterbox to be empty", |_| !project.is_waiting("svc", "x.lua"));
    }
    assert_eq!(node.ask(".svc", "\"seen\""), "a b a");
}

#[test]
fn a_patch_that_changes_nothing_has_no_effect() {
    let (project, mut node) = running();
    let summary = apply(&project, &mut node, "local nothing = 1 + 1\n");
    assert!(summary.starts_with("had no effect: "), "{summary}");
    node.wait_until("it to be archived", |_| {
        project.archived_patches("svc").len() == 1 && !project.is_waiting("svc", "x.lua")
    });
}

#[test]
fn a_local_that_no_function_uses_is_reached_too() {
    let source = SVC.replace("local seen = {}", "local idle = \"never captured\"\nlocal seen = {}");
    let project = Project::with_svc().service("svc", &source);
    let mut node = project.start();
    node.wait_line("ready");
    apply_well(&project, &mut node, "seen[1] = idle\nidle = nil\n");
    assert_eq!(node.ask(".svc", "\"seen\""), "never captured");
}

#[test]
fn a_global_that_was_never_set_is_a_warning_by_name() {
    let (project, mut node) = running();
    let mark = node.mark();
    apply_well(
        &project,
        &mut node,
        "function command.greet(name) return decoratte(name) end\n",
    );
    let line = node.wait_line_since(mark, "warning");
    assert!(line.contains("decoratte"), "{line}");
}
