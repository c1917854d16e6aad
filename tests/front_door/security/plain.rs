//! Foreign text is shown as it stands: it moves no cursor, recolours nothing, and passes for no line of somebody else's.

use crate::harness::svc::{GREETING, SVC, running};
use crate::harness::{Mark, Node, Project, hotlua};

/// What no output may hold: control characters beside newline and tab, and changes of direction.
fn is_foul(character: char) -> bool {
    (character.is_control() && character != '\t') || ('\u{202a}'..='\u{202e}').contains(&character)
}

#[track_caller]
fn is_clean(node: &Node) {
    for line in node.lines() {
        assert!(!line.contains(is_foul), "{line:?}");
    }
}

/// A start service that says foul things, and starts a service with them.
const FOUL: &str = r#"
local skynet = require "skynet"
local foul = "\27[2Jred\27[31m\7\r\xc2\x9bx\u{202e}\xff"
skynet.start(function()
    print("print " .. foul .. "\nsecond")
    skynet.error("error " .. foul)
    skynet.newservice("svc", "args\n[hotfix] svc/x.lua" .. foul)
    print(pcall(skynet.newservice, "no\nsuch" .. foul))
    skynet.fork(function() error("raised " .. foul) end)
    print "ready"
end)
"#;

const SHOWN: &str = "\\x1b[2Jred\\x1b[31m\\x07\\x0d\\u{9b}x\\u{202e}\\xff";

#[test]
fn what_services_print_and_log_is_plain() {
    let project = Project::empty().service("main", FOUL).service("svc", SVC);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.wait_line("print "), format!("print {SHOWN}"));
    assert!(node.lines().iter().any(|line| line == "second"), "its lines stay lines");
    node.wait_line("] error \\x1b[2Jred\\x1b[31m\\x07\\x0d\\u{9b}x\\u{202e}");
    node.wait_line("raised \\x1b[2J");
    node.wait_line("LAUNCH snlua svc args [hotfix] svc/x.lua\\x1b[2J");
    assert_eq!(
        node.count(|line| line.starts_with("[hotfix]")),
        0,
        "nothing passes for a report"
    );
    let listed = node.console().cmd("list").succeeded();
    assert!(
        listed
            .iter()
            .any(|line| line.contains("\tsnlua svc args [hotfix] svc/x.lua\\x1b[2J")),
        "{listed:?}"
    );
    let stat = node.console().cmd("mem").succeeded();
    assert!(!stat.iter().any(|line| line.starts_with("[hotfix]")), "{stat:?}");
    for arguments in [&["list"][..], &["list", "--json"]] {
        let output = hotlua(&project, arguments);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.lines().all(|line| !line.contains(is_foul)), "{output:?}");
    }
    is_clean(&node);
}

#[test]
fn a_json_log_is_plain_and_means_the_same() {
    let project = Project::empty()
        .service("main", FOUL)
        .service("svc", SVC)
        .set("log", "format", "\"json\"");
    let mut node = project.start();
    node.wait_line("\"ready\"");
    is_clean(&node);
    let line = node.wait_line("print ");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        line["message"],
        "print \u{1b}[2Jred\u{1b}[31m\u{7}\r\u{9b}x\u{202e}\u{fffd}\nsecond"
    );
}

#[test]
fn what_a_patch_says_is_plain_and_one_line_where_it_is_one() {
    let (project, mut node) = running();
    let forged = "[hotfix] svc/other.lua applied to 1 of 1 instance: 1 function, 1 holder, 0.1 ms (patch 9, sha256 0…)";
    project.drop_file(
        "svc",
        "bad.lua",
        format!("print('\\27[2Jout\\u{{202e}}')\nerror('\\27[31mwhy\\n{forged}')\n"),
    );
    let summary = node.wait_summary(Mark::START, "svc/bad.lua");
    assert!(
        summary.starts_with("failed and undone: ") && summary.contains("\\x1b[31mwhy\\n[hotfix] svc/other.lua"),
        "{summary}"
    );
    project.drop_file(
        "svc",
        "good.lua",
        format!("-- reason: \u{1b}[1mwhy\u{202e}not\n{GREETING}-- \u{1b}[2J\u{202e}\n"),
    );
    assert!(node.wait_summary(Mark::START, "svc/good.lua").starts_with("applied"));
    node.wait_line("\\x1b[2Jout\\u{202e}");
    let reason = "release \u{202e}night";
    let frozen = hotlua(&project, &["freeze", "svc", "--reason", reason]);
    assert_eq!(frozen.code, 0, "{frozen:?}");
    project.drop_file("svc", "late.lua", GREETING);
    assert!(
        node.wait_summary(Mark::START, "svc/late.lua")
            .contains("\\u{202e}night")
    );
    for line in node.lines() {
        assert!(line == forged || !line.starts_with("[hotfix] svc/other.lua"), "{line}");
    }
    assert_eq!(node.count(|line| line == forged), 0);
    is_clean(&node);
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["history"],
        &["history", "--json"],
        &["show", "1"],
        &["show", "1", "--json"],
        &["show", "2"],
        &["show", "2", "--json"],
    ] {
        let output = hotlua(&project, arguments);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(
            output.stdout.lines().all(|line| !line.contains(is_foul)),
            "{arguments:?} {output:?}"
        );
    }
    let shown = hotlua(&project, &["history", "--json"]);
    assert!(shown.stdout.contains("release \\u202enight"), "{shown:?}");
    let mut console = node.console();
    for command in ["list", "history", "show 1", "show 2"] {
        let lines = console.cmd(command).succeeded();
        assert!(!lines.iter().any(|line| line.contains(is_foul)), "{lines:?}");
    }
    let journal = std::fs::read_to_string(project.path("archive/journal.jsonl")).expect("the journal");
    assert!(journal.lines().all(|line| !line.contains(is_foul)), "{journal:?}");
    assert!(journal.contains("release \\u202enight"));
}

#[test]
fn foul_names_of_files_and_folders_are_refused_by_their_escaped_names() {
    let (project, mut node) = running();
    for (folder, name, shown) in [
        ("svc", "a\nb.lua", "hotfix/svc/a\\nb.lua"),
        ("svc", "\u{202e}aul.x.lua", "hotfix/svc/\\u{202e}aul.x.lua"),
        ("svc", "\u{1b}[2J.lua", "hotfix/svc/\\x1b[2J.lua"),
        ("s\u{200f}vc", "x.lua", "hotfix/s\\u{200f}vc"),
    ] {
        project.drop_file(folder, name, GREETING);
        let line = node.wait_line(&format!("[hotfix] refused: {shown} "));
        assert!(
            line.contains("the name contains a control character; rename it"),
            "{line}"
        );
    }
    is_clean(&node);
}
