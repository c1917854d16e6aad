//! Before anything runs: who besides the node's user may change what will run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::app::dev::source_roots;
use crate::config::{Config, Profile};
use crate::plain;
use crate::trust::{self, OPEN, REMEDY};

/// How many places are named.
const NAMED: usize = 5;

/// Looks at every folder that decides what runs; where everybody may write, people are told.
///
/// # Errors
/// The same, in production.
pub fn check(config: &Config) -> Result<(), String> {
    let open: Vec<PathBuf> = places(config).into_iter().filter(|path| trust::is_open(path)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let told = told(&config.base, &open);
    if config.node.profile == Profile::Production {
        return Err(format!(
            "a production node does not start where everybody may change what runs: {told}"
        ));
    }
    warn!("everybody may change what this node runs: {told}; in production it would not start");
    Ok(())
}

/// The project's own directory, the state (patches in it are applied again), sources, the letterbox and the folders in it.
fn places(config: &Config) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::from([
        config.base.clone(),
        config.node.state.clone(),
        config.hotfix.dir.clone(),
    ]);
    places.extend(source_roots(config).into_iter().map(|root| root.path));
    // What cannot be listed now is refused when it is looked at.
    let folders = fs::read_dir(&config.hotfix.dir).into_iter().flatten().flatten();
    let is_service = |path: &PathBuf| path.is_dir() && path.file_name().is_some_and(|name| !is_hidden(name));
    places.extend(folders.map(|entry| entry.path()).filter(is_service));
    places
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// What is open, and what ends it.
fn told(base: &Path, open: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        let inside = path.strip_prefix(base).unwrap_or(path);
        let named = if inside.as_os_str().is_empty() { path } else { inside };
        plain::line(named.as_os_str().as_encoded_bytes()).into_owned()
    };
    let named: Vec<String> = open.iter().take(NAMED).map(name).collect();
    let more = match open.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more} {OPEN} ({REMEDY})", named.join(", "))
}
