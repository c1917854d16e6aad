//! Folders and files that others may write to: told in development, refused in production.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::svc::{GREETING, greet};
use crate::harness::{Mark, Node, Project};

fn chmod(project: &Project, path: &str, mode: u32) {
    fs::set_permissions(project.path(path), Permissions::from_mode(mode)).expect("the mode set");
}

fn production() -> Project {
    let project = Project::with_svc().set("node", "profile", "\"production\"");
    fs::create_dir(project.path("hotfix/svc")).expect("a folder");
    project
}

/// Starts the node, which does not come up; what it said.
#[track_caller]
fn refused(project: &Project) -> String {
    let mut node = project.spawn(&["run"]);
    assert_eq!(node.wait_exit(), 1);
    node.lines().join("\n")
}

fn started(project: &Project) -> Node {
    let mut node = project.start();
    node.wait_line("ready");
    node
}

#[test]
fn in_development_an_open_folder_is_told_once_and_works() {
    let project = Project::with_svc();
    chmod(&project, "hotfix", 0o777);
    let mut node = started(&project);
    let told = node.wait_line("may change what this node runs");
    assert_eq!(
        told,
        "warning: everybody may change what this node runs: hotfix may be written to by everybody (chmod o-w); in \
         production it would not start"
    );
    project.drop_file("svc", "x.lua", GREETING);
    assert!(
        node.wait_summary(Mark::START, "svc/x.lua")
            .starts_with("applied to 1 of 1")
    );
    let mark = node.mark();
    chmod(&project, "hotfix/svc", 0o777);
    project.drop_file("svc", "y.lua", GREETING.replace("day", "night"));
    assert!(node.wait_summary(mark, "svc/y.lua").starts_with("applied to 1 of 1"));
    assert_eq!(node.count(|line| line.contains("hotfix may be written")), 1);
    let later = "[hotfix] hotfix/svc may be written to by everybody, who so may change what runs (chmod o-w); in production its \
                 patches would wait";
    assert_eq!(node.count(|line| line == later), 1);
}

#[test]
fn a_production_node_does_not_start_where_everybody_may_write() {
    let project = production();
    fs::create_dir(project.path("archive")).expect("a folder");
    for folder in [".", "archive", "hotfix", "hotfix/svc", "services", "lualib"] {
        let mode = fs::metadata(project.path(folder))
            .expect("a folder")
            .permissions()
            .mode();
        chmod(&project, folder, 0o1777);
        let name = match folder {
            "." => project.path("").display().to_string().trim_end_matches('/').to_owned(),
            folder => folder.to_owned(),
        };
        let expected = format!(
            "error: a production node does not start where everybody may change what runs: {name} may be written to by \
             everybody (chmod o-w)"
        );
        assert_eq!(refused(&project), expected);
        chmod(&project, folder, mode);
    }
    assert_eq!(greet(&started(&project)), "<hello you>");
}

#[test]
fn a_production_node_does_not_start_with_files_that_everybody_may_write() {
    let project = production();
    for file in ["config.toml", "services/svc.lua"] {
        assert_eq!(greet(&started(&project)), "<hello you>");
        chmod(&project, file, 0o666);
        let mut node = project.spawn(&["run"]);
        assert_eq!(node.wait_exit(), 1);
        let said = node.lines().join("\n");
        assert!(
            said.contains(&format!(": {file} may be written to by everybody")),
            "{said}"
        );
        chmod(&project, file, 0o644);
    }
}

#[test]
fn a_link_is_judged_by_what_it_leads_to() {
    let project = production();
    fs::rename(project.path("services"), project.path("elsewhere")).expect("moved");
    symlink("elsewhere", project.path("services")).expect("a link");
    assert_eq!(greet(&started(&project)), "<hello you>");
    chmod(&project, "elsewhere", 0o777);
    let said = refused(&project);
    assert!(said.contains(": services may be written to by everybody"), "{said}");
}

#[test]
fn patches_in_a_folder_that_becomes_open_wait_in_production() {
    let project = production();
    let mut node = started(&project);
    for (folder, closed) in [("hotfix/svc", 0o755), ("hotfix", 0o755)] {
        let mark = node.mark();
        chmod(&project, folder, 0o777);
        project.drop_file("svc", "a.lua", "function command.a() return 'a' end\n");
        let refusal = format!(
            "[hotfix] refused: {folder} may be written to by everybody: its patches wait until that is over (chmod o-w)"
        );
        assert_eq!(node.wait_line_since(mark, "refused"), refusal);
        project.drop_file("svc", "b.lua", "function command.b() return 'b' end\n");
        node.stays_quiet(mark, "svc/");
        assert!(project.is_waiting("svc", "a.lua") && project.is_waiting("svc", "b.lua"));
        chmod(&project, folder, closed);
        for file in ["svc/a.lua", "svc/b.lua"] {
            let summary = node.wait_summary(mark, file);
            assert!(
                summary.starts_with("applied to 1 of 1") || summary.starts_with("unchanged"),
                "{summary}"
            );
        }
        let lines = node.lines_since(mark);
        assert_eq!(
            lines.iter().filter(|line| line.contains("refused")).count(),
            1,
            "{lines:#?}"
        );
    }
}

#[test]
fn a_patch_that_everybody_may_write_is_refused_in_production() {
    let project = production();
    let mut node = started(&project);
    let file = project.write("x.lua", GREETING);
    chmod(&project, "x.lua", 0o666);
    fs::rename(file, project.path("hotfix/svc/x.lua")).expect("dropped");
    node.wait_line(
        "[hotfix] refused: hotfix/svc/x.lua may be written to by everybody, which is refused in production (chmod o-w)",
    );
    assert_eq!(greet(&node), "<hello you>");
    let mark = node.mark();
    chmod(&project, "hotfix/svc/x.lua", 0o644);
    assert!(node.wait_summary(mark, "svc/x.lua").starts_with("applied to 1 of 1"));
}
