//! Readers for what the node leaves on disk.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::project::Project;

impl Project {
    /// The names of the archived files of a service, sorted, which is the order of applying.
    /// Names with a dot in front are files that are still being written.
    pub fn archived(&self, service: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(&format!("archive/{service}"))) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an archive entry").file_name())
            .map(|name| name.into_string().expect("a UTF-8 name"))
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// The archived patches of a service (not the diffs), oldest first.
    pub fn archived_patches(&self, service: &str) -> Vec<PathBuf> {
        self.archived(service)
            .iter()
            .filter(|name| name.ends_with(".lua"))
            .map(|name| self.path(&format!("archive/{service}/{name}")))
            .collect()
    }

    /// `archive/journal.jsonl`, parsed. Every line must be a JSON object.
    pub fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("archive/journal.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}")))
            .collect()
    }
}

/// SHA-256 in hexadecimal, as `sha256sum` prints it.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}
