//! Directories that come, go and are exchanged.

use std::fs;
use std::os::unix::fs::symlink;

use crate::watch::tests::Bench;

#[test]
fn a_file_in_a_directory_made_a_moment_ago_is_seen() {
    let mut bench = Bench::new();
    for number in 0..300 {
        fs::create_dir(bench.path(&format!("n{number:03}"))).expect("made");
        bench.save(&format!("n{number:03}/x.lua"), "1");
    }
    let mut lines = bench.rest();
    lines.sort();
    let expected: Vec<String> = (0..300).map(|number| format!("n{number:03}/x.lua = 1")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_directory_that_is_removed_and_made_again_is_seen_each_time() {
    let mut bench = Bench::new();
    for round in 0..100 {
        fs::remove_dir_all(bench.path("svc")).expect("removed");
        fs::create_dir(bench.path("svc")).expect("made");
        bench.save("svc/x.lua", &round.to_string());
        let offer = format!("svc/x.lua = {round}");
        loop {
            match bench.next() {
                line if line == offer => break,
                line => assert_eq!(line, "gone svc/x.lua"),
            }
        }
    }
    bench.expect_nothing();
}

#[test]
fn a_full_directory_moved_in_is_seen_and_watched() {
    let mut bench = Bench::new();
    fs::create_dir(bench.beside("d")).expect("made");
    fs::write(bench.beside("d/x.lua"), "1").expect("written");
    fs::rename(bench.beside("d"), bench.path("new")).expect("renamed");
    bench.expect("new/x.lua = 1");
    bench.save("new/y.lua", "2");
    bench.expect("new/y.lua = 2");
    bench.expect_nothing();
}

#[test]
fn a_renamed_service_folder_is_another_service() {
    let mut bench = Bench::new();
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    fs::rename(bench.path("svc"), bench.path("svc9")).expect("renamed");
    bench.save("svc9/y.lua", "2");
    let mut lines = [bench.next(), bench.next(), bench.next()];
    lines.sort();
    assert_eq!(lines, ["gone svc/x.lua", "svc9/x.lua = 1", "svc9/y.lua = 2"]);
    bench.save("svc9/z.lua", "3");
    bench.expect("svc9/z.lua = 3");
    bench.expect_nothing();
}

#[test]
fn a_root_renamed_away_is_left_and_its_successor_watched() {
    let mut bench = Bench::new();
    fs::rename(bench.root(), bench.beside("old")).expect("renamed");
    fs::create_dir_all(bench.path("svc")).expect("made");
    bench.save("svc/x.lua", "1");
    fs::write(bench.beside("old/svc/z.lua"), "2").expect("written");
    let lines: Vec<String> = bench
        .rest()
        .into_iter()
        .filter(|line| !line.starts_with("notice"))
        .collect();
    assert_eq!(lines, ["svc/x.lua = 1"]);
}

#[test]
fn a_missing_root_is_told_and_its_return_too() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        fs::remove_dir_all(bench.root()).expect("removed");
        bench.expect_like("notice hotfix is missing", "until there is a directory");
        fs::create_dir_all(bench.path("svc")).expect("made");
        bench.save("svc/x.lua", "1");
        bench.expect("notice hotfix is back");
        bench.expect("svc/x.lua = 1");
        fs::remove_file(bench.path("svc/x.lua")).expect("removed");
        bench.expect("gone svc/x.lua");
    }
    bench.expect_nothing();
}

#[test]
fn a_root_that_is_made_later_is_found() {
    let mut bench = Bench::prepare(|_| Ok(()));
    bench.start(false);
    bench.expect_like("notice hotfix is missing", "");
    bench.expect_scanned();
    fs::create_dir_all(bench.path("svc")).expect("made");
    bench.save("svc/x.lua", "1");
    bench.expect("notice hotfix is back");
    bench.expect("svc/x.lua = 1");
}

#[test]
fn a_root_that_is_a_file_is_told() {
    let mut bench = Bench::prepare(|root| fs::write(root, "not a directory"));
    bench.start(false);
    bench.expect_like("notice hotfix is not a directory", "");
    bench.expect_scanned();
    fs::remove_file(bench.root()).expect("removed");
    bench.expect_like("notice hotfix is missing", "");
    fs::create_dir_all(bench.path("svc")).expect("made");
    bench.expect("notice hotfix is back");
}

#[test]
fn a_root_that_is_a_link_is_followed_when_it_changes() {
    let mut bench = Bench::prepare(|root| {
        fs::create_dir_all(root.with_file_name("v1/svc"))?;
        fs::create_dir_all(root.with_file_name("v2/svc"))?;
        fs::write(root.with_file_name("v2/svc/y.lua"), "2")?;
        symlink("v1", root)
    });
    bench.start(false);
    bench.expect_scanned();
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    symlink("v2", bench.beside("link")).expect("linked");
    fs::rename(bench.beside("link"), bench.root()).expect("renamed");
    let mut lines = [bench.next(), bench.next()];
    lines.sort();
    assert_eq!(lines, ["gone svc/x.lua", "svc/y.lua = 2"]);
}

#[test]
fn a_config_map_is_followed() {
    let mut bench = Bench::prepare(|root| {
        for (version, text) in [("..1", "1"), ("..2", "2")] {
            fs::create_dir_all(root.join("svc").join(version))?;
            fs::write(root.join("svc").join(version).join("x.lua"), text)?;
            fs::write(root.join("svc").join(version).join("y.lua"), "same")?;
        }
        symlink("..1", root.join("svc/..data"))?;
        symlink("..data/x.lua", root.join("svc/x.lua"))?;
        symlink("..data/y.lua", root.join("svc/y.lua"))
    });
    bench.start(false);
    for line in ["svc/x.lua = 1", "svc/y.lua = same", "scanned"] {
        bench.expect(line);
    }
    symlink("..2", bench.path("svc/..data_tmp")).expect("linked");
    fs::rename(bench.path("svc/..data_tmp"), bench.path("svc/..data")).expect("renamed");
    bench.expect("svc/x.lua = 2");
    bench.expect_nothing();
}

#[test]
fn a_linked_service_folder_counts_inside_the_root_only() {
    let mut bench = Bench::new();
    symlink("svc", bench.path("alias")).expect("linked");
    bench.save("svc/x.lua", "1");
    let mut lines = [bench.next(), bench.next()];
    lines.sort();
    assert_eq!(lines, ["alias/x.lua = 1", "svc/x.lua = 1"]);
    bench.save("svc/x.lua", "2");
    lines = [bench.next(), bench.next()];
    lines.sort();
    assert_eq!(lines, ["alias/x.lua = 2", "svc/x.lua = 2"]);
    fs::create_dir(bench.beside("elsewhere")).expect("made");
    symlink(bench.beside("elsewhere"), bench.path(".link")).expect("linked");
    fs::rename(bench.path(".link"), bench.path("alias")).expect("renamed");
    let mut lines = [bench.next(), bench.next()];
    lines.sort();
    assert_eq!(lines[0], "gone alias/x.lua");
    assert!(
        lines[1].starts_with("refused hotfix/alias: is a link to a folder outside"),
        "{lines:?}"
    );
    bench.expect_nothing();
}
