//! `kill -9` after each durable step, with and without a save at that moment.

use std::fs;

use super::{check_books, left, seen, trace};
use crate::harness::{Node, Project};

/// What the node does last before it is killed.
#[derive(Clone, Copy)]
enum Step {
    /// It has not written down what became of the patch: it never happened.
    Before(&'static str),
    /// It has: the patch is live in every life from then on.
    After(&'static str),
}

use Step::{After, Before};

fn run(project: &Project) -> Node {
    let mut node = project.start();
    node.wait_line("ready");
    node
}

/// A node that stops at a place, with the words of the place.
fn stopping(project: &Project, place: &str) -> (Node, String) {
    let variable = format!("HOTLUA_STOP_AT={place}");
    let node = Node::spawn_by(&["env", &variable], &project.path("."), &["run"]);
    let name = place.split(':').next().unwrap_or(place);
    (node, format!("stopped at {name}"))
}

fn killed_at(step: Step, is_saved_again: bool, drop: impl Fn(&Project, &str)) {
    let (Before(place) | After(place)) = step;
    let project = Project::with_svc();
    let (mut node, stopped) = stopping(&project, place);
    node.wait_line("ready");
    drop(&project, "one");
    node.wait_line(&stopped);
    if is_saved_again {
        drop(&project, "two");
    }
    node.kill9();

    let mut node = run(&project);
    let expected = match (step, is_saved_again) {
        (_, false) => "one",
        (Before(_), true) => "two",
        (After(_), true) => "one two",
    };
    node.wait_until("the patches to be live", |node| seen(node) == expected);
    node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
    check_books(&project);
    node.kill9();

    // Another life: the newest version of each name, once.
    let node = run(&project);
    let last = expected.split(' ').next_back().expect("one at least");
    assert_eq!(seen(&node), last);
    check_books(&project);
}

fn in_place(project: &Project, word: &str) {
    project.drop_file("svc", "x.lua", trace(word));
}

/// A file with a second name cannot be moved into the archive as it is.
fn by_a_link(project: &Project, word: &str) {
    let other = project.write(&format!("other-{word}.lua"), trace(word));
    fs::create_dir_all(project.path("hotfix/svc")).expect("the letterbox");
    let aside = project.path("hotfix/svc/.new");
    fs::hard_link(other, &aside).expect("a second name");
    fs::rename(aside, project.path("hotfix/svc/x.lua")).expect("in its place");
}

macro_rules! crashes {
    ($($name:ident: $step:expr, $drop:expr;)*) => {
        mod alone {
            use super::{After, Before, by_a_link, in_place, killed_at};
            $(#[test] fn $name() { killed_at($step, false, $drop); })*
        }
        mod with_a_save_at_that_moment {
            use super::{After, Before, by_a_link, in_place, killed_at};
            $(#[test] fn $name() { killed_at($step, true, $drop); })*
        }
    };
}

crashes! {
    after_the_file_was_read: Before("read"), in_place;
    after_the_intent: Before("intent"), in_place;
    after_it_ran: Before("applied"), in_place;
    after_the_result: After("result"), in_place;
    after_the_journal: After("journal"), in_place;
    after_the_claim: After("claim"), in_place;
    after_the_second_look: After("reread"), in_place;
    after_the_move: After("moved"), in_place;
    in_the_middle_of_the_diff: After("temporary"), in_place;
    after_the_archive_was_written: After("stored"), in_place;
    after_it_was_filed: After("archived"), in_place;
    in_the_middle_of_the_copy: After("temporary"), by_a_link;
    before_the_copied_file_is_removed: After("copied"), by_a_link;
}

/// Killed once after `first`, and again while the next start mends that.
fn killed_again_at(first: &str, second: &str, expected: &str) {
    let project = Project::with_svc();
    let (mut node, stopped) = stopping(&project, first);
    node.wait_line("ready");
    in_place(&project, "one");
    node.wait_line(&stopped);
    node.kill9();
    let (mut node, stopped) = stopping(&project, second);
    node.wait_line(&stopped);
    node.kill9();
    let mut node = run(&project);
    node.wait_until("the patch to be live", |node| seen(node) == expected);
    node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
    check_books(&project);
}

#[test]
fn killed_again_while_a_claim_is_finished() {
    for second in ["moved", "archived", "claims", "abandoned", "result"] {
        killed_again_at("claim", second, "one");
    }
}

#[test]
fn killed_again_while_a_patch_without_a_verdict_is_closed() {
    for second in ["claims", "abandoned", "intent", "claim"] {
        killed_again_at("applied", second, "one");
    }
}

#[test]
fn a_rollback_holds_from_the_moment_that_it_is_written_down() {
    for (place, expected) in [("taken-back", "one"), ("result:2", "")] {
        let project = Project::with_svc();
        let (mut node, stopped) = stopping(&project, place);
        node.wait_for_console();
        node.wait_line("ready");
        in_place(&project, "one");
        node.wait_until("the letterbox to be empty", |_| left(&project).is_empty());
        node.console().send("rollback svc\n");
        node.wait_line(&stopped);
        node.kill9();
        let node = run(&project);
        assert_eq!(seen(&node), expected, "killed at {place}");
        check_books(&project);
    }
}
