//! The letterbox side: what is claimed, what goes back, and what a killed node leaves behind.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::{House, P1, P2, read};
use crate::hotfix::archive::place::Place;
use crate::hotfix::archive::{Archive, Claim};
use crate::hotfix::history::History;
use crate::hotfix::record::PatchId;
use crate::hotfix::record::samples::{intake, verdict};
use crate::patch::outcome::Status;

#[test]
fn what_was_saved_meanwhile_goes_back_and_is_a_new_patch() {
    let mut house = House::new();
    let id = house.applied();
    fs::write(house.dropped(), P2).unwrap();
    assert_eq!(house.take(id).unwrap(), Claim::Changed { leftover: None });
    house.assert_archived(id);
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())]);
}

#[test]
fn the_same_length_is_not_the_same_content() {
    let mut house = House::new();
    let id = house.applied();
    let other = vec![b'-'; P1.len()];
    fs::write(house.dropped(), &other).unwrap();
    assert_eq!(house.take(id).unwrap(), Claim::Changed { leftover: None });
    assert_eq!(house.waiting(), [("x.lua".to_owned(), other)]);
}

#[test]
fn a_file_that_has_become_huge_is_not_read() {
    let mut house = House::new();
    let id = house.applied();
    let path = house.dropped();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let never = |_: &Path| panic!("it was read");
    let claim = house.archive.take(&mut house.history, id, &path, &never);
    assert_eq!(claim.unwrap(), Claim::Changed { leftover: None });
    assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 40);
    house.assert_archived(id);
}

#[test]
fn a_save_between_claim_and_look_never_overwrites_or_is_overwritten() {
    let mut house = House::new();
    let id = house.applied();
    let changed = vec![b'?'; P1.len()];
    fs::write(house.dropped(), &changed).unwrap();
    let path = house.dropped();
    let claim = house
        .archive
        .take(&mut house.history, id, &path, &|claimed: &Path| {
            fs::write(&path, P2)?;
            fs::read(claimed)
        })
        .unwrap();

    let Claim::Changed {
        leftover: Some(leftover),
    } = claim
    else {
        panic!("{claim:?}");
    };
    assert_eq!(fs::read(&leftover).unwrap(), changed);
    assert!(leftover.starts_with(house.root().join("simpledb")), "{leftover:?}");
    assert!(leftover.to_str().unwrap().ends_with("-x.lua.unhandled"), "{leftover:?}");
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())]);
    house.assert_archived(id);
}

#[test]
fn a_new_file_beside_a_claim_that_holds_is_left_for_the_next_scan() {
    let mut house = House::new();
    let id = house.applied();
    let path = house.dropped();
    let claim = house.archive.take(&mut house.history, id, &path, &|claimed: &Path| {
        fs::write(&path, P2)?;
        fs::read(claimed)
    });
    assert_eq!(claim.unwrap(), Claim::Archived);
    house.assert_archived(id);
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())]);
}

#[test]
fn a_link_to_the_folder_that_leads_elsewhere_meanwhile_leaves_nothing_behind() {
    let mut house = House::new();
    let [folder, link] = ["v1", "simpledb"].map(|name| house.hotfix().join(name));
    fs::rename(&link, &folder).unwrap();
    symlink(&folder, &link).unwrap();
    for same in [true, false] {
        let id = house.applied();
        fs::create_dir_all(house.hotfix().join("v2")).unwrap();
        let path = house.dropped();
        let claim = house.archive.take(&mut house.history, id, &path, &|claimed: &Path| {
            fs::remove_file(&link)?;
            symlink("v2", &link)?;
            if same { fs::read(claimed) } else { Ok(P2.to_vec()) }
        });
        house.assert_archived(id);
        let left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        if same {
            assert_eq!(claim.unwrap(), Claim::Archived);
            assert!(left.is_empty(), "{left:?}");
        } else {
            assert_eq!(claim.unwrap(), Claim::Changed { leftover: None });
            assert_eq!(left, ["x.lua"]);
        }
        fs::remove_file(&link).unwrap();
        symlink(&folder, &link).unwrap();
    }
}

#[test]
fn a_file_that_somebody_still_writes_goes_back_as_it_is() {
    let mut house = House::new();
    let id = house.applied();
    let inode = fs::metadata(house.dropped()).unwrap().ino();
    let path = house.dropped();
    let busy = |_: &Path| Err(io::ErrorKind::WouldBlock.into());
    let claim = house.archive.take(&mut house.history, id, &path, &busy);
    assert_eq!(claim.unwrap(), Claim::Changed { leftover: None });
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    house.assert_archived(id);
}

#[test]
fn a_file_that_is_gone_is_archived_from_the_history() {
    let mut house = House::new();
    let id = house.applied();
    fs::remove_file(house.dropped()).unwrap();
    assert_eq!(house.take(id).unwrap(), Claim::Missing);
    house.assert_archived(id);
}

#[test]
fn a_file_that_cannot_be_moved_stays_and_is_archived() {
    let mut house = House::new();
    let id = house.handled(Status::Applied);
    let folder = house.hotfix().join("simpledb");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "no directory").unwrap();
    let claim = house.take(id).unwrap();
    assert!(
        matches!(&claim, Claim::Kept { why } if why.contains("irectory")),
        "{claim:?}"
    );
    house.assert_archived(id);
}

#[test]
fn a_directory_of_that_name_goes_back() {
    let mut house = House::new();
    let id = house.handled(Status::Applied);
    fs::create_dir(house.dropped()).unwrap();
    assert_eq!(house.take(id).unwrap(), Claim::Changed { leftover: None });
    assert!(house.dropped().is_dir());
}

#[test]
fn other_names_of_the_file_cannot_change_the_archive() {
    let mut house = House::new();
    let elsewhere = house.dir.path().join("mine.lua");
    let id = house.applied();
    fs::hard_link(house.dropped(), &elsewhere).unwrap();
    assert_eq!(house.take(id).unwrap(), Claim::Archived);
    assert_eq!(house.waiting(), []);
    fs::write(&elsewhere, P2).unwrap();
    house.assert_archived(id);

    fs::create_dir(house.hotfix().join("simpledb/..data")).unwrap();
    let target = house.hotfix().join("simpledb/..data/x.lua");
    fs::write(&target, P1).unwrap();
    symlink("..data/x.lua", house.dropped()).unwrap();
    let id = house.handled(Status::Applied);
    assert_eq!(house.take(id).unwrap(), Claim::Archived);
    assert!(house.dropped().symlink_metadata().is_err());
    fs::write(&target, P2).unwrap();
    house.assert_archived(id);
}

#[test]
fn an_archive_on_another_file_system_gets_copies() {
    let Ok(shm) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("skipped: no /dev/shm here");
        return;
    };
    let mut house = House::new();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(shm.path()) == device(house.dir.path()) {
        eprintln!("skipped: /dev/shm is the file system of temporary directories");
        return;
    }
    house.history = History::open(shm.path()).unwrap();
    house.archive = Archive::open(shm.path(), &house.history).unwrap();

    let id = house.applied();
    assert_eq!(house.take(id).unwrap(), Claim::Archived);
    assert_eq!(house.waiting(), []);
    let file = house.history.show(id).unwrap().unwrap().record.file.unwrap();
    assert_eq!(fs::read(shm.path().join(file)).unwrap(), P1);

    let id = house.applied();
    let path = house.dropped();
    let changed = vec![b'?'; P1.len()];
    fs::write(&path, &changed).unwrap();
    let claim = house.archive.take(&mut house.history, id, &path, &|claimed: &Path| {
        fs::write(&path, P2)?;
        fs::read(claimed)
    });
    let Ok(Claim::Changed {
        leftover: Some(leftover),
    }) = claim
    else {
        panic!("{claim:?}");
    };
    assert_eq!(fs::read(leftover).unwrap(), changed);
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())]);
}

/// How far the node came before it was killed.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Step {
    Intent,
    Result,
    Claimed,
    Moved,
    Archived,
}

const STEPS: [Step; 5] = [Step::Intent, Step::Result, Step::Claimed, Step::Moved, Step::Archived];

/// Handles P1 up to and with `step`.
fn killed_after(step: Step) -> House {
    let mut house = House::new();
    fs::write(house.dropped(), P1).unwrap();
    let id = house.history.begin(&intake("simpledb", "x.lua", P1)).unwrap();
    let claimed = house.dropped().with_file_name(".x.lua.claimed-1");
    if step >= Step::Result {
        house.history.finish(id, &verdict(Status::Applied)).unwrap();
    }
    if step >= Step::Claimed {
        fs::rename(house.dropped(), &claimed).unwrap();
    }
    if step >= Step::Moved {
        let shown = house.history.show(id).unwrap().unwrap();
        let place = Place::of(&house.root(), &shown.record).unwrap();
        house.archive.store_claimed(&place, &shown, &claimed).unwrap();
    }
    if step >= Step::Archived {
        house.take(id).unwrap();
    }
    house
}

#[test]
fn a_kill_after_any_step_leaves_one_archived_patch_and_an_empty_letterbox() {
    for step in STEPS {
        let mut house = killed_after(step).restarted();
        house.recover();
        if step == Step::Intent {
            // It never happened: the scan finds the file and begins anew.
            assert_eq!(house.waiting(), [("x.lua".to_owned(), P1.to_vec())]);
            assert_eq!(house.archived(), []);
            continue;
        }
        house.assert_archived(PatchId(1));
        assert_eq!(house.waiting(), [], "{step:?}");
        assert_eq!(house.archived().len(), 2, "{step:?}");

        let mut house = house.restarted();
        assert_eq!(house.recover(), [], "{step:?}");
    }
}

#[test]
fn a_save_before_or_after_any_kill_is_never_lost() {
    for step in STEPS {
        let house = killed_after(step);
        fs::write(house.dropped(), P2).unwrap();
        let mut house = house.restarted();
        house.recover();
        assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())], "{step:?}");
        if step > Step::Intent {
            house.assert_archived(PatchId(1));
            assert_eq!(house.archived().len(), 2, "{step:?}");
        }
    }
}

#[test]
fn a_claim_that_the_history_does_not_know_goes_back() {
    let mut house = House::new();
    let folder = house.hotfix().join("simpledb");
    fs::write(folder.join(".x.lua.claimed-7"), P1).unwrap();
    fs::write(folder.join(".y.lua.claimed-8"), P1).unwrap();
    fs::write(folder.join("y.lua"), P2).unwrap();
    // None of these is a claim.
    for name in [
        ".z.lua.claimed-",
        ".z.lua.claimed-07",
        ".z.lua.claimed-x",
        "z.claimed-7",
    ] {
        fs::write(folder.join(name), name).unwrap();
    }
    fs::write(house.hotfix().join(".x.lua.claimed-9"), P1).unwrap();

    let claims = house.recover();
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[0], Claim::Changed { leftover: None });
    let Claim::Changed {
        leftover: Some(leftover),
    } = &claims[1]
    else {
        panic!("{claims:?}");
    };
    assert_eq!(fs::read(leftover).unwrap(), P1);
    let waiting = house.waiting();
    assert_eq!(waiting.len(), 6);
    assert!(waiting.contains(&("x.lua".to_owned(), P1.to_vec())));
    assert!(waiting.contains(&("y.lua".to_owned(), P2.to_vec())));
}

#[test]
fn a_claim_in_a_folder_with_two_names_is_finished_once() {
    let mut house = House::new();
    let id = house.applied();
    let claimed = house.dropped().with_file_name(".x.lua.claimed-1");
    fs::rename(house.dropped(), claimed).unwrap();
    symlink("simpledb", house.hotfix().join("zoo")).unwrap();
    assert_eq!(house.recover(), [Claim::Archived]);
    house.assert_archived(id);
}

#[test]
fn a_claim_whose_patch_has_no_verdict_or_another_name_goes_back() {
    let mut house = House::new();
    house.history.begin(&intake("simpledb", "x.lua", P1)).unwrap();
    let id = house.handled(Status::Applied);
    house.archive.copy(&mut house.history, id).unwrap();
    let folder = house.hotfix().join("simpledb");
    fs::write(folder.join(".x.lua.claimed-1"), P1).unwrap();
    fs::write(folder.join(".y.lua.claimed-2"), P1).unwrap();

    let back = Claim::Changed { leftover: None };
    assert_eq!(house.recover(), [back.clone(), back]);
    let names: Vec<_> = house.waiting().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x.lua", "y.lua"]);
    assert_eq!(house.archived().len(), 2);
    let first = house.history.show(PatchId(1)).unwrap().unwrap().record;
    assert_eq!(first.file, None);
}

#[test]
fn a_claim_of_another_patch_with_that_number_goes_back() {
    let mut house = House::new();
    let id = house.handled(Status::Applied);
    house.archive.copy(&mut house.history, id).unwrap();
    let claimed = house.dropped().with_file_name(".x.lua.claimed-1");
    fs::write(&claimed, P2).unwrap();
    let hotfix = house.hotfix();
    let finished = house.archive.finish_claims(&mut house.history, &hotfix, &read);
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0].0, house.dropped());
    assert_eq!(*finished[0].1.as_ref().unwrap(), Claim::Changed { leftover: None });
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())]);
}

#[test]
fn two_unhandled_files_do_not_overwrite_each_other() {
    let mut house = House::new();
    let mut leftovers = Vec::new();
    for bytes in [P1, P2] {
        fs::write(house.dropped(), "newer").unwrap();
        fs::write(house.dropped().with_file_name(".x.lua.claimed-7"), bytes).unwrap();
        for claim in house.recover() {
            let Claim::Changed {
                leftover: Some(leftover),
            } = claim
            else {
                panic!("{claim:?}");
            };
            leftovers.push(fs::read(leftover).unwrap());
        }
    }
    assert_eq!(leftovers, [P1, P2]);
    assert_eq!(house.archived().len(), 2);
}
