//! The journal: every line parses, none is missing and none is there twice, whatever happened to its end.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::House;
use crate::hotfix::archive::Archive;
use crate::hotfix::history::History;
use crate::hotfix::record::samples::event;
use crate::hotfix::record::{EventKind, PatchId, Subject};
use crate::patch::outcome::Status;

impl House {
    fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.root().join("journal.jsonl")).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn assert_whole(&self, entries: u64, what: &str) {
        let seqs: Vec<_> = self
            .journal()
            .iter()
            .map(|line| line["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, (1..=entries).collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn a_line_has_these_keys_in_this_order() {
    let mut house = House::new();
    let id = house.applied();
    house.archive.write_journal(&house.history).unwrap();
    house.take(id).unwrap();

    let text = fs::read_to_string(house.root().join("journal.jsonl")).unwrap();
    let record = house.history.show(id).unwrap().unwrap().record;
    let time = house.history.entries_after(0, 1).unwrap()[0].time;
    let expected = format!(
        concat!(
            r#"{{"seq":1,"id":1,"time":"{time:.3}","event":"applied","service":"simpledb","name":"x.lua","#,
            r#""sha256":"{sha256}","previous":null,"by":"alice","reason":"coins doubled","ms":0.5,"error":null,"#,
            r#""instances":[{{"handle":":0000000a","status":"applied","ms":0.25}}],"#,
            r#""functions":[{{"name":"command.do_test","holders":2}}],"#,
            r#""warnings":["`coinz` has never been set"],"file":"{file}"}}"#,
            "\n"
        ),
        time = time,
        sha256 = record.sha256,
        file = record.file.unwrap(),
    );
    assert_eq!(text, expected);
}

#[test]
fn each_event_has_its_line() {
    let mut house = House::new();
    let id = house.handled(Status::Applied);
    house.handled(Status::Rejected);
    for (kind, subject) in [
        (EventKind::RolledBack, Subject::Patch(id)),
        (EventKind::Frozen, Subject::Node),
        (EventKind::Unfrozen, Subject::Service("simpledb".to_owned())),
    ] {
        house.history.event(&event(kind, subject)).unwrap();
    }
    house.archive.write_journal(&house.history).unwrap();

    let journal = house.journal();
    let events: Vec<_> = journal.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["applied", "rejected", "rolled-back", "frozen", "unfrozen"]);
    assert_eq!(journal[1]["error"], "x.lua:3: no");
    assert_eq!(journal[1]["file"], Value::Null);
    assert_eq!(journal[2]["file"], journal[0]["file"]);
    assert_eq!(journal[2]["by"], "bob");
    assert_eq!(journal[3]["service"], Value::Null);
    assert_eq!(journal[4]["id"], Value::Null);
}

#[test]
fn a_torn_end_is_cut_back_and_written_again() {
    let mut house = House::new();
    for _ in 0..3 {
        house.handled(Status::Applied);
    }
    house.archive.write_journal(&house.history).unwrap();
    let path = house.root().join("journal.jsonl");
    let whole = fs::read(&path).unwrap();

    let after = |tail: &[u8]| [&whole, tail].concat();
    let half = whole.len() - whole.len() / 6;
    let many = vec![0; 300_000];
    let cases: [(&str, Vec<u8>); 11] = [
        ("half a line", after(b"{\"seq\":4,\"id\":")),
        ("random bytes", after(b"\x01\xfe\x00rub ")),
        ("random bytes with a newline", after(b"\x01\n\xfe\n\x00")),
        ("other JSON", after(b"{\"hello\":1}\n[]\n17\n")),
        ("zeros after a power loss", after(&many)),
        ("half of our last line", whole[..half].to_vec()),
        ("no last newline", whole[..whole.len() - 1].to_vec()),
        ("nothing whole", whole[..10].to_vec()),
        ("empty", Vec::new()),
        ("rubbish alone", b"rubbish\n".to_vec()),
        ("intact", whole.clone()),
    ];
    for (what, bytes) in cases {
        fs::write(&path, bytes).unwrap();
        house = house.restarted();
        house.assert_whole(3, what);
        assert_eq!(fs::read(&path).unwrap(), whole, "{what}");
    }
    fs::remove_file(&path).unwrap();
    house.restarted().assert_whole(3, "missing");
}

#[test]
fn a_line_longer_than_the_first_look_is_found() {
    let mut house = House::new();
    let mut long = event(EventKind::Frozen, Subject::Node);
    long.reason = Some("x".repeat(200_000));
    house.history.event(&long).unwrap();
    house.archive.write_journal(&house.history).unwrap();
    let before = fs::read(house.root().join("journal.jsonl")).unwrap();
    house = house.restarted();
    assert_eq!(fs::read(house.root().join("journal.jsonl")).unwrap(), before);
    house.assert_whole(1, "long line");
}

#[test]
fn a_journal_written_in_batches_is_whole() {
    let mut house = House::new();
    for _ in 0..600 {
        house.history.event(&event(EventKind::Frozen, Subject::Node)).unwrap();
    }
    house.archive.write_journal(&house.history).unwrap();
    house.assert_whole(600, "batches");
}

#[test]
fn a_full_disk_delays_lines_and_loses_none() {
    let mut house = House::new();
    house.handled(Status::Applied);
    let path = house.root().join("journal.jsonl");
    symlink("/dev/full", &path).unwrap();
    let error = house.archive.write_journal(&house.history).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl") && error.contains("space"), "{error}");
    house.handled(Status::Failed);
    fs::remove_file(&path).unwrap();
    house.archive.write_journal(&house.history).unwrap();
    house.assert_whole(2, "after a full disk");
}

#[test]
fn a_journal_that_is_not_a_file_is_refused() {
    let house = House::new();
    symlink("/dev/zero", house.root().join("journal.jsonl")).unwrap();
    let error = Archive::open(&house.root(), &house.history).unwrap_err().to_string();
    assert!(error.contains("regular file"), "{error}");
}

#[test]
fn a_journal_that_was_rotated_away_goes_on_in_a_new_file() {
    let mut house = House::new();
    house.handled(Status::Applied);
    house.archive.write_journal(&house.history).unwrap();
    fs::rename(house.root().join("journal.jsonl"), house.root().join("journal.1")).unwrap();
    house.handled(Status::Applied);
    house.archive.write_journal(&house.history).unwrap();
    house = house.restarted();
    let journal = house.journal();
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0]["seq"], 2);
}

#[test]
fn a_new_history_goes_on_in_the_old_journal() {
    let mut house = House::new();
    for _ in 0..3 {
        house.handled(Status::Applied);
    }
    house.archive.write_journal(&house.history).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    house.history = History::open(fresh.path()).unwrap();
    house.archive = Archive::open(&house.root(), &house.history).unwrap();
    assert_eq!(house.handled(Status::Applied), PatchId(1));
    house.archive.write_journal(&house.history).unwrap();
    house.archive = Archive::open(&house.root(), &house.history).unwrap();
    let seqs: Vec<_> = house
        .journal()
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1, 2, 3, 1]);
}
