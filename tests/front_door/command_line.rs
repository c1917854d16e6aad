//! The command line's own commands, which ask the node that runs: answers, exit codes, JSON, and the socket between the two.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;

use crate::harness::svc::{GREETING, SVC, greet, running};
use crate::harness::{Mark, Project, hotlua};

const BAD: &str = "function command.greet(name) return decorate(\"x\" end\n";

/// What `hotlua … --json` prints.
#[track_caller]
fn json(project: &Project, arguments: &[&str], code: i32) -> Value {
    let output = hotlua(project, &[arguments, &["--json"]].concat());
    assert_eq!(output.code, code, "{output:?}");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn without_a_node_every_command_says_so() {
    let project = Project::with_svc().file("fix.lua", GREETING);
    for arguments in [
        &["list"][..],
        &["inject", "svc", "fix.lua"],
        &["check", "svc", "fix.lua"],
        &["history"],
        &["show", "1"],
        &["rollback", "svc"],
        &["restart", "svc"],
        &["freeze"],
        &["unfreeze"],
    ] {
        let output = hotlua(&project, arguments);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(
            output.stderr.starts_with("error: cannot reach the node at "),
            "{output:?}"
        );
        assert!(output.stderr.contains("start it with `hotlua run`"), "{output:?}");
    }
    let missing = hotlua(&project, &["inject", "svc", "nothere.lua"]);
    assert_eq!(
        (missing.code, missing.stderr.as_str()),
        (2, "error: cannot send nothere.lua: there is no file nothere.lua\n")
    );
    assert_eq!(hotlua(&project, &["show"]).code, 2);
    assert_eq!(hotlua(&project, &["list", "--config", "nothere.toml"]).code, 64);
}

#[test]
fn a_patch_is_checked_injected_shown_and_taken_back() {
    let (project, node) = running();
    project.write("fix.lua", format!("-- reason: be polite\n{GREETING}"));
    let checked = hotlua(&project, &["check", "svc", "fix.lua"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked
            .stdout
            .starts_with("[check] svc/fix.lua would be applied to 1 of 1 instance: "),
        "{checked:?}"
    );
    assert_eq!(greet(&node), "<hello you>");

    let injected = hotlua(&project, &["inject", "svc", "fix.lua"]);
    assert_eq!(injected.code, 0, "{injected:?}");
    assert!(
        injected
            .stdout
            .starts_with("[hotfix] svc/fix.lua applied to 1 of 1 instance: "),
        "{injected:?}"
    );
    assert!(
        injected.stdout.contains("\n--- services/svc.lua\n+++ fix.lua\n"),
        "{injected:?}"
    );
    assert!(!injected.stdout.contains('\x1b'), "no colours without a terminal");
    assert_eq!(greet(&node), "<good day you>");

    let listed = hotlua(&project, &["list"]);
    let svc = listed
        .stdout
        .lines()
        .find(|line| line.contains(" svc "))
        .expect("a line");
    assert!(svc.ends_with("1 fix.lua"), "{listed:?}");
    assert!(listed.stdout.starts_with("HANDLE "), "{listed:?}");

    let history = hotlua(&project, &["history", "svc"]).stdout;
    for part in [
        "svc/fix.lua (patch 1): applied by ",
        "\n  why: be polite\n",
        "\n  changed: command.greet\n",
        "\n  runs in 1 instance now\n",
    ] {
        assert!(history.contains(part), "{part:?} in {history}");
    }
    let shown = hotlua(&project, &["show", "1"]).stdout;
    assert!(
        shown.starts_with("patch 1: svc/fix.lua\n") && shown.contains("\n+++ fix.lua\n"),
        "{shown}"
    );
    assert!(shown.contains("why       be polite"), "{shown}");

    let back = hotlua(&project, &["rollback", "svc", "1"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(greet(&node), "<hello you>");
    let history = hotlua(&project, &["history", "svc"]).stdout;
    assert!(
        history.contains("\n  rolled back since\n") && history.contains("rolled-back by "),
        "{history}"
    );
    let again = hotlua(&project, &["rollback", "svc"]);
    assert_eq!((again.code, again.stderr.as_str()), (1, "no patch of svc is live\n"));
}

#[test]
fn what_is_not_done_is_exit_code_1_and_says_why() {
    let (project, node) = running();
    project.write("bad.lua", BAD);
    project.write("nothing.lua", "local x = 1\n");
    project.write("print.lua", "print(...)\n");
    for (arguments, why) in [
        (&["inject", "svc", "bad.lua"][..], "rejected: bad.lua:1: "),
        (&["inject", "svc", "nothing.lua"], "had no effect"),
        (&["check", "svc", "bad.lua"], "would be rejected: bad.lua:1: "),
        (&["inject", "nothere", "bad.lua"], "no instance of nothere is running"),
        (&["inject", ":0000ffff", "bad.lua"], "no such instance"),
        (&["show", "99"], "there is no patch 99"),
        (&["rollback", "svc", "99"], "there is no patch 99"),
        (&["restart", "nothere"], "no instance of nothere is running"),
        (&["unfreeze", "svc"], "svc is not frozen"),
    ] {
        let output = hotlua(&project, arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (1, ""),
            "{arguments:?} {output:?}"
        );
        assert!(output.stderr.contains(why), "{output:?}");
    }
    assert_eq!(greet(&node), "<hello you>");
    // Arguments arrive as they are, also with spaces and, behind `--`, with dashes; what is printed comes first.
    let arguments = ["inject", ".svc", "print.lua", "a b", "-3", "--", "-x", "--json"];
    let output = hotlua(&project, &arguments);
    assert!(
        output
            .stdout
            .starts_with("a b\t-3\t-x\t--json\n[hotfix] svc/print.lua applied"),
        "{output:?}"
    );
    let told = json(&project, &["inject", ".svc", "print.lua", "a b"], 0);
    assert_eq!(told["output"], "a b\n", "options stand behind arguments, too");
}

#[test]
fn only_regular_files_are_sent() {
    let (project, _node) = running();
    let pipe = project.path("pipe.lua");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    for (file, why) in [
        ("pipe.lua", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("services", "it is a directory; name one file"),
    ] {
        for command in ["inject", "check"] {
            let output = hotlua(&project, &[command, "svc", file]);
            let expected = format!("error: cannot send {file}: {why}\n");
            assert_eq!((output.code, output.stderr), (2, expected));
        }
    }
}

#[test]
fn the_json_is_as_documented() {
    let (project, mut node) = running();
    project.write("fix.lua", GREETING);
    project.write("bad.lua", BAD);
    let documented = fs::read_to_string(crate::harness::repository().join("docs/operating.md")).expect("the document");
    let mut seen = Vec::new();
    let told = json(&project, &["inject", "svc", "fix.lua"], 0);
    assert_eq!(
        (&told["done"], &told["patches"], &told["status"]),
        (&true.into(), &vec![1].into(), &"applied".into())
    );
    seen.push(told.clone());
    seen.push(told["instances"][0].clone());
    seen.push(told["functions"][0].clone());
    let bad = json(&project, &["inject", "svc", "bad.lua"], 1);
    assert_eq!((&bad["done"], &bad["status"]), (&false.into(), &"rejected".into()));
    assert_eq!(keys(&bad), keys(&told), "one form whatever happens");
    let refused = json(&project, &["inject", "nothere", "bad.lua"], 1);
    assert_eq!(keys(&refused), ["error"]);
    seen.push(refused);
    let list = json(&project, &["list"], 0);
    seen.push(list.clone());
    let svc = list["instances"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["service"] == "svc")
        .expect("svc");
    assert_eq!(svc["patches"][0]["patch"], 1);
    assert!(svc["memory"].as_u64().is_some_and(|memory| memory > 10_000), "{svc}");
    seen.push(svc.clone());
    let history = json(&project, &["history"], 0);
    seen.push(history["events"][0].clone());
    let shown = json(&project, &["show", "1"], 0);
    assert_eq!(shown["text"], GREETING);
    seen.push(shown.clone());
    seen.push(shown["patch"].clone());
    json(&project, &["freeze", "svc", "--reason=night"], 0);
    let frozen = json(&project, &["list"], 0)["frozen"][0].clone();
    assert_eq!(
        (&frozen["service"], &frozen["reason"]),
        (&"svc".into(), &"night".into())
    );
    seen.push(frozen);
    project.drop_file("nobody", "x.lua", GREETING);
    node.wait_summary(Mark::START, "nobody/x.lua");
    for command in ["list", "history"] {
        let waiting = json(&project, &[command], 0)["waiting"].clone();
        assert_eq!(
            (&waiting[0]["service"], &waiting[0]["name"]),
            (&"nobody".into(), &"x.lua".into())
        );
        seen.push(waiting[0].clone());
    }
    seen.push(json(&project, &["history"], 0));
    for value in seen {
        for key in keys(&value) {
            assert!(
                documented.contains(&format!("`{key}`")),
                "docs/operating.md does not tell of `{key}`"
            );
        }
    }
}

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_the_node() {
    let (project, mut node) = running();
    let socket = project.path("archive/.control/control.sock");
    let metadata = fs::metadata(&socket).expect("the socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(project.path("archive/.control")).expect("its folder");
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    // One that a killed node left behind is in nobody's way.
    node.kill9();
    assert!(socket.exists());
    assert_eq!(hotlua(&project, &["list"]).code, 2);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(hotlua(&project, &["list"]).code, 0);
    assert_eq!(node.stop(), 0);
    assert!(!project.path("archive/.control").exists());
}

#[test]
fn a_link_in_the_place_of_the_sockets_folder_is_not_followed() {
    let project = Project::with_svc();
    let elsewhere = project.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::write(elsewhere.join("precious"), "").expect("a file");
    fs::create_dir(project.path("archive")).expect("a folder");
    std::os::unix::fs::symlink(&elsewhere, project.path("archive/.control")).expect("a link");
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(hotlua(&project, &["list"]).code, 0);
    let folder = fs::symlink_metadata(project.path("archive/.control")).expect("its folder");
    assert!(folder.is_dir(), "the link is gone");
    assert_eq!(node.stop(), 0);
    let left: Vec<_> = fs::read_dir(&elsewhere).expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing came and nothing went");
}

#[test]
fn a_project_may_lie_deep_and_the_config_be_named_from_elsewhere() {
    let project = Project::empty();
    let deep = Path::new(&"d".repeat(120)).join("e".repeat(120));
    let main = "require(\"skynet\").start(function() print \"ready\" end)";
    project.write(&format!("{}/services/main.lua", deep.display()), main);
    project.write(&format!("{}/config.toml", deep.display()), "[console]\nlisten = \"\"\n");
    let config = format!("{}/config.toml", deep.display());
    let mut node = project.spawn(&["run", "--config", &config]);
    node.wait_line("ready");
    let listed = hotlua(&project, &["list", "--config", &config]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.stdout.contains(" main"), "{listed:?}");
}

#[test]
fn many_clients_at_once_are_all_answered() {
    let (project, node) = running();
    let project = &project;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|number| {
                project.write(
                    &format!("f{number}.lua"),
                    format!("function command.f{number}() return \"{number}\" end\n"),
                );
                scope.spawn(move || {
                    let injected = hotlua(project, &["inject", "svc", &format!("f{number}.lua")]);
                    (injected, hotlua(project, &["list"]), hotlua(project, &["history"]))
                })
            })
            .collect();
        for client in clients {
            let (injected, listed, history) = client.join().expect("no panic");
            assert_eq!((injected.code, listed.code, history.code), (0, 0, 0), "{injected:?}");
        }
    });
    for number in 0..8 {
        assert_eq!(node.ask(".svc", &format!("\"f{number}\"")), number.to_string());
    }
}

#[test]
fn a_stuck_instance_hangs_nobody() {
    let project = Project::with_svc().service("loop", "while true do end");
    let mut node = project.start();
    node.wait_line("ready");
    let mut console = node.console();
    console.send("start loop\n");
    node.wait_until("the loop to run", |node| {
        node.console().cmd("list").text().contains("loop")
    });
    let listed = hotlua(&project, &["list"]);
    assert!(listed.code == 0 && listed.stdout.contains(" loop "), "{listed:?}");
    let handle = listed
        .stdout
        .lines()
        .find(|line| line.contains(" loop "))
        .and_then(|line| line.split(' ').next());
    node.console()
        .cmd(&format!("kill {}", handle.expect("its handle")))
        .succeeded();
}

#[test]
fn completions_and_the_manual_come_from_the_definitions() {
    let project = Project::empty();
    for (arguments, parts) in [
        (&["completions", "bash"][..], &["hotlua", "rollback", "--no-replay"][..]),
        (&["completions", "zsh"], &["#compdef hotlua", "rollback"]),
        (&["completions", "fish"], &["complete -c hotlua", "rollback"]),
        (
            &["man"],
            &[".TH hotlua", "rollback", "hotlua-inject", "\\-\\-no\\-replay"],
        ),
        (&["--help"], &["rollback", "Exit codes"]),
        (&["inject", "--help"], &["patch file", "--json"]),
    ] {
        let output = hotlua(&project, arguments);
        assert_eq!(output.code, 0, "{arguments:?}");
        for part in parts {
            assert!(
                output.stdout.contains(part),
                "{part} in {arguments:?}: {}",
                output.stdout
            );
        }
    }
    let script = project.write("completions", hotlua(&project, &["completions", "bash"]).stdout);
    if let Ok(status) = std::process::Command::new("bash").arg("-n").arg(script).status() {
        assert!(status.success(), "bash reads its completions");
    }
    assert_eq!(hotlua(&project, &["completions", "nothere"]).code, 2);
}

#[test]
fn a_large_fleet_is_listed_and_tells_how_far_a_patch_is() {
    let many = r#"
        local skynet = require "skynet"
        skynet.start(function()
            for i = 1, 300 do skynet.newservice("svc", i) end
            print "ready"
        end)"#;
    let project = Project::empty()
        .service("main", many)
        .service("svc", SVC)
        .file("fix.lua", GREETING);
    let mut node = project.start();
    node.wait_line("ready");
    let injected = hotlua(&project, &["inject", "svc", "fix.lua"]);
    assert!(
        injected
            .stdout
            .starts_with("[hotfix] svc/fix.lua applied to 300 of 300 instances: "),
        "{injected:?}"
    );
    assert_eq!(injected.stderr, "", "progress is for terminals");
    let listed = hotlua(&project, &["list"]).stdout;
    assert_eq!(listed.lines().filter(|line| line.ends_with(" 1 fix.lua")).count(), 300);
}
