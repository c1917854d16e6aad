//! Source trees: folders of any depth, made, moved, removed, linked; each file once per content.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::watch::tests::Bench;
use crate::watch::{Event, SourceRoot};

/// A doorkeeper that watches `services` and `lualib` beside an empty drop folder. `fill` comes before the start.
fn grove(fill: &[(&str, &str)]) -> Bench {
    grove_of(&["services", "lualib"], fill)
}

fn grove_of(roots: &[&str], fill: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root.join("svc")));
    for root in roots {
        fs::create_dir_all(bench.beside(root)).expect("made");
    }
    for (path, text) in fill {
        write(&bench, path, text);
    }
    let source = |root: &&str| SourceRoot {
        path: bench.beside(root),
        label: if root.is_empty() { "." } else { root }.to_owned(),
    };
    bench.sources = roots.iter().map(source).collect();
    bench.start(false);
    bench
}

pub(super) fn write(bench: &Bench, path: &str, text: &str) {
    let path = bench.beside(path);
    fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// Waits for these lines, in any order, each once; others fail.
pub(super) fn expect_all<'a>(bench: &mut Bench, lines: impl IntoIterator<Item = &'a str>) {
    let mut missing: BTreeSet<String> = lines.into_iter().map(str::to_owned).collect();
    while !missing.is_empty() {
        let line = bench.next_but_notices();
        assert!(
            missing.remove(&line),
            "{line} is not (or not any more) among {missing:?}"
        );
    }
}

pub(super) fn ready(fill: &[(&str, &str)]) -> Bench {
    let mut bench = grove(fill);
    loop {
        if bench.next() == "sources scanned" {
            return bench;
        }
    }
}

#[test]
fn what_is_there_comes_before_the_scan_is_over_and_patches_first() {
    let mut bench = grove(&[
        ("services/a.lua", "1"),
        ("services/game/room/b.lua", "2"),
        ("lualib/c.lua", "3"),
        ("services/.hidden/x.lua", "no"),
        ("services/.#a.lua", "no"),
        ("services/notes.txt", "no"),
        ("hotfix/svc/p.lua", "patch"),
    ]);
    bench.expect("svc/p.lua = patch");
    bench.expect_scanned();
    expect_all(
        &mut bench,
        ["services/a.lua = 1", "services/game/room/b.lua = 2", "lualib/c.lua = 3"],
    );
    bench.expect("sources scanned");
}

#[test]
fn saves_of_any_depth_and_kind_are_seen_once() {
    let mut bench = ready(&[("services/a.lua", "1"), ("services/deep/er/b.lua", "1")]);
    write(&bench, "services/a.lua", "2");
    bench.expect("services/a.lua = 2");
    write(&bench, "services/deep/er/b.lua", "2");
    bench.expect("services/deep/er/b.lua = 2");
    let swap = bench.beside("services/deep/er/4913~");
    fs::write(&swap, "3").expect("written");
    fs::rename(&swap, bench.beside("services/deep/er/b.lua")).expect("renamed");
    bench.expect("services/deep/er/b.lua = 3");
    fs::remove_file(bench.beside("services/a.lua")).expect("removed");
    bench.expect("gone services/a.lua");
    fs::rename(bench.beside("services/deep/er/b.lua"), bench.beside("services/c.lua")).expect("renamed");
    expect_all(&mut bench, ["gone services/deep/er/b.lua", "services/c.lua = 3"]);
    bench.expect_nothing();
}

#[test]
fn folders_made_a_moment_ago_lose_nothing() {
    let mut bench = ready(&[]);
    for number in 0..300 {
        write(&bench, &format!("services/n{number:03}/a/b/x.lua"), "1");
    }
    let lines: Vec<String> = (0..300)
        .map(|number| format!("services/n{number:03}/a/b/x.lua = 1"))
        .collect();
    expect_all(&mut bench, lines.iter().map(String::as_str));
    bench.expect_nothing();
}

#[test]
fn full_trees_are_moved_in_and_out_again() {
    let mut bench = ready(&[]);
    for number in 0..20 {
        write(&bench, &format!("outside/{number}/x.lua"), "1");
    }
    let names = |verb: &str, end: &str| -> Vec<String> {
        (0..20)
            .map(|number| format!("{verb}services/t/{number}/x.lua{end}"))
            .collect()
    };
    fs::rename(bench.beside("outside"), bench.beside("services/t")).expect("renamed");
    expect_all(&mut bench, names("", " = 1").iter().map(String::as_str));
    write(&bench, "services/t/7/x.lua", "2");
    bench.expect("services/t/7/x.lua = 2");
    fs::rename(bench.beside("services/t"), bench.beside("outside")).expect("renamed");
    expect_all(&mut bench, names("gone ", "").iter().map(String::as_str));
    write(&bench, "outside/7/x.lua", "3");
    bench.expect_nothing();
    fs::rename(bench.beside("outside"), bench.beside("services/t")).expect("renamed");
    let mut back = names("", " = 1");
    back[7] = "services/t/7/x.lua = 3".to_owned();
    expect_all(&mut bench, back.iter().map(String::as_str));
    fs::remove_dir_all(bench.beside("services/t")).expect("removed");
    expect_all(&mut bench, names("gone ", "").iter().map(String::as_str));
    bench.expect_nothing();
}

#[test]
fn a_root_may_come_later_and_go_and_come_again() {
    let mut bench = ready(&[]);
    fs::remove_dir(bench.beside("lualib")).expect("removed");
    for round in 0..20 {
        let text = format!("{round}");
        write(&bench, "lualib/deep/x.lua", &text);
        bench.expect(&format!("lualib/deep/x.lua = {text}"));
        fs::remove_dir_all(bench.beside("lualib")).expect("removed");
        bench.expect("gone lualib/deep/x.lua");
    }
    bench.expect_nothing();
}

#[test]
fn roots_may_overlap_and_hold_the_drop_folder() {
    let mut bench = grove_of(&["", "services"], &[("services/a.lua", "1"), ("main.lua", "1")]);
    let mut seen = Vec::new();
    loop {
        match bench.next() {
            line if line == "sources scanned" => break,
            line => seen.push(line),
        }
    }
    seen.sort();
    assert_eq!(
        seen,
        ["main.lua = 1", "scanned", "services/a.lua = 1"].map(str::to_owned)
    );
    bench.save("svc/p.lua", "patch");
    bench.expect("svc/p.lua = patch");
    write(&bench, "services/a.lua", "2");
    bench.expect("services/a.lua = 2");
    bench.expect_nothing();
}

#[test]
fn links_lead_anywhere_and_may_be_tied_in_a_circle() {
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root));
    write(&bench, "shared/util.lua", "1");
    write(&bench, "shared/deep/m.lua", "1");
    fs::create_dir_all(bench.beside("services/game")).expect("made");
    symlink(bench.beside("shared"), bench.beside("services/shared")).expect("linked");
    symlink(bench.beside("services"), bench.beside("services/game/loop")).expect("linked");
    write(&bench, "elsewhere.lua", "1");
    symlink(bench.beside("elsewhere.lua"), bench.beside("services/linked.lua")).expect("linked");
    symlink(bench.beside("nowhere"), bench.beside("services/broken.lua")).expect("linked");
    bench.sources = vec![SourceRoot {
        path: bench.beside("services"),
        label: "services".to_owned(),
    }];
    bench.start(false);
    bench.expect_scanned();
    expect_all(
        &mut bench,
        [
            "services/shared/util.lua = 1",
            "services/shared/deep/m.lua = 1",
            "services/linked.lua = 1",
            "refused services/broken.lua: is a link to nothing; make the file that it names, or remove the link",
            "sources scanned",
        ],
    );
    write(&bench, "shared/deep/m.lua", "2");
    bench.expect("services/shared/deep/m.lua = 2");
    // Only a sweep sees it: the link's folder has no event.
    write(&bench, "elsewhere.lua", "2");
    bench.expect("services/linked.lua = 2");
}

#[test]
fn two_branches_of_a_large_tree_are_checked_out_in_turn() {
    let mut bench = ready(&[]);
    for round in 0..10 {
        let (here, there) = (round % 2, (round + 1) % 2);
        for number in 0..30 {
            write(&bench, &format!("services/common/{number}.lua"), &format!("{round}"));
            write(
                &bench,
                &format!("services/only{here}/d{number}/x.lua"),
                &format!("{round}"),
            );
        }
        if bench.beside(&format!("services/only{there}")).exists() {
            fs::remove_dir_all(bench.beside(&format!("services/only{there}"))).expect("removed");
        }
        let mut lines: Vec<String> = Vec::new();
        for number in 0..30 {
            lines.push(format!("services/common/{number}.lua = {round}"));
            lines.push(format!("services/only{here}/d{number}/x.lua = {round}"));
            if round > 0 {
                lines.push(format!("gone services/only{there}/d{number}/x.lua"));
            }
        }
        expect_all(&mut bench, lines.iter().map(String::as_str));
    }
    bench.expect_nothing();
}

#[test]
fn the_folder_of_a_file_loaded_from_elsewhere_is_added_once() {
    let mut bench = ready(&[("services/a.lua", "1")]);
    write(&bench, "vendor/x.lua", "1");
    let root = SourceRoot {
        path: bench.beside("vendor"),
        label: "vendor".to_owned(),
    };
    bench.watcher().add_source(root.clone());
    bench.expect("vendor/x.lua = 1");
    bench.watcher().add_source(root);
    let known = SourceRoot {
        path: bench.beside("services"),
        label: "services".to_owned(),
    };
    bench.watcher().add_source(known);
    write(&bench, "vendor/x.lua", "2");
    bench.expect("vendor/x.lua = 2");
    bench.expect_nothing();
}

#[test]
fn a_renewed_file_is_news_with_the_same_bytes() {
    let mut bench = ready(&[("services/a.lua", "1")]);
    write(&bench, "services/a.lua", "1");
    bench.expect_nothing();
    bench.watcher().renew(&bench.beside("services/a.lua"));
    bench.expect_nothing();
    write(&bench, "services/a.lua", "1");
    bench.expect("services/a.lua = 1");
}

#[test]
fn without_events_the_trees_are_swept() {
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root));
    write(&bench, "services/deep/a.lua", "1");
    bench.sources = vec![SourceRoot {
        path: bench.beside("services"),
        label: "services".to_owned(),
    }];
    bench.start(true);
    while bench.next() != "sources scanned" {}
    write(&bench, "services/deep/a.lua", "22");
    bench.expect("services/deep/a.lua = 22");
    write(&bench, "services/new/b.lua", "1");
    bench.expect("services/new/b.lua = 1");
    fs::remove_dir_all(bench.beside("services/deep")).expect("removed");
    bench.expect("gone services/deep/a.lua");
}

/// Prints how soon a save is reported, in a source tree and in the drop folder: run it with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn bench_latency() {
    let mut bench = ready(&[("services/deep/a.lua", "x")]);
    for (kind, path) in [("source", "services/deep/a.lua"), ("patch", "hotfix/svc/a.lua")] {
        for by_rename in [false, true] {
            let mut times: Vec<Duration> = (0..500)
                .map(|number| {
                    let text = format!("{kind} {by_rename} {number}");
                    let swap = bench.beside("swap");
                    let start = Instant::now();
                    if by_rename {
                        fs::write(&swap, text).expect("written");
                        fs::rename(&swap, bench.beside(path)).expect("renamed");
                    } else {
                        fs::write(bench.beside(path), text).expect("written");
                    }
                    loop {
                        match bench.events.blocking_recv() {
                            Some(Event::Source(_) | Event::Settled(_)) => return start.elapsed(),
                            other => assert!(other.is_some()),
                        }
                    }
                })
                .collect();
            times.sort();
            let how = if by_rename { "rename" } else { "in place" };
            println!("{kind}, {how}: p50 {:?}, p99 {:?}", times[250], times[494]);
        }
    }
}
