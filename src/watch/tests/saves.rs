//! One file and the ways in which it is saved: each content is offered once, whole, when its writer is done.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::watch::NATIVE_SWEEP;
use crate::watch::hints::Signal;
use crate::watch::tests::Bench;

type Save = fn(&Bench);

/// Ways to save the text `1` as `svc/x.lua`.
const SAVES: [(&str, Save); 8] = [
    ("in place", |bench| bench.save("svc/x.lua", "1")),
    ("by rename", |bench| {
        fs::write(bench.beside("a"), "1").expect("written");
        fs::rename(bench.beside("a"), bench.path("svc/x.lua")).expect("renamed");
    }),
    ("by link", |bench| {
        fs::write(bench.beside("a"), "1").expect("written");
        fs::hard_link(bench.beside("a"), bench.path("svc/x.lua")).expect("linked");
    }),
    ("like rsync", |bench| {
        bench.save("svc/.x.lua.a8Kq2Z", "1");
        fs::rename(bench.path("svc/.x.lua.a8Kq2Z"), bench.path("svc/x.lua")).expect("renamed");
    }),
    ("like sed -i", |bench| {
        bench.save("svc/sedAH2qlA", "1");
        fs::rename(bench.path("svc/sedAH2qlA"), bench.path("svc/x.lua")).expect("renamed");
    }),
    ("like vim", |bench| {
        bench.save("svc/.x.lua.swp", "swap");
        File::create(bench.path("svc/4913")).expect("made");
        fs::remove_file(bench.path("svc/4913")).expect("removed");
        bench.save("svc/x.lua~", "0");
        bench.save("svc/x.lua", "1");
        fs::set_permissions(bench.path("svc/x.lua"), Permissions::from_mode(0o644)).expect("changed");
    }),
    ("like emacs", |bench| {
        std::os::unix::fs::symlink("user@host.1", bench.path("svc/.#x.lua")).expect("linked");
        bench.save("svc/x.lua", "1");
        fs::remove_file(bench.path("svc/.#x.lua")).expect("removed");
    }),
    ("like scp", |bench| {
        let mut file = File::create(bench.path("svc/x.lua")).expect("made");
        file.write_all(b"1").expect("written");
        file.set_len(1).expect("cut");
    }),
];

#[test]
fn every_way_to_save_is_one_offer() {
    for (way, save) in SAVES {
        let mut bench = Bench::new();
        save(&bench);
        assert_eq!(bench.next(), "svc/x.lua = 1", "{way}");
        assert_eq!(bench.rest(), Vec::<String>::new(), "{way}");
    }
}

#[test]
fn a_slow_writer_is_waited_for() {
    let mut bench = Bench::new();
    let mut file = File::create(bench.path("svc/x.lua")).expect("made");
    file.write_all(b"retu").expect("written");
    bench.expect_no_offer();
    // Another writer's close does not end it.
    drop(
        File::options()
            .append(true)
            .open(bench.path("svc/x.lua"))
            .expect("opened"),
    );
    bench.expect_no_offer();
    file.write_all(b"rn 1").expect("written");
    drop(file);
    assert_eq!(bench.next_but_notices(), "svc/x.lua = return 1");
    bench.expect_no_offer();
}

#[test]
fn a_file_renamed_in_while_it_is_written_is_waited_for() {
    let mut bench = Bench::new();
    let mut file = File::create(bench.beside("a")).expect("made");
    file.write_all(b"retu").expect("written");
    fs::rename(bench.beside("a"), bench.path("svc/x.lua")).expect("renamed");
    bench.expect_no_offer();
    file.write_all(b"rn 1").expect("written");
    drop(file);
    assert_eq!(bench.next_but_notices(), "svc/x.lua = return 1");
}

#[test]
fn a_writer_that_stays_is_named_and_holds_nobody_up() {
    let mut bench = Bench::new();
    let mut file = File::create(bench.path("svc/a.lua")).expect("made");
    file.write_all(b"1").expect("written");
    File::create(bench.path("svc/b.lua")).expect("made");
    bench.save("svc/c.lua", "3");
    bench.expect("svc/c.lua = 3");
    let mut notices = [bench.next(), bench.next()];
    notices.sort();
    assert!(
        notices[0].starts_with("notice hotfix/svc/a.lua is open for writing"),
        "{notices:?}"
    );
    assert!(
        notices[1].starts_with("notice hotfix/svc/b.lua is empty"),
        "{notices:?}"
    );
    bench.expect_nothing();
    drop(file);
    bench.expect("svc/a.lua = 1");
    bench.save("svc/b.lua", "2");
    bench.expect("svc/b.lua = 2");
}

#[test]
fn the_same_content_is_silent_and_a_new_file_is_not() {
    let mut bench = Bench::new();
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.save("svc/x.lua", "1");
    fs::set_permissions(bench.path("svc/x.lua"), Permissions::from_mode(0o600)).expect("changed");
    File::options()
        .append(true)
        .open(bench.path("svc/x.lua"))
        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
        .expect("touched");
    fs::read(bench.path("svc/x.lua")).expect("read");
    bench.expect_nothing();
    bench.save("svc/x.lua", "2");
    bench.expect("svc/x.lua = 2");
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.save("svc/.new", "1");
    fs::rename(bench.path("svc/.new"), bench.path("svc/x.lua")).expect("renamed");
    bench.expect("svc/x.lua = 1");
    fs::remove_file(bench.path("svc/x.lua")).expect("removed");
    bench.expect("gone svc/x.lua");
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.expect_nothing();
}

#[test]
fn a_recheck_offers_again_and_a_claimed_name_is_free() {
    let mut bench = Bench::new();
    let path = bench.path("svc/x.lua");
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.watcher().recheck(&path);
    bench.expect("svc/x.lua = 1");
    bench.expect_nothing();
    fs::rename(&path, bench.path("svc/.x.lua.claimed")).expect("renamed");
    bench.watcher().forget(&path);
    // The rename's event may be quicker than the call.
    let told = bench.rest();
    assert!(told.iter().all(|line| line == "gone svc/x.lua"), "{told:?}");
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.watcher().forget(&path);
    bench.expect_nothing();
    bench.watcher().recheck(&bench.path("svc/never.lua"));
    bench.watcher().forget(&bench.path("nowhere/never.lua"));
    bench.expect_nothing();
}

#[test]
fn after_a_renewal_the_same_bytes_are_news_once_they_are_saved_again() {
    let mut bench = Bench::new();
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.watcher().renew(&bench.path("svc/x.lua"));
    bench.watcher().renew(&bench.path("svc/never.lua"));
    bench.watcher().tell(Signal::Lost("a test".to_owned()));
    fs::set_permissions(bench.path("svc/x.lua"), Permissions::from_mode(0o600)).expect("changed");
    let told = bench.rest();
    assert!(told.iter().all(|line| line.starts_with("notice")), "{told:?}");
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.save("svc/x.lua", "1");
    bench.expect_nothing();
}

#[test]
fn files_that_wait_at_the_start_come_in_order() {
    for poll in [false, true] {
        let mut bench = Bench::prepare(|root| {
            for (service, name) in [("b", "1"), ("a", "2"), ("a", "10"), ("a", "1")] {
                fs::create_dir_all(root.join(service))?;
                fs::write(root.join(service).join(format!("{name}.lua")), name)?;
            }
            Ok(())
        });
        bench.start(poll);
        for line in ["a/1.lua = 1", "a/10.lua = 10", "a/2.lua = 2", "b/1.lua = 1", "scanned"] {
            bench.expect(line);
        }
        bench.expect_nothing();
    }
}

#[test]
fn sweeping_alone_sees_everything() {
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root.join("svc")));
    bench.start(true);
    bench.expect_scanned();
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    fs::create_dir(bench.path("new")).expect("made");
    bench.save("new/y.lua", "2");
    bench.expect("new/y.lua = 2");
    fs::remove_file(bench.path("svc/x.lua")).expect("removed");
    bench.expect("gone svc/x.lua");
    bench.expect_nothing();
}

#[test]
fn many_files_are_offered_once_each() {
    let mut bench = Bench::new();
    for number in 0..2_000 {
        bench.save(&format!("svc/f{number:04}.lua"), &number.to_string());
    }
    let mut lines = bench.rest();
    lines.sort();
    assert_eq!(lines.len(), 2_000, "first {:?}, last {:?}", lines.first(), lines.last());
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("svc/f{number:04}.lua = {number}"));
    }
}

#[test]
fn after_lost_events_everything_is_looked_at_and_watched_anew() {
    // No sweep can help here.
    let mut bench = Bench::prepare(|root| fs::create_dir_all(root.join("svc")));
    bench.start_with(false, Duration::from_secs(3600));
    bench.expect_scanned();
    bench.save("svc/x.lua", "1");
    bench.expect("svc/x.lua = 1");
    bench.watcher().tell(Signal::Lost("a test".to_owned()));
    bench.expect_like("notice events were lost (a test)", "rescan");
    bench.save("svc/x.lua", "2");
    bench.expect("svc/x.lua = 2");
    fs::create_dir(bench.path("new")).expect("made");
    bench.save("new/y.lua", "3");
    bench.expect("new/y.lua = 3");
}

#[test]
fn a_restless_writer_does_not_kill_and_its_last_content_counts() {
    let mut bench = Bench::new();
    let path = bench.path("svc/x.lua");
    let end = Instant::now() + Duration::from_secs(1);
    let mut last = 0;
    while Instant::now() < end {
        last += 1;
        fs::write(&path, format!("{last}")).expect("written");
    }
    let last = format!("svc/x.lua = {last}");
    let mut lines = bench.rest();
    lines.retain(|line| !line.starts_with("notice"));
    assert_eq!(lines.last(), Some(&last));
    assert!(lines.iter().all(|line| line.starts_with("svc/x.lua = ")), "{lines:?}");
}

#[test]
fn what_no_event_tells_is_found_and_logged() {
    let mut bench = Bench::prepare(|root| {
        fs::create_dir_all(root.join("svc"))?;
        fs::write(root.join("../outside"), "1")?;
        fs::hard_link(root.join("../outside"), root.join("svc/x.lua"))
    });
    bench.start_with(false, NATIVE_SWEEP);
    bench.expect("svc/x.lua = 1");
    bench.expect_scanned();
    // A sweep within a moment of the save cannot know that no event is on its way: so as often as it takes.
    for round in 2.. {
        fs::write(bench.beside("outside"), "x".repeat(round)).expect("written");
        let offer = format!("svc/x.lua = {}", "x".repeat(round));
        let line = bench.next_of_all();
        if line != offer {
            assert!(line.starts_with("notice the sweep found"), "{line}");
            assert!(line.contains("hotfix/svc/x.lua"), "{line}");
            return;
        }
    }
}
