//! Source trees: how programs save and remove source files, and trees that are large.

use std::fs::{self, File};
use std::time::Duration;

use crate::watch::SourceRoot;
use crate::watch::tests::Bench;
use crate::watch::tests::sources::{expect_all, ready, write};

#[test]
fn a_file_that_is_removed_and_written_anew_is_not_gone() {
    let mut bench = ready(&[("services/x.lua", "0"), ("services/y.lua", "same")]);
    for round in 1..50 {
        // As git writes a work tree, then as vim saves with a backup.
        fs::remove_file(bench.beside("services/x.lua")).expect("removed");
        write(&bench, "services/x.lua", &format!("git {round}"));
        fs::remove_file(bench.beside("services/y.lua")).expect("removed");
        write(&bench, "services/y.lua", "same");
        bench.expect(&format!("services/x.lua = git {round}"));
        fs::rename(bench.beside("services/x.lua"), bench.beside("services/x.lua~")).expect("renamed");
        write(&bench, "services/x.lua", &format!("vim {round}"));
        bench.expect(&format!("services/x.lua = vim {round}"));
    }
    bench.expect_nothing();
}

#[test]
fn an_empty_source_file_is_waited_for() {
    let mut bench = ready(&[("services/x.lua", "1")]);
    File::create(bench.beside("services/x.lua")).expect("made");
    bench.expect("notice services/x.lua is empty: waiting for its content");
    write(&bench, "services/x.lua", "2");
    bench.expect("services/x.lua = 2");
}

#[test]
fn a_file_may_become_a_folder_and_a_folder_a_file() {
    let mut bench = ready(&[("services/x.lua", "1")]);
    fs::remove_file(bench.beside("services/x.lua")).expect("removed");
    write(&bench, "services/x.lua/y.lua", "2");
    expect_all(&mut bench, ["services/x.lua/y.lua = 2", "gone services/x.lua"]);
    fs::remove_dir_all(bench.beside("services/x.lua")).expect("removed");
    write(&bench, "services/x.lua", "3");
    expect_all(&mut bench, ["services/x.lua = 3", "gone services/x.lua/y.lua"]);
    bench.expect_nothing();
}

#[test]
fn a_large_tree_loses_nothing_and_keeps_no_patch_waiting() {
    const FOLDERS: usize = 5_000;
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root.join("svc")));
    let path = |number: usize| format!("services/{}/{}/{number}/x.lua", number % 10, number % 100);
    for number in 0..FOLDERS {
        write(&bench, &path(number), "1");
    }
    bench.sources = vec![SourceRoot {
        path: bench.beside("services"),
        label: "services".to_owned(),
    }];
    bench.start_with(false, Duration::from_secs(3600));
    bench.expect_scanned();
    bench.save("svc/p.lua", "patch");
    let first = |bench: &mut Bench, end: &str| {
        let mut lines = Vec::new();
        loop {
            match bench.next() {
                line if line == end => return lines,
                line => lines.push(line),
            }
        }
    };
    // On a machine so busy that the scan is quicker than the save, this says nothing.
    let lines = first(&mut bench, "svc/p.lua = patch");
    let is_in_time = lines.len() < FOLDERS / 2 || lines.iter().any(|line| line == "sources scanned");
    assert!(is_in_time, "{} files came before the patch", lines.len());
    if !lines.iter().any(|line| line == "sources scanned") {
        let rest = first(&mut bench, "sources scanned");
        assert_eq!(lines.len() + rest.len(), FOLDERS);
    }
    fs::remove_dir_all(bench.beside("services")).expect("removed");
    let lines: Vec<String> = (0..FOLDERS).map(|number| format!("gone {}", path(number))).collect();
    expect_all(&mut bench, lines.iter().map(String::as_str));
    write(&bench, &path(7), "2");
    bench.expect(&format!("{} = 2", path(7)));
}
