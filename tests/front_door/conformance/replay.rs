//! After a restart: what was active is applied again, source patches too, unless the source has changed meanwhile.

use super::driver::service;
use super::nodes::{apply, apply_to, restart, start, value};
use crate::harness::{Mark, Node, Project};

const BODY: &str =
    "local n = 0\nlocal MAX = 10\nfunction M.inc() n = n + 1 return n, MAX end\nfunction M.f() return 'v1' end";

fn running() -> (Project, Node) {
    let project = Project::empty().service("sheet", &service("sheet", BODY));
    let node = start(&project, &["sheet"]);
    (project, node)
}

fn v2() -> String {
    service(
        "sheet",
        &BODY.replace("n = n + 1", "n = n + 10").replace("MAX = 10", "MAX = 20"),
    )
}

#[test]
fn a_source_patch_is_replayed() {
    let (project, mut node) = running();
    apply_to(&project, &mut node, 1, "sheet", &v2());
    assert_eq!(value(&node, "sheet", "M.inc()"), "10 20");
    node.kill9();
    let mut node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "10 20");
    node.kill9();
    let node = restart(&project, &["--no-replay"]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "1 10");
}

#[test]
fn chunks_and_sources_are_replayed_in_their_order() {
    let (project, mut node) = running();
    apply(
        &project,
        &mut node,
        "sheet",
        "a.lua",
        "function M.f() return 'chunk' end\n",
    );
    apply(&project, &mut node, "sheet", "b.lua", v2());
    apply(&project, &mut node, "sheet", "c.lua", "MAX = 30\n");
    assert_eq!(value(&node, "sheet", "M.inc()"), "10 30");
    assert_eq!(value(&node, "sheet", "M.f()"), "chunk");
    assert_eq!(node.stop(), 0);
    let node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "10 30");
    assert_eq!(value(&node, "sheet", "M.f()"), "chunk");
}

#[test]
fn a_source_patch_is_retired_when_the_source_has_changed() {
    let (project, mut node) = running();
    apply_to(&project, &mut node, 1, "sheet", &v2());
    assert_eq!(node.stop(), 0);
    project.write(
        "services/sheet.lua",
        service("sheet", &BODY.replace("n = n + 1", "n = n + 500")),
    );
    let mut node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "500 10");
    node.wait_until("it in the journal", |_| {
        project.journal().iter().any(|line| line["event"] == "retired")
    });
}

#[test]
fn a_module_patch_is_replayed_and_retired_with_its_module() {
    let module = |version: &str| {
        format!("---@module \"tool\"\nlocal M = {{}}\nfunction M.f() return '{version}' end\nreturn M\n")
    };
    let body = "local tool = require 'tool'\nfunction M.go() return tool.f() end";
    let project = Project::empty()
        .file("lualib/tool.lua", module("v1"))
        .service("sheet", &service("sheet", body));
    let mut node = start(&project, &["sheet"]);
    apply_to(&project, &mut node, 1, "sheet", &module("v2"));
    assert_eq!(value(&node, "sheet", "M.go()"), "v2");
    node.kill9();
    let mut node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.go()"), "v2");
    assert_eq!(node.stop(), 0);
    project.write("lualib/tool.lua", module("v3"));
    let node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.go()"), "v3");
}

#[test]
fn what_was_rolled_back_is_not_replayed() {
    let (project, mut node) = running();
    apply_to(&project, &mut node, 1, "sheet", &v2());
    node.console().cmd("rollback sheet").succeeded();
    assert_eq!(value(&node, "sheet", "M.inc()"), "1 10");
    node.kill9();
    let node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "1 10");
}

#[test]
fn the_source_on_disk_that_holds_the_fix_retires_the_patch() {
    let (project, mut node) = running();
    apply_to(&project, &mut node, 1, "sheet", &v2());
    assert_eq!(node.stop(), 0);
    project.write("services/sheet.lua", v2());
    let mut node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "10 20");
    node.stays_quiet(Mark::START, "failed and undone");
}

#[test]
fn a_migration_is_replayed_with_its_patch_once() {
    let (project, mut node) = running();
    let patch = "local hotfix = require 'hotfix'\nhotfix.migrate(function() n = n + 1000 end)\n";
    apply_to(&project, &mut node, 1, "sheet", patch);
    assert_eq!(value(&node, "sheet", "M.inc()"), "1001 10");
    node.kill9();
    let node = restart(&project, &[]);
    assert_eq!(value(&node, "sheet", "M.inc()"), "1001 10");
}

#[test]
fn the_edited_file_on_disk_is_not_what_is_applied() {
    let (project, mut node) = running();
    // The patch was made from the text that runs; meanwhile somebody edits the file.
    project.write(
        "services/sheet.lua",
        service("sheet", &BODY.replace("'v1'", "'edited'")),
    );
    apply_to(
        &project,
        &mut node,
        1,
        "sheet",
        "function M.inc() return 'patched' end\n",
    );
    assert_eq!(value(&node, "sheet", "M.inc()"), "patched");
    assert_eq!(value(&node, "sheet", "M.f()"), "v1");
}
