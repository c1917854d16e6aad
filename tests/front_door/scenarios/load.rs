//! More than usual: many files, more events than the system holds, fewer watches than there are folders, and nothing at all for a while.

use std::collections::BTreeSet;
use std::fs;
use std::iter;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::stage::{A_SWEEP, End, Stage, note, project, see};
use crate::ground::{needs, on_every_file_system, skip};
use crate::harness::Mark;

#[test]
fn many_files_are_applied_once_each() {
    on_every_file_system(|base| many_files(base, 150));
}

/// `cargo test --release --test front_door five_thousand_files -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn five_thousand_files_are_applied_once_each() {
    on_every_file_system(|base| many_files(base, 5000));
}

fn many_files(base: &std::path::Path, files: usize) {
    let mut stage = Stage::new(base);
    for number in 0..files {
        stage.project.drop_file("svc", &format!("f{number}.lua"), note(number));
    }
    let has_noted = |stage: &Stage| {
        let seen = see(&stage.node, "svc");
        seen.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    while has_noted(&stage).len() < files {
        let mark = stage.node.mark();
        stage.node.wait_line_since(mark, "applied to 1 of 1 instance");
    }
    let project = &stage.project;
    stage
        .node
        .wait_until("all to be archived", |_| project.archived_patches("svc").len() >= files);
    thread::sleep(A_SWEEP);
    let seen = has_noted(&stage);
    let expected: BTreeSet<String> = (0..files).map(|number| number.to_string()).collect();
    assert_eq!(seen.len(), files, "none twice");
    assert_eq!(BTreeSet::from_iter(seen), expected);
    assert_eq!(project.archived_patches("svc").len(), files);
}

#[test]
fn after_more_events_than_the_system_holds_everything_is_looked_at() {
    const FILES: usize = 50;
    const SAVES: usize = 8000;
    on_every_file_system(|base| {
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap_or_default();
        // A save makes three at least.
        if limit.trim().parse().is_ok_and(|limit: usize| limit > 3 * SAVES) {
            skip(format!("this system holds {} events", limit.trim()));
        }
        let mut stage = Stage::with(base, &["svc", "n"]);
        // Then the folder is watched.
        stage.sh("P 0 >$S/x.lua");
        stage.hears(Mark::START, "svc/x.lua", "applied to 1 of 1 instance");
        stage.is_archived("svc", "x.lua");
        stop(&mut stage);
        for save in 0..SAVES {
            let name = format!("f{:02}.lua", save % FILES);
            stage.project.drop_file("svc", &name, note(save));
        }
        stage.sh("mkdir $R/n; P 1 >$R/n/x.lua");
        stage.node.signal(Signal::CONT);
        stage.node.wait_line("rescan of everything");
        stage.hears(Mark::START, "n/x.lua", "applied to 1 of 1 instance");
        stage.sh("P 2 >$R/n/y.lua");
        // After a loss everything is looked at, and files found so come in the order of their names.
        let last: Vec<String> = (SAVES - FILES..SAVES).map(|save| save.to_string()).collect();
        let seen: Vec<&str> = iter::once("0").chain(last.iter().map(String::as_str)).collect();
        stage.ends(&End::applied(&seen).and("n", &["1", "2"]));
    });
}

/// Stops the node's process, and waits until it stands.
fn stop(stage: &mut Stage) {
    stage.node.signal(Signal::STOP);
    let state = format!("/proc/{}/stat", stage.node.pid());
    stage.node.wait_until("the process to stand", |_| {
        let stat = fs::read_to_string(&state).unwrap_or_else(|_| skip("there is no /proc"));
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    });
}

#[test]
fn beyond_the_limit_on_watches_folders_are_swept() {
    on_every_file_system(|base| {
        needs("unshare");
        let services = ["a", "b", "c", "d", "e"];
        let limited = "echo 3 >/proc/sys/user/max_inotify_watches && exec \"$@\"";
        let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c", limited, "sh"];
        let tried = std::process::Command::new(wrapper[0])
            .args(&wrapper[1..])
            .arg("true")
            .output();
        let tried = tried.expect("unshare starts");
        if !tried.status.success() {
            skip(format!(
                "no such limit: {}",
                String::from_utf8_lossy(&tried.stderr).trim()
            ));
        }
        let project = project(base, &services);
        for service in services {
            fs::create_dir(project.path(&format!("hotfix/{service}"))).expect("a letterbox");
        }
        let node = project.start_by(&wrapper);
        let mut stage = Stage::running(project, node);
        let limit = stage.node.wait_line("the limit on watched directories is reached");
        assert!(limit.contains("user.max_inotify_watches = 3"), "{limit}");
        let mut end = End::none();
        for service in services {
            stage.sh(&format!("P 1 >$R/{service}/x.lua"));
            stage.hears(Mark::START, &format!("{service}/x.lua"), "applied to 1 of 1 instance");
            stage.sh(&format!("P 2 >$R/{service}/x.lua"));
            end = end.and(service, &["1", "2"]);
        }
        stage.ends(&end);
        assert_eq!(
            stage.node.count(|line| line.contains("limit on watched")),
            1,
            "said once"
        );
    });
}

#[test]
fn a_node_that_has_nothing_to_do_does_nothing() {
    const SERVICES: usize = 100;
    const WATCHED: Duration = Duration::from_secs(10);
    on_every_file_system(|base| {
        let names: Vec<String> = (0..SERVICES).map(|number| format!("s{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let project = project(base, &names);
        for name in &names {
            fs::create_dir(project.path(&format!("hotfix/{name}"))).expect("a letterbox");
        }
        let stage = Stage::of(project);
        thread::sleep(A_SWEEP);
        let before = processor_time(&stage);
        thread::sleep(WATCHED);
        let used = processor_time(&stage) - before;
        println!("{used:?} in {WATCHED:?}");
        assert!(used < WATCHED / 100, "{used:?} in {WATCHED:?}");
    });
}

/// The processor time that the node has used.
fn processor_time(stage: &Stage) -> Duration {
    // What `sysconf(_SC_CLK_TCK)` gives on every Linux, since it is part of the interface.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{}/stat", stage.node.pid()));
    let stat = stat.unwrap_or_else(|_| skip("there is no /proc"));
    let (_, fields) = stat.rsplit_once(") ").expect("fields behind the name");
    // The 14th and 15th of proc_pid_stat(5), of which two are in front.
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("ticks"));
    Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS_PER_SECOND)
}
