//! Runs every test in `tests/lua`. They are found by walking: to add one, add a file.
//!
//! `tests/lua/*.lua` are start services, `tests/lua/services` what they start, `tests/lua/lib`
//! what they require (`check.lua` there says what a test prints).

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::harness::{Project, copy_tree, repository};

/// How many nodes run at once.
const AT_ONCE: usize = 3;

#[test]
fn every_lua_test_passes() {
    let folder = repository().join("tests/lua");
    let topics = lua_files(&folder);
    assert!(!topics.is_empty(), "no tests in {}", folder.display());

    let mut failures = Vec::new();
    for batch in topics.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let running: Vec<_> = batch
                .iter()
                .map(|topic| (topic, scope.spawn(|| run(&folder, topic))))
                .collect();
            for (topic, handle) in running {
                // A panic has printed its reason already.
                let outcome = handle.join().unwrap_or_else(|_| Err("panicked".to_owned()));
                if let Err(why) = outcome {
                    failures.push(format!("{}:\n{why}", topic.display()));
                }
            }
        });
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs one topic in a node of its own; the error says what went wrong there.
fn run(folder: &Path, topic: &Path) -> Result<(), String> {
    let name = topic.file_stem().and_then(|s| s.to_str()).expect("a name");
    let project = Project::empty()
        .set("node", "start", &format!("\"{name}\""))
        .set("env", "answer", "42")
        .set("env", "flag", "true")
        .set("env", "ratio", "0.5")
        .set("env", "greeting", "\"hello there\"");
    copy_tree(&folder.join("services"), &project.path("services"));
    copy_tree(&folder.join("lib"), &project.path("lualib"));
    fs::copy(topic, project.path(&format!("services/{name}.lua"))).expect("the test copied");

    let mut node = project.spawn(&["run"]);
    let code = node.wait_exit();
    let lines = node.lines();
    let passed = lines.iter().filter(|l| l.starts_with("PASS ")).count();
    let failed = lines.iter().any(|l| l.starts_with("FAIL "));
    let done = lines.iter().any(|l| *l == format!("DONE {passed}"));
    if code == 0 && passed > 0 && !failed && done {
        return Ok(());
    }
    Err(format!("exit code {code}\n{}", lines.join("\n")))
}

/// The Lua files directly in `folder`, by name.
fn lua_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of Lua tests")
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lua"))
        .collect();
    files.sort();
    files
}
