//! Tests of the archive: nothing that was handled comes back, nothing that was not handled is lost, and the journal can be
//! read to its last line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Archive, Claim};
use crate::hotfix::history::History;
use crate::hotfix::record::PatchId;
use crate::hotfix::record::samples::{intake, verdict};
use crate::patch::outcome::Status;
use crate::watch::read_settled;

mod claims;
mod journals;

const P1: &[u8] = b"-- one\r\n\0\xff";
const P2: &[u8] = b"-- two";

/// A state directory, a letterbox and a node's view of them.
struct House {
    dir: TempDir,
    history: History,
    archive: Archive,
}

impl House {
    fn new() -> House {
        House::with(tempfile::tempdir().unwrap())
    }

    fn with(dir: TempDir) -> House {
        fs::create_dir_all(dir.path().join("hotfix/simpledb")).unwrap();
        fs::create_dir_all(dir.path().join("archive")).unwrap();
        let history = History::open(&dir.path().join("archive")).unwrap();
        let archive = Archive::open(&dir.path().join("archive"), &history).unwrap();
        House { dir, history, archive }
    }

    /// The node is gone, and another one starts.
    fn restarted(self) -> House {
        let House { dir, history, archive } = self;
        drop((history, archive));
        House::with(dir)
    }

    fn hotfix(&self) -> PathBuf {
        self.dir.path().join("hotfix")
    }

    /// The file that the tests drop.
    fn dropped(&self) -> PathBuf {
        self.hotfix().join("simpledb/x.lua")
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    /// Drops P1 and handles it, up to RESULT.
    fn applied(&mut self) -> PatchId {
        fs::write(self.dropped(), P1).unwrap();
        self.handled(Status::Applied)
    }

    fn handled(&mut self, status: Status) -> PatchId {
        let id = self.history.begin(&intake("simpledb", "x.lua", P1)).unwrap();
        self.history.finish(id, &verdict(status)).unwrap();
        id
    }

    fn take(&mut self, id: PatchId) -> Result<Claim, super::ArchiveError> {
        let path = self.dropped();
        self.archive.take(&mut self.history, id, &path, &read)
    }

    /// What a node does when it starts, before it scans.
    fn recover(&mut self) -> Vec<Claim> {
        let hotfix = self.hotfix();
        let mut claims: Vec<_> = self
            .archive
            .finish_claims(&mut self.history, &hotfix, &read)
            .into_iter()
            .map(|(_, claim)| claim.unwrap())
            .collect();
        self.history.abandon_unfinished().unwrap();
        for record in self.history.unarchived().unwrap() {
            claims.push(self.take(record.id).unwrap());
        }
        claims
    }

    /// The archived patches of the service, by name.
    fn archived(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.root().join("simpledb"))
    }

    /// Asserts that P1 is in the archive as patch `id`, with its diff, and that the history knows.
    fn assert_archived(&self, id: PatchId) {
        let record = self.history.show(id).unwrap().unwrap().record;
        let file = record.file.expect("ARCHIVED is not in the history");
        let path = self.root().join(&file);
        assert_eq!(fs::read(&path).unwrap(), P1);
        assert_eq!(fs::read(path.with_extension("diff")).unwrap(), b"-old\n+new\n");
        assert_eq!(self.history.unarchived().unwrap(), []);
    }

    /// What is in the letterbox, dot names too.
    fn waiting(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.hotfix().join("simpledb"))
    }
}

/// Reads as the doorkeeper does: regular files only, no link at the end of the path.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_settled(path, 1 << 20).map(|contents| contents.bytes)
}

/// The files of a directory with their bytes, by name; nothing for a missing directory.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn an_archived_patch_has_number_time_name_bytes_and_diff() {
    let mut house = House::new();
    let id = house.applied();
    assert_eq!(house.take(id).unwrap(), Claim::Archived);

    house.assert_archived(id);
    assert_eq!(house.waiting(), []);
    let time = house.history.list(None, 1).unwrap()[0].time;
    let stem = format!("000001-{}-x", time.strftime("%Y%m%dT%H%M%SZ"));
    assert_eq!(
        house.archived(),
        [
            (format!("{stem}.diff"), b"-old\n+new\n".to_vec()),
            (format!("{stem}.lua"), P1.to_vec()),
        ]
    );
}

#[test]
fn names_of_every_length_and_form_fit() {
    let mut house = House::new();
    for name in [
        "n".repeat(200),
        format!("{}.lua", "n".repeat(196)),
        "a.b.lua".to_owned(),
        ".lua".to_owned(),
    ] {
        let service = "s".repeat(200);
        let id = house.history.begin(&intake(&service, &name, P1)).unwrap();
        house.history.finish(id, &verdict(Status::Applied)).unwrap();
        let folder = house.hotfix().join(&service);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&name), P1).unwrap();
        let taken = house.archive.take(&mut house.history, id, &folder.join(&name), &read);
        assert_eq!(taken.unwrap(), Claim::Archived, "{name}");
        house.assert_archived(id);
        assert_eq!(contents(&folder), []);
    }
}

#[test]
fn a_kept_or_injected_patch_is_copied() {
    let mut house = House::new();
    let id = house.applied();
    house.archive.copy(&mut house.history, id).unwrap();
    house.assert_archived(id);
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P1.to_vec())]);
}

#[test]
fn trouble_is_told_and_the_next_attempt_makes_up_for_it() {
    let mut house = House::new();
    let id = house.applied();
    let obstacle = house.root().join("simpledb");
    fs::write(&obstacle, "a file where the folder should be").unwrap();
    for _ in 0..2 {
        let error = house.take(id).unwrap_err().to_string();
        assert!(error.contains("archive/simpledb"), "{error}");
        assert_eq!(house.history.unarchived().unwrap().len(), 1);
        assert_eq!(house.waiting()[0].1, P1);
    }
    // Saved while the archive was in trouble: not what was handled.
    fs::write(house.dropped(), P2).unwrap();

    fs::remove_file(obstacle).unwrap();
    assert_eq!(house.take(id).unwrap(), Claim::Archived);
    house.assert_archived(id);
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P2.to_vec())]);
}

#[test]
fn an_unknown_patch_is_an_error() {
    let mut house = House::new();
    fs::write(house.dropped(), P1).unwrap();
    let error = house.take(PatchId(5)).unwrap_err().to_string();
    assert!(error.contains("no patch 5"), "{error}");
    assert!(house.archive.copy(&mut house.history, PatchId(5)).is_err());
    assert_eq!(house.waiting(), [("x.lua".to_owned(), P1.to_vec())]);
}

#[test]
fn what_is_missing_is_built_again_from_the_history() {
    let mut house = House::new();
    for status in [Status::Applied, Status::NoEffect] {
        fs::write(house.dropped(), P1).unwrap();
        let id = house.handled(status);
        house.take(id).unwrap();
    }
    house.handled(Status::Rejected);
    house.archive.write_journal(&house.history).unwrap();
    let files = house.archived();
    let journal = fs::read(house.root().join("journal.jsonl")).unwrap();
    assert_eq!(files.len(), 4);

    assert_eq!(house.archive.rebuild(&house.history).unwrap(), 0);
    fs::remove_dir_all(house.root().join("simpledb")).unwrap();
    fs::remove_file(house.root().join("journal.jsonl")).unwrap();
    assert_eq!(house.archive.rebuild(&house.history).unwrap(), 2);
    assert_eq!(house.archived(), files);
    assert_eq!(fs::read(house.root().join("journal.jsonl")).unwrap(), journal);
    assert_eq!(house.archive.rebuild(&house.history).unwrap(), 0);
}
