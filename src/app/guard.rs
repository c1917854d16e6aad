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

/// Looks at everything that decides what runs, `file` being the config file; where everybody may write, people are told.
///
/// # Errors
/// The same, in production.
pub fn check(file: &Path, config: &Config) -> Result<(), String> {
    let open: Vec<PathBuf> = places(file, config)
        .into_iter()
        .filter(|path| trust::is_open(path))
        .collect();
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

/// The config file and its directory, the state (patches in it are applied again), sources, the letterbox and the folders in it.
fn places(file: &Path, config: &Config) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::from([
        file.to_owned(),
        config.base.clone(),
        config.node.state.clone(),
        config.hotfix.dir.clone(),
    ]);
    places.extend(config.node.preload.iter().map(|preload| config.resolve(preload)));
    let mut open: Vec<PathBuf> = source_roots(config).into_iter().map(|root| root.path).collect();
    // Whoever has sources everywhere has to look after everything.
    open.retain(|root| root != Path::new("/"));
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| !is_hidden(&entry.file_name())) {
            match entry.file_type() {
                // Links are not gone after: they may lead in circles.
                Ok(kind) if kind.is_dir() && !places.contains(&entry.path()) => open.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.path().extension().is_some_and(|it| it == "lua") => {
                    places.insert(entry.path());
                }
                _ => {}
            }
        }
        places.insert(folder);
    }
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
