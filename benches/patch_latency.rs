//! How long it takes from saving a patch until its code has run: `cargo bench --bench patch_latency [-- SAVES]`.
//!
//! The same for saves in dev mode, with one instance and with a hundred: until dev mode says that it is live.
//!
//! A node with one instance of a small service is started in a temporary directory. Each save is a patch that replaces one function and
//! calls it; the time runs from just before the file is opened until the line that the new function prints is read from the node.

mod node;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use node::Node;

const MAIN: &str =
    "local skynet = require 'skynet'\nskynet.start(function() skynet.newservice 'svc' print 'ready' end)\n";
const SERVICE: &str = "local skynet = require 'skynet'\nlocal command = {}\nlocal function say(text) print(text) end
function command.speak(n) say('old ' .. n) end
skynet.start(function() skynet.dispatch('lua', function(_, _, n) command.speak(n) end) end)\n";
const CONFIG: &str = "[console]\nlisten = \"127.0.0.1:0\"\n";

/// Longer than any save should ever take.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let saves = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let files = [
        ("config.toml", CONFIG),
        ("services/main.lua", MAIN),
        ("services/svc.lua", SERVICE),
    ];
    let node = Node::start(dir.path(), &files, PATIENCE);
    for (name, by_rename) in [("in place", false), ("by rename", true)] {
        let mut times: Vec<Duration> = (0..saves).map(|n| one_save(dir.path(), &node, n, by_rename)).collect();
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!(
            "{name}: {saves} saves, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            at(50),
            at(99),
            at(100)
        );
    }
    for instances in [1, 100] {
        dev_mode(saves, instances);
    }
}

/// Saves a service's own source again and again.
fn dev_mode(saves: usize, instances: usize) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let main = MAIN.replace(
        "skynet.newservice 'svc'",
        &format!("for i = 1, {instances} do skynet.newservice 'svc' end"),
    );
    let files = [
        ("config.toml", CONFIG),
        ("services/main.lua", main.as_str()),
        ("services/svc.lua", SERVICE),
    ];
    let node = Node::start_as("dev", dir.path(), &files, PATIENCE);
    node.wait_for(PATIENCE, |line| line.starts_with("[dev] saved files of "));
    let mut times: Vec<Duration> = (0..saves)
        .map(|number| {
            let text = SERVICE.replace("'old '", &format!("'new {number} '"));
            let began = Instant::now();
            fs::write(dir.path().join("services/svc.lua"), text).expect("the file is written");
            node.wait_for(PATIENCE, |line| line.starts_with("[dev] services/svc.lua: 1 function"));
            began.elapsed()
        })
        .collect();
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "dev mode, {instances} instances: {saves} saves, p50 {:.2} ms, p99 {:.2} ms",
        at(50),
        at(99)
    );
}

fn one_save(dir: &Path, node: &Node, number: usize, by_rename: bool) -> Duration {
    let line = format!("new {number} {by_rename}");
    let patch = format!("function command.speak(n) say(\"{line}\") end\nskynet.fork(command.speak, {number})\n");
    let target = dir.join("hotfix/svc/x.lua");
    let began = Instant::now();
    if by_rename {
        let beside = dir.join("x.tmp");
        fs::write(&beside, patch).expect("the file is written");
        fs::rename(&beside, &target).expect("the file is renamed");
    } else {
        fs::write(&target, patch).expect("the file is written");
    }
    node.wait_for(PATIENCE, |printed| printed == line);
    let took = began.elapsed();
    // The next save is of the next patch: wait until this one is in the archive.
    let deadline = Instant::now() + PATIENCE;
    while target.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    took
}
