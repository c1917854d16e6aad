//! What is never a patch: ignored without a word, or refused with exactly one.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::watch::tests::Bench;

#[test]
fn names_of_others_are_left_alone() {
    let mut bench = Bench::new();
    for name in [".x.lua", "x.lua~", "#x.lua#", "x.lua.bak", "README.md", ".#y.lua"] {
        bench.save(&format!("svc/{name}"), "1");
    }
    fs::create_dir(bench.path(".git")).expect("made");
    bench.save(".git/x.lua", "1");
    bench.save("README.md", "1");
    bench.save(".hidden.lua", "1");
    bench.expect_nothing();
}

#[test]
fn special_files_and_odd_links_are_refused_once() {
    let mut bench = Bench::new();
    mknodat(CWD, bench.path("svc/a.lua"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
    let socket = UnixListener::bind(bench.path("svc/b.lua")).expect("bound");
    symlink("/etc/passwd", bench.path("svc/c.lua")).expect("linked");
    fs::create_dir(bench.path("svc/d.lua")).expect("made");
    symlink("nothing.lua", bench.path("svc/e.lua")).expect("linked");
    bench.save("svc/real.lua", "1");
    symlink("real.lua", bench.path("svc/f.lua")).expect("linked");
    let mut lines = bench.rest();
    lines.sort();
    let expected = [
        ("refused hotfix/svc/a.lua: is a special file", ""),
        ("refused hotfix/svc/b.lua: is a special file", ""),
        ("refused hotfix/svc/c.lua: is a link that leads out", "copy the file"),
        ("refused hotfix/svc/d.lua: is a directory", ""),
        ("refused hotfix/svc/e.lua: is a link to nothing", ""),
        ("svc/f.lua = 1", ""),
        ("svc/real.lua = 1", ""),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, (start, part)) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(start) && line.contains(part),
            "{line} is not {start} … {part}"
        );
    }
    drop(socket);
    bench.expect_nothing();
}

#[test]
fn a_refused_file_that_becomes_good_is_offered_and_the_other_way_round() {
    let mut bench = Bench::new();
    fs::create_dir(bench.path("svc/x.lua")).expect("made");
    bench.expect_like("refused hotfix/svc/x.lua: is a directory", "");
    fs::remove_dir(bench.path("svc/x.lua")).expect("removed");
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    fs::remove_file(bench.path("svc/x.lua")).expect("removed");
    bench.expect("gone svc/x.lua");
    fs::create_dir(bench.path("svc/x.lua")).expect("made");
    bench.expect_like("refused hotfix/svc/x.lua: is a directory", "");
    bench.expect_nothing();
}

#[test]
fn a_huge_file_is_refused_unread_and_an_empty_one_waited_for() {
    let mut bench = Bench::new();
    File::create(bench.path("svc/big.lua"))
        .and_then(|file| file.set_len(1 << 30))
        .expect("made");
    bench.expect_like("refused hotfix/svc/big.lua: is larger than 1", "max_size");
    File::create(bench.path("svc/empty.lua")).expect("made");
    bench.expect("notice hotfix/svc/empty.lua is empty: waiting for its content");
    bench.expect_nothing();
    bench.save("svc/big.lua", "1");
    bench.expect("svc/big.lua = 1");
}

#[test]
fn names_that_are_no_text_are_refused_by_their_escaped_name() {
    let mut bench = Bench::new();
    fs::write(bench.path("svc").join(OsStr::from_bytes(b"\xff.lua")), "1").expect("written");
    bench.expect_like("refused hotfix/svc/\\xff.lua: ", "not UTF-8");
    bench.save("svc/a\nb.lua", "2");
    bench.expect_like("refused hotfix/svc/a\\nb.lua: ", "control character");
    fs::create_dir(bench.path("a\tb")).expect("made");
    bench.expect_like("refused hotfix/a\\tb: ", "control character");
    bench.expect_nothing();
}

#[test]
fn a_patch_without_a_service_gets_a_hint() {
    let mut bench = Bench::new();
    bench.save("x.lua", "1");
    bench.expect_like(
        "refused hotfix/x.lua: belongs to no service",
        "put it into hotfix/<service>/",
    );
    bench.expect_nothing();
}

#[test]
fn a_repaired_permission_is_seen_at_once() {
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root.join("svc")));
    fs::write(bench.beside("a"), "1").expect("written");
    fs::set_permissions(bench.beside("a"), Permissions::from_mode(0o000)).expect("changed");
    let may_read_everything = File::open(bench.beside("a")).is_ok();
    bench.start_with(false, std::time::Duration::from_secs(3600));
    bench.expect_scanned();
    fs::rename(bench.beside("a"), bench.path("svc/x.lua")).expect("renamed");
    if !may_read_everything {
        bench.expect_like("refused hotfix/svc/x.lua: may not be read", "make it readable");
        fs::set_permissions(bench.path("svc/x.lua"), Permissions::from_mode(0o644)).expect("changed");
    }
    // The superuser reads it whatever its permissions say.
    bench.expect("svc/x.lua = 1");
}
