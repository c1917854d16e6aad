//! Source trees: links and roots, which may lead to one folder in several ways, and lead elsewhere later. No sweep helps here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::watch::SourceRoot;
use crate::watch::hints::Signal;
use crate::watch::tests::Bench;
use crate::watch::tests::sources::{expect_all, write};

/// A doorkeeper that watches these folders, which `fill` may make, with a sweep at the start only.
fn grove(roots: &[&str], fill: impl FnOnce(&Bench)) -> Bench {
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root.join("svc")));
    fill(&bench);
    let source = |root: &&str| SourceRoot {
        path: bench.beside(root),
        label: (*root).to_owned(),
    };
    bench.sources = roots.iter().map(source).collect();
    bench.start_with(false, Duration::from_secs(3600));
    bench
}

/// Waits until the first scan is over; what was offered, in order of names.
fn scanned(bench: &mut Bench) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match bench.next() {
            line if line == "sources scanned" => break,
            line if line == "scanned" => {}
            line => lines.push(line),
        }
    }
    lines.sort();
    lines
}

/// Makes a link, or leads one elsewhere in one step.
fn link(bench: &Bench, target: &str, path: &str) {
    let swap = bench.beside("swap");
    symlink(bench.beside(target), &swap).expect("linked");
    fs::rename(swap, bench.beside(path)).expect("renamed");
}

#[test]
fn a_link_that_leads_elsewhere_brings_other_files() {
    let mut bench = grove(&["lualib"], |bench| {
        write(bench, "v1/x.lua", "1");
        write(bench, "v1/deep/old.lua", "1");
        write(bench, "v2/x.lua", "2");
        write(bench, "v2/new.lua", "2");
        fs::create_dir(bench.beside("lualib")).expect("made");
        link(bench, "v1", "lualib/shared");
    });
    assert_eq!(
        scanned(&mut bench),
        ["lualib/shared/deep/old.lua = 1", "lualib/shared/x.lua = 1"]
    );
    link(&bench, "v2", "lualib/shared");
    let lines = [
        "lualib/shared/x.lua = 2",
        "lualib/shared/new.lua = 2",
        "gone lualib/shared/deep/old.lua",
    ];
    expect_all(&mut bench, lines);
    write(&bench, "v2/x.lua", "3");
    bench.expect("lualib/shared/x.lua = 3");
    write(&bench, "v1/x.lua", "4");
    fs::remove_file(bench.beside("lualib/shared")).expect("removed");
    expect_all(&mut bench, ["gone lualib/shared/x.lua", "gone lualib/shared/new.lua"]);
}

#[test]
fn a_root_that_leads_elsewhere_brings_other_files() {
    let mut bench = grove(&["lualib"], |bench| {
        write(bench, "v1/a/x.lua", "1");
        write(bench, "v2/a/x.lua", "2");
        link(bench, "v1", "lualib");
    });
    assert_eq!(scanned(&mut bench), ["lualib/a/x.lua = 1"]);
    link(&bench, "v2", "lualib");
    bench.expect("lualib/a/x.lua = 2");
    write(&bench, "v2/a/x.lua", "3");
    bench.expect("lualib/a/x.lua = 3");
}

#[test]
fn a_folder_counts_under_its_own_path_and_when_a_link_goes_under_another() {
    let mut bench = grove(&["services", "lualib"], |bench| {
        write(bench, "services/z/own.lua", "1");
        write(bench, "shared/x.lua", "1");
        fs::create_dir(bench.beside("lualib")).expect("made");
        link(bench, "services/z", "services/a");
        link(bench, "shared", "lualib/one");
        link(bench, "shared", "services/two");
    });
    assert_eq!(scanned(&mut bench), ["lualib/one/x.lua = 1", "services/z/own.lua = 1"]);
    fs::remove_file(bench.beside("lualib/one")).expect("removed");
    expect_all(&mut bench, ["gone lualib/one/x.lua", "services/two/x.lua = 1"]);
    write(&bench, "shared/x.lua", "2");
    bench.expect("services/two/x.lua = 2");
}

#[test]
fn a_save_of_what_a_file_links_to_is_an_event() {
    let mut bench = grove(&["services"], |bench| {
        fs::create_dir(bench.beside("services")).expect("made");
        write(bench, "shared/x.lua", "1");
        link(bench, "shared/x.lua", "services/one.lua");
        link(bench, "shared/x.lua", "services/two.lua");
    });
    assert_eq!(scanned(&mut bench), ["services/one.lua = 1", "services/two.lua = 1"]);
    write(&bench, "shared/x.lua", "2");
    expect_all(&mut bench, ["services/one.lua = 2", "services/two.lua = 2"]);
    fs::rename(bench.beside("shared/x.lua"), bench.beside("shared/x.lua~")).expect("renamed");
    write(&bench, "shared/x.lua", "3");
    expect_all(&mut bench, ["services/one.lua = 3", "services/two.lua = 3"]);
    fs::remove_file(bench.beside("services/one.lua")).expect("removed");
    bench.expect("gone services/one.lua");
    write(&bench, "shared/x.lua", "4");
    bench.expect("services/two.lua = 4");
}

#[test]
fn folders_that_link_to_each_other_are_seen_once() {
    let names: Vec<String> = (0..12).map(|number| format!("packages/p{number:02}")).collect();
    let mut bench = grove(&["packages"], |bench| {
        for name in &names {
            write(bench, &format!("{name}/x.lua"), "1");
            for (number, other) in names.iter().enumerate() {
                link(bench, other, &format!("{name}/link{number}"));
            }
        }
    });
    let lines: Vec<String> = names.iter().map(|name| format!("{name}/x.lua = 1")).collect();
    assert_eq!(scanned(&mut bench), lines);
}

#[test]
fn a_root_below_nothing_is_found_when_it_is_made() {
    let mut bench = grove(&["a/b/lualib"], |_| {});
    assert_eq!(scanned(&mut bench), Vec::<String>::new());
    for round in 0..20 {
        write(&bench, "a/b/lualib/c/x.lua", &round.to_string());
        bench.expect(&format!("a/b/lualib/c/x.lua = {round}"));
        fs::remove_dir_all(bench.beside("a")).expect("removed");
        bench.expect("gone a/b/lualib/c/x.lua");
    }
}

#[test]
fn what_is_to_be_skipped_may_come_later() {
    let mut bench = Bench::prepare(|_| Ok(()));
    bench.sources = vec![SourceRoot {
        path: bench.beside(""),
        label: ".".to_owned(),
    }];
    bench.start_with(false, Duration::from_secs(3600));
    scanned(&mut bench);
    write(&bench, "hotfix/svc/p.lua", "1");
    bench.expect("notice hotfix is back");
    bench.expect("svc/p.lua = 1");
    write(&bench, "last.lua", "1");
    bench.expect("last.lua = 1");
}

#[test]
fn an_added_folder_is_watched_without_those_below_it() {
    let mut bench = grove(&["services"], |bench| {
        write(bench, "home/x.lua", "1");
        write(bench, "home/music/y.lua", "1");
    });
    scanned(&mut bench);
    let root = SourceRoot {
        path: bench.beside("home"),
        label: "home".to_owned(),
    };
    bench.watcher().add_source(root);
    bench.expect("home/x.lua = 1");
    write(&bench, "home/music/y.lua", "2");
    write(&bench, "home/pictures/z.lua", "2");
    write(&bench, "home/x.lua", "2");
    bench.expect("home/x.lua = 2");
}

#[test]
fn after_lost_events_the_trees_are_looked_at_and_watched_anew() {
    let mut bench = grove(&["services"], |bench| {
        write(bench, "services/a/x.lua", "1");
        write(bench, "services/b/y.lua", "1");
    });
    scanned(&mut bench);
    bench.watcher().tell(Signal::Lost("a test".to_owned()));
    fs::remove_dir_all(bench.beside("services/b")).expect("removed");
    assert_eq!(bench.next_but_notices(), "gone services/b/y.lua");
    write(&bench, "services/a/x.lua", "2");
    bench.expect("services/a/x.lua = 2");
    write(&bench, "services/c/z.lua", "1");
    bench.expect("services/c/z.lua = 1");
}

#[test]
fn folders_that_are_renamed_all_the_time_are_not_lost() {
    let mut bench = grove(&["services"], |bench| write(bench, "services/a/deep/x.lua", "first"));
    scanned(&mut bench);
    let (mut here, mut there) = ("services/a", "services/b");
    for round in 0..200 {
        fs::rename(bench.beside(here), bench.beside(there)).expect("renamed");
        (here, there) = (there, here);
        write(&bench, &format!("{here}/deep/x.lua"), &round.to_string());
        let expected = format!("{here}/deep/x.lua = {round}");
        while bench.next() != expected {}
    }
    assert!(Path::new(&bench.beside(here)).exists());
}
