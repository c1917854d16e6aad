//! `journal.jsonl`: one line per event, in the order of the history, each line a JSON object.
//!
//! Each line carries its entry's number (`seq`), so the journal itself says how far it has come: whatever cut it short, the
//! rest is written from the history.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::ArchiveError;
use super::place::file_name;
use crate::hotfix::history::History;
use crate::hotfix::record::{Entry, Function, Instance, PatchId, rfc3339};
use crate::plain;

/// The journal's file name.
pub(super) const FILE: &str = "journal.jsonl";

/// What rotated journals are called as well: `journal.jsonl.1`, `journal.1`, `journal-20260101.jsonl`.
const STEM: &[u8] = b"journal";

/// How many entries are held in memory at a time while a journal is written anew.
const BATCH: u32 = 256;

/// How much of the journal's end is looked at first; more only if no whole line is in it.
const WINDOW_BYTES: u64 = 64 * 1024;

/// The journal of one archive.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// The number of the last entry that has its line.
    written: u64,
}

impl Journal {
    /// Finds out how far the journal has come, and cuts off what is not a whole line at its end.
    pub(super) fn open(root: &Path, history: &History) -> Result<Journal, ArchiveError> {
        let path = root.join(FILE);
        let seq = mend(&path).map_err(ArchiveError::io("read and mend the journal", &path))?;
        // A history that is behind its journal was put in place of another one: the old lines stay, and its new events
        // follow them.
        let written = seq.min(history.last_entry()?);
        Ok(Journal { path, written })
    }

    /// Writes a line for each entry that has none yet; for all of them, if the journal was removed.
    pub(super) fn catch_up(&mut self, history: &History) -> Result<(), ArchiveError> {
        if self.is_removed() {
            self.written = 0;
        }
        loop {
            let entries = history.entries_after(self.written, BATCH)?;
            for entry in &entries {
                self.append(entry)?;
            }
            if entries.is_empty() {
                return Ok(());
            }
        }
    }

    /// Whether the journal is gone, and was not rotated away: that leaves a file beside it whose name begins like the journal's.
    fn is_removed(&self) -> bool {
        let is_rotated = |root: &Path| {
            let mut entries = fs::read_dir(root).into_iter().flatten().flatten();
            entries.any(|entry| entry.path().is_file() && entry.file_name().as_encoded_bytes().starts_with(STEM))
        };
        !self.path.exists() && !self.path.parent().is_some_and(is_rotated)
    }

    /// Writes one line, in one write. Opens the file each time, so that it may be rotated away at any moment.
    fn append(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let line = serde_json::to_string(&Line::of(entry)?)
            .map_err(|error| ArchiveError::io("write a line of", &self.path)(error.into()))?;
        let line = plain::json(line) + "\n";
        append_whole(&self.path, line.as_bytes()).map_err(ArchiveError::io("append to the journal", &self.path))?;
        self.written = entry.seq;
        Ok(())
    }
}

/// One line. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    id: Option<PatchId>,
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    event: &'a str,
    service: Option<&'a str>,
    name: Option<&'a str>,
    sha256: Option<&'a str>,
    previous: Option<PatchId>,
    by: &'a str,
    reason: Option<&'a str>,
    ms: Option<f64>,
    error: Option<&'a str>,
    instances: &'a [Instance],
    functions: &'a [Function],
    warnings: &'a [String],
    file: Option<String>,
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Result<Self, ArchiveError> {
        let patch = entry.patch.as_ref();
        // The name is known before the file is there: the line need not wait for a full disk.
        let file = patch
            .filter(|record| record.is_for_archive())
            .map(file_name)
            .transpose()?;
        Ok(Line {
            seq: entry.seq,
            id: patch.map(|record| record.id),
            time: entry.time,
            event: &entry.event,
            service: entry.service.as_deref(),
            name: patch.map(|record| record.name.as_str()),
            sha256: patch.map(|record| record.sha256.as_str()),
            previous: patch.and_then(|record| record.previous),
            by: &entry.by,
            reason: entry.reason.as_deref(),
            ms: entry.outcome.ms,
            error: entry.outcome.error.as_deref(),
            instances: &entry.outcome.instances,
            functions: &entry.outcome.functions,
            warnings: &entry.outcome.warnings,
            file,
        })
    }
}

/// Appends all of `line` or nothing.
fn append_whole(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let before = file.metadata()?.len();
    file.write_all(line).inspect_err(|_| {
        // A full disk may have taken half of it. If this fails as well, the next start cuts the half line off.
        let _ = file.set_len(before);
    })
}

/// Cuts the journal back to its last whole line and returns that line's number; 0 for a journal without lines.
fn mend(path: &Path) -> io::Result<u64> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let len = metadata.len();
    let mut window = WINDOW_BYTES;
    loop {
        let start = len.saturating_sub(window);
        let tail = read_from(&mut file, start)?;
        if let Some((end, seq)) = last_line(&tail) {
            cut(&file, len, start + end as u64)?;
            return Ok(seq);
        }
        if start == 0 {
            cut(&file, len, 0)?;
            return Ok(0);
        }
        window *= 8;
    }
}

fn read_from(file: &mut File, start: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cut(file: &File, len: u64, end: u64) -> io::Result<()> {
    if end < len { file.set_len(end) } else { Ok(()) }
}

/// The end and the number of the last whole line in `tail`, whose first line may be half.
fn last_line(tail: &[u8]) -> Option<(usize, u64)> {
    #[derive(Deserialize)]
    struct Number {
        seq: u64,
    }

    let mut end = tail.iter().rposition(|&b| b == b'\n')?;
    loop {
        let start = tail[..end].iter().rposition(|&b| b == b'\n');
        let line = &tail[start.map_or(0, |newline| newline + 1)..end];
        if let Ok(Number { seq }) = serde_json::from_slice(line) {
            return Some((end + 1, seq));
        }
        end = start?;
    }
}
