//! The pages for people, taken at their word. Each is run in a project and a node of its own, from top to bottom:
//!
//! - a block of `sh` is run in the project, with `hotlua` on the path, and must succeed;
//! - a comment before a block says what is done with it: `file: PATH`, `drop: SERVICE/NAME says: …`, `inject: ADDRESS NAME says: …`,
//!   `sh: says: …`, `log: WHEN` (its lines are printed by the node), `session: WHERE` (a connection to the console), `not run: WHY`;
//! - a comment alone is a step: `ask: [.NAME] VALUES gives: …`, `console: COMMAND says: …`, `fails: COMMAND says: …`, `wait: TEXT`;
//! - `project: shipped` at the top: the project is this repository's own example; `project: new`: what `hotlua new` makes;
//! - `node: dev`: the node runs in dev mode; the block below shows how it was started.
//!
//! A block of `lua` or `sh` that nothing is said about, and that is not run, is an error.

mod page;
mod reader;
mod skynet;

use std::fs;

use crate::harness::repository;
use page::{items, text_of};
use reader::run;

#[test]
fn the_readme_is_true() {
    run("README.md");
}

#[test]
fn the_readme_in_chinese_has_the_same_blocks_and_is_true() {
    let blocks = |page: &str| -> Vec<String> {
        let steps = items(&text_of(page)).into_iter();
        steps.map(|item| format!("{item:?}")).collect()
    };
    assert_eq!(blocks("README.zh-CN.md"), blocks("README.md"));
    run("README.zh-CN.md");
}

#[test]
fn the_readme_of_a_new_project_is_true() {
    run("src/project/template/README.md");
}

#[test]
fn the_page_about_patches_is_true() {
    run("docs/patches.md");
}

#[test]
fn the_page_about_what_survives_is_true() {
    run("docs/what-survives.md");
}

#[test]
fn the_page_about_operating_is_true() {
    run("docs/operating.md");
}

#[test]
fn the_page_about_performance_is_true() {
    run("docs/performance.md");
}

#[test]
fn the_page_about_dev_mode_is_true() {
    run("docs/dev-mode.md");
}

#[test]
fn the_page_about_skynet_is_true() {
    run("docs/coming-from-skynet.md");
}

#[test]
fn every_page_is_run() {
    let own = fs::read_to_string(repository().join("tests/front_door/docs/mod.rs")).expect("this file");
    for entry in fs::read_dir(repository().join("docs")).expect("the pages") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let is_run = own.contains(&format!("(\"docs/{name}\")"));
        assert!(is_run || !name.ends_with(".md"), "{name} is not run");
    }
}

/// The anchor that a heading gets where pages are shown.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .replace(|c: char| !c.is_alphanumeric() && c != ' ' && c != '-', "");
    kept.trim().replace(' ', "-")
}

#[test]
fn links_into_a_page_lead_to_a_heading() {
    let mut seen = 0;
    for entry in fs::read_dir(repository().join("docs")).expect("the pages") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if !name.ends_with(".md") {
            continue;
        }
        let text = text_of(&format!("docs/{name}"));
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for (page, wanted) in targets.filter_map(|target| target.split_once('#')) {
            let page = if page.is_empty() { &name } else { page };
            let there = text_of(&format!("docs/{page}"));
            let mut headings = there.lines().filter_map(|line| line.strip_prefix("## "));
            assert!(
                headings.any(|heading| anchor(heading) == wanted),
                "{name}: {page}#{wanted}"
            );
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn what_the_page_about_trouble_quotes_is_what_the_program_says() {
    run("docs/troubleshooting.md");
    let mut sources = String::new();
    let mut open = vec![repository().join("src"), repository().join("lualib")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else {
            // A text that goes on in the next line of the source goes on without a break.
            let text = fs::read_to_string(&path).expect("a source");
            let joined: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            sources.push_str(&joined.concat());
        }
    }
    let page = text_of("docs/troubleshooting.md");
    let quoted: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'))
        .collect();
    assert!(quoted.len() >= 10, "{quoted:?}");
    for message in quoted {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(sources.contains(part), "nobody says {part:?} (of {message:?})");
        }
    }
}
