//! A config file.

use std::path::PathBuf;

use crate::config;

/// Whether it is a configuration; otherwise there are problems, each with a line of the file.
pub fn examine(bytes: &[u8]) -> bool {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let problems = match config::parse(bytes, PathBuf::from("/base")) {
        Ok(config) => {
            assert!(config.hotfix.dir.is_absolute());
            return true;
        }
        Err(problems) => problems,
    };
    assert!(!problems.is_empty());
    for problem in &problems {
        assert!((1..=lines).contains(&problem.line), "{problem} of {lines} lines");
    }
    false
}
