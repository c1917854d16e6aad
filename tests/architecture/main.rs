//! The rules of the house, held by a test: who may use whom, where what is dangerous may live, and how large things
//! may grow. Change a rule here together with `ARCHITECTURE.md`, and say there why.

mod form;
mod imports;
mod source;

use std::collections::BTreeMap;
use std::fs;

use crate::source::Source;

/// Each room of `src` (a file or a folder there), and the rooms it may use. Who is not named here does not exist.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "main",
        &["app", "cli", "client", "config", "failpoint", "log", "project"],
    ),
    ("failpoint", &[]),
    ("fuzz", &["config", "control", "hotfix", "lua", "patch", "plain"]),
    ("lib", &[]),
    ("cli", &["config", "control"]),
    ("config", &[]),
    (
        "app",
        &[
            "cli", "config", "log", "actor", "lua", "patch", "watch", "hotfix", "control", "dev", "plain", "trust",
        ],
    ),
    ("log", &["config", "plain"]),
    ("actor", &["plain"]),
    ("lua", &["actor", "patch", "plain"]),
    ("patch", &["plain"]),
    ("plain", &[]),
    ("project", &[]),
    ("trust", &[]),
    ("watch", &["plain", "trust"]),
    ("hotfix", &["failpoint", "watch", "patch", "actor", "plain", "trust"]),
    ("control", &["actor", "hotfix", "plain", "trust"]),
    ("client", &["cli", "config", "control", "log", "patch", "plain"]),
    ("dev", &["actor", "watch", "hotfix", "patch", "plain"]),
];

/// Crates that one place alone knows, so that it can be replaced there.
const ONLY_IN: &[(&str, &str)] = &[
    ("mlua", "src/lua"),
    ("notify", "src/watch"),
    ("rusqlite", "src/hotfix/history"),
    ("toml", "src/config"),
];

/// Where unsafe code may live: the Lua boundary, and the system calls of the file lease.
const UNSAFE_IN: &[&str] = &["src/lua/", "src/watch/lease"];

/// Lines of one file.
const MAX_FILE_LINES: usize = 500;

/// Lines of one function, from its signature to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// Fails with all findings, one per line.
fn hold(findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn in_src() -> Vec<Source> {
    source::rust_files(&["src"])
}

fn everywhere() -> Vec<Source> {
    source::rust_files(&["src", "tests", "benches", "examples"])
}

#[test]
fn rooms_use_only_whom_they_may() {
    hold(in_src().iter().flat_map(|file| imports::directions(file, ROOMS)));
}

#[test]
fn the_table_of_rooms_has_no_cycle() {
    let graph = ROOMS.iter().map(|(room, may_use)| {
        let used = may_use.iter().map(|used| used.to_string()).collect();
        (room.to_string(), used)
    });
    hold(imports::cycle(&graph.collect()).map(|cycle| format!("rooms use each other: {cycle}")));
}

#[test]
fn no_two_modules_of_a_room_need_each_other() {
    let files = in_src();
    let graph: BTreeMap<String, Vec<String>> = files
        .iter()
        // A room's own `mod.rs` declares its modules and holds what they share.
        .filter(|file| !file.path.ends_with("/mod.rs"))
        .map(|file| (file.path.clone(), imports::modules_used(file, &files)))
        .collect();
    hold(imports::cycle(&graph).map(|cycle| format!("modules use each other: {cycle}")));
}

#[test]
fn one_place_alone_knows_a_foreign_crate() {
    hold(in_src().iter().flat_map(|file| imports::foreign_crates(file, ONLY_IN)));
}

#[test]
fn unsafe_code_is_where_it_may_be_and_says_why() {
    hold(everywhere().iter().flat_map(|file| form::unsafe_code(file, UNSAFE_IN)));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    hold(
        everywhere()
            .iter()
            .flat_map(|file| form::file_form(file, MAX_FILE_LINES)),
    );
}

#[test]
fn functions_are_short() {
    hold(
        everywhere()
            .iter()
            .flat_map(|file| form::function_sizes(file, MAX_FUNCTION_LINES)),
    );
}

#[test]
fn nothing_is_left_lying_about() {
    let lua = source::files(&["lualib", "services", "examples", "tests"], ".lua");
    hold(everywhere().iter().chain(&lua).flat_map(form::leftovers));
}

#[test]
fn imports_are_explicit() {
    hold(everywhere().iter().flat_map(imports::globs));
}

#[test]
fn a_silenced_lint_has_a_reason() {
    hold(everywhere().iter().flat_map(form::silenced_lints));
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let documents = source::files(&["hotfix", "docs", "examples"], ".md");
    let at_the_root = source::files_at_the_root(".md");
    assert!(!at_the_root.is_empty(), "there is a README");
    hold(documents.iter().chain(&at_the_root).flat_map(form::dead_links));
}

/// The shipped scripts are what people copy first, so they have to be whole.
#[test]
fn the_letterbox_ships() {
    for path in ["hotfix/simpledb/README.md", "examples/patches/do_test.lua"] {
        let text = fs::read_to_string(source::root().join(path));
        assert!(text.is_ok_and(|text| !text.is_empty()), "{path} is missing");
    }
}
