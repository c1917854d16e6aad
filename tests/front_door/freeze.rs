//! Freezes: nobody's patch goes in until they are lifted, visibly, also across restarts; and the files that wait meanwhile.

use crate::harness::svc::{GREETING, greet, running};
use crate::harness::{Project, hotlua};

#[test]
fn a_freeze_lets_patches_wait_across_restarts() {
    let (project, mut node) = running();
    project.write("fix.lua", GREETING);
    let frozen = hotlua(&project, &["freeze", "svc", "--reason", "release night"]);
    assert!(
        frozen.code == 0 && frozen.stdout.contains("svc is frozen since "),
        "{frozen:?}"
    );
    let mark = node.mark();
    project.drop_file("svc", "x.lua", GREETING);
    let waiting = node.wait_summary(mark, "svc/x.lua");
    assert!(
        waiting.starts_with("waiting: svc is frozen since ") && waiting.contains("release night"),
        "{waiting}"
    );
    let refused = hotlua(&project, &["inject", "svc", "fix.lua"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("release night"),
        "{refused:?}"
    );
    let refused = hotlua(&project, &["restart", "svc"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("release night"),
        "{refused:?}"
    );
    for command in ["list", "history"] {
        let shown = hotlua(&project, &[command]).stdout;
        assert!(
            shown.contains("\nwaiting: svc/x.lua: svc is frozen since ") && shown.contains("release night"),
            "{shown}"
        );
    }
    let rows = node.console().cmd("list").text();
    assert!(rows.ends_with("\tsnlua svc"), "one line per service: {rows}");
    assert!(node.console().cmd("history").text().contains("\nwaiting: svc/x.lua: "));
    // Looking is free, and another service is not concerned.
    assert_eq!(hotlua(&project, &["check", "svc", "fix.lua"]).code, 0);
    assert_eq!(greet(&node), "<hello you>");
    node.kill9();
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_line("svc/x.lua waiting: svc is frozen since ");
    assert!(hotlua(&project, &["list"]).stdout.contains("frozen: svc, since "));
    assert_eq!(hotlua(&project, &["freeze", "svc"]).code, 1, "it is frozen already");
    let mark = node.mark();
    let unfrozen = hotlua(&project, &["unfreeze", "svc"]);
    assert!(
        unfrozen.code == 0 && unfrozen.stdout.ends_with("\n  goes now: svc/x.lua\n"),
        "{unfrozen:?}"
    );
    assert!(node.wait_summary(mark, "svc/x.lua").starts_with("applied to 1 of 1"));
    assert_eq!(greet(&node), "<good day you>");
    let history = hotlua(&project, &["history"]).stdout;
    assert!(
        history.contains("svc: frozen by ") && history.contains("svc: unfrozen by "),
        "{history}"
    );
    assert!(!history.contains("waiting: "), "{history}");
}

#[test]
fn a_freeze_of_the_node_stops_all_but_rollback_and_replay() {
    let (project, mut node) = running();
    let mark = node.mark();
    project.drop_file("svc", "x.lua", GREETING);
    node.wait_summary(mark, "svc/x.lua");
    assert_eq!(hotlua(&project, &["freeze"]).code, 0);
    assert_eq!(node.stop(), 0);
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(greet(&node), "<good day you>", "it is replayed");
    assert_eq!(hotlua(&project, &["rollback", "svc"]).code, 0, "the way out stays open");
    assert_eq!(greet(&node), "<hello you>");
    let mark = node.mark();
    for name in ["b.lua", "a.lua"] {
        project.drop_file("svc", name, format!("seen[#seen + 1] = \"{name}\""));
        node.wait_summary(mark, &format!("svc/{name}"));
    }
    let mark = node.mark();
    node.console().cmd("unfreeze").succeeded();
    node.wait_summary(mark, "svc/b.lua");
    assert_eq!(
        node.ask(".svc", "\"seen\""),
        "a.lua b.lua",
        "in the order of their names"
    );
}

#[test]
fn a_file_without_an_instance_is_shown_until_it_goes() {
    let project = Project::with_svc();
    let mut node = project.start();
    node.wait_line("ready");
    let mark = node.mark();
    project.drop_file("later", "x.lua", "function greeting() return 'hi' end\n");
    node.wait_summary(mark, "later/x.lua");
    let waits = "waiting: later/x.lua: no instance of later is running\n";
    assert!(hotlua(&project, &["list"]).stdout.ends_with(waits));
    assert_eq!(hotlua(&project, &["history"]).stdout, waits);
    assert_eq!(hotlua(&project, &["history", "svc"]).stdout, "", "it is not of svc");
    std::fs::remove_file(project.path("hotfix/later/x.lua")).expect("it is there");
    node.wait_until("the file to be forgotten", |_| {
        !hotlua(&project, &["list"]).stdout.contains("waiting")
    });
}

#[test]
fn a_freeze_of_the_node_waits_for_patches_that_are_under_way() {
    let project = Project::with_svc().set("hotfix", "time_limit", "\"60s\"");
    let mut node = project.start();
    node.wait_line("ready");
    let slow = "io.open('began', 'w'):close() local t = os.clock() while os.clock() - t < 0.5 do end\n";
    project.write("slow.lua", slow.to_owned() + GREETING);
    std::thread::scope(|scope| {
        let injecting = scope.spawn(|| hotlua(&project, &["inject", "svc", "slow.lua"]));
        node.wait_until("the patch to run", |_| project.path("began").exists());
        assert_eq!(hotlua(&project, &["freeze"]).code, 0);
        let history = hotlua(&project, &["history"]).stdout;
        assert!(history.contains("(patch 1): applied by "), "{history}");
        assert_eq!(injecting.join().expect("no panic").code, 0);
    });
    assert_eq!(greet(&node), "<good day you>");
}
