//! What the node writes down and says of itself: journal, archive, `list`, `history`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::Model;
use crate::world::{MORTALS, RINGS, SERVICES, World};

/// How many events `history` is asked for: more than there are between two rests.
const EVENTS: &str = "200";

/// The books, as far as they were read.
pub struct Books {
    dir: PathBuf,
    /// How much of the journal was read (bytes), and the number of its last line.
    read: usize,
    seq: u64,
    /// The archived files that the journal names.
    files: BTreeSet<String>,
}

impl Books {
    pub fn new(dir: &Path) -> Books {
        Books {
            dir: dir.to_owned(),
            read: 0,
            seq: 0,
            files: BTreeSet::new(),
        }
    }

    /// How many lines the journal has.
    pub fn lines(&self) -> usize {
        let text = fs::read(self.dir.join("archive/journal.jsonl")).unwrap_or_default();
        text.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Reads what is new in the journal: whole lines, numbered without a gap, whose files are in the archive with their exact bytes.
    pub fn read_journal(&mut self) {
        let bytes = fs::read(self.dir.join("archive/journal.jsonl")).expect("the journal");
        let text = std::str::from_utf8(&bytes[self.read..]).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(entry["seq"], self.seq + 1, "{line}");
            self.seq += 1;
            if let (Some(file), Some(sha256)) = (entry["file"].as_str(), entry["sha256"].as_str()) {
                let path = self.dir.join("archive").join(file);
                let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_eq!(hex::encode(Sha256::digest(bytes)), sha256, "{line}");
                let is_applied = entry["event"] == "applied";
                assert!(!is_applied || path.with_extension("diff").exists(), "no diff: {line}");
                self.files.insert(file.to_owned());
            }
        }
        self.read = bytes.len();
    }

    /// The archive holds what the journal names, and nothing else.
    pub fn check_archive(&self) {
        let mut found = BTreeSet::new();
        for service in SERVICES {
            let entries = fs::read_dir(self.dir.join("archive").join(service));
            for entry in entries.into_iter().flatten() {
                let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
                if name.ends_with(".lua") {
                    found.insert(format!("{service}/{name}"));
                } else {
                    assert!(name.ends_with(".diff"), "{service}/{name} is none of the archive's");
                }
            }
        }
        let differing: Vec<_> = found.symmetric_difference(&self.files).collect();
        assert!(differing.is_empty(), "archive and journal differ in {differing:?}");
        println!(
            "  the journal has {} lines, the archive {} patches",
            self.seq,
            found.len()
        );
    }

    /// No file that was handled is left.
    pub fn letterbox_is_empty(&self) {
        for service in SERVICES {
            let entries = fs::read_dir(self.dir.join("hotfix").join(service));
            let left: Vec<_> = entries
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect();
            assert!(left.is_empty(), "left in the letterbox: {left:?}");
        }
    }

    /// `list` and `history` say the same as the models.
    pub fn compare(&self, world: &mut World, models: [&Model; 2], trace: &[String]) {
        let list = world.json(&["list"]);
        let history = world.json(&["history", "-n", EVENTS]);
        for ((service, model), count) in SERVICES.iter().zip(models).zip([RINGS, MORTALS]) {
            let standing: BTreeMap<String, u64> = model
                .standing()
                .into_iter()
                .map(|(name, patch)| (name.to_owned(), patch.id))
                .collect();
            let rows = list["instances"].as_array().expect("instances");
            let rows: Vec<&Value> = rows.iter().filter(|row| row["service"] == *service).collect();
            assert_eq!(rows.len(), count);
            for row in rows {
                assert_eq!(newest(&row["patches"]), standing, "{row}\nafter {trace:#?}");
                assert_eq!(row["behind"], Value::Array(Vec::new()), "{row}\nafter {trace:#?}");
            }
            let events = history["events"].as_array().expect("events");
            let live = events.iter().filter(|event| {
                event["service"] == *service && event["event"] == "applied" && event["withdrawn"].is_null()
            });
            let live: Vec<Value> = live.cloned().collect();
            assert_eq!(
                newest(&Value::Array(live.clone())),
                standing,
                "history, after {trace:#?}"
            );
            let is_newest = |event: &&Value| standing.values().any(|id| event["patch"] == *id);
            for event in live.iter().filter(is_newest) {
                assert_eq!(event["runs_in"], count, "{event}\nafter {trace:#?}");
            }
        }
    }
}

/// Of each name the highest number.
fn newest(patches: &Value) -> BTreeMap<String, u64> {
    let mut newest = BTreeMap::new();
    for patch in patches.as_array().expect("patches") {
        let (name, id) = (patch["name"].as_str(), patch["patch"].as_u64());
        let known = newest.entry(name.expect("a name").to_owned()).or_default();
        *known = id.expect("a number").max(*known);
    }
    newest
}
