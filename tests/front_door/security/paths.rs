//! No name that a peer gives leads out of the folder that it belongs to.

use serde_json::{Value, json};

use crate::control_socket::exchange;
use crate::harness::svc::{GREETING, greet, running};
use crate::harness::{Project, hotlua};

/// A request to the control socket, with a patch.
fn upload(line: &str, label: &str, patch: &str) -> Vec<u8> {
    let head = json!({ "label": label, "size": patch.len(), "args": [] });
    format!("{}\n{patch}", json!({ "version": 1, "line": line, "upload": head })).into_bytes()
}

fn reply(project: &Project, request: &[u8]) -> (bool, String) {
    let lines = exchange(project, request);
    let reply: &Value = &lines.last().expect("an answer")["reply"];
    let text = reply["text"].as_str().expect("a text");
    (reply["ok"] == true, text.to_owned())
}

#[test]
fn a_service_lies_below_the_folders_of_services() {
    let (project, node) = running();
    project.write("evil.lua", "io.open('ran', 'w'):close()\n");
    project.write(
        "services/deep/svc.lua",
        "print 'deep' require('skynet').start(function() end)\n",
    );
    let absolute = project.path("evil").display().to_string();
    for name in [
        "../evil",
        "deep/../../evil",
        &absolute,
        "./svc",
        "deep//svc",
        "..",
        "svc/",
    ] {
        let said = node.console().cmd(&format!("start {name}")).failed();
        assert!(
            said.contains(&format!("`{name}` can be no service's name")),
            "{name}: {said}"
        );
    }
    node.console().cmd("start deep/svc").succeeded();
    assert!(!project.path("ran").exists());
}

#[test]
fn the_node_reads_patches_below_its_config_file_only() {
    let (project, node) = running();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let foreign = elsewhere.path().join("x.lua");
    std::fs::write(&foreign, GREETING).expect("a file");
    std::os::unix::fs::symlink(&foreign, project.path("link.lua")).expect("a link");
    let foreign = foreign.display().to_string();
    for file in [foreign.as_str(), "../x.lua", "link.lua", "/etc/passwd"] {
        for command in ["inject", "check"] {
            let said = node.console().cmd(&format!("{command} svc {file}")).failed();
            assert!(
                said.starts_with(&format!("Can't open {file}: it is not below ")),
                "{said}"
            );
        }
    }
    assert_eq!(greet(&node), "<hello you>");
    // The command line reads with its own user's rights.
    let injected = hotlua(&project, &["inject", "svc", &foreign]);
    assert_eq!(injected.code, 0, "{injected:?}");
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn what_comes_by_the_control_socket_stays_in_its_place() {
    let (project, node) = running();
    let before = names_in(&project, ".");
    let (ok, said) = reply(&project, &upload("inject svc", "../../../tmp/x.lua", GREETING));
    assert!(ok, "{said}");
    let archived = project.archived("svc");
    assert!(
        archived.len() == 2 && archived.iter().all(|name| name.contains("-x.")),
        "{archived:?}"
    );
    for (line, label, why) in [
        ("inject ../svc", "x.lua", "nobody is called ../svc"),
        ("inject /svc", "x.lua", "no instance of /svc is running"),
        ("inject svc", "..", "the name \"\" cannot be used: it is empty"),
        ("inject svc", "/", "the name \"\" cannot be used: it is empty"),
        ("inject svc", "a\nb.lua", "its name holds control characters"),
        ("inject svc", "x\0.lua", "its name holds control characters"),
        ("inject svc", "\u{202e}aul.x", "its name holds control characters"),
        ("inject svc\nlist", "x.lua", "the line holds control characters"),
        ("inject svc\0", "x.lua", "the line holds control characters"),
    ] {
        let (ok, said) = reply(&project, &upload(line, label, GREETING));
        assert!(!ok && said.contains(why), "{line:?} {label:?}: {said}");
    }
    for line in [
        "history ../svc",
        "freeze ../svc",
        "unfreeze ../svc",
        "rollback ../svc",
        "restart ../svc",
        "show ../1",
    ] {
        reply(
            &project,
            format!("{}\n", json!({ "version": 1, "line": line, "upload": null })).as_bytes(),
        );
    }
    assert_eq!(project.archived("svc"), archived);
    assert_eq!(
        names_in(&project, "archive")
            .iter()
            .filter(|name| !name.starts_with("history"))
            .count(),
        4
    );
    assert_eq!(names_in(&project, "."), before);
    assert_eq!(greet(&node), "<good day you>");
}

fn names_in(project: &Project, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(project.path(folder)).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
