//! How long it takes from saving a patch until its code has run: `cargo bench --bench patch_latency [-- SAVES]`.
//!
//! A node with one instance of a small service is started in a temporary directory. Each save is a patch that replaces one function and
//! calls it; the time runs from just before the file is opened until the line that the new function prints is read from the node.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

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
    let (mut node, lines) = start(dir.path());
    for (name, by_rename) in [("in place", false), ("by rename", true)] {
        let mut times: Vec<Duration> = (0..saves).map(|n| one_save(dir.path(), &lines, n, by_rename)).collect();
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!(
            "{name}: {saves} saves, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            at(50),
            at(99),
            at(100)
        );
    }
    node.kill().expect("the node is killed");
    node.wait().expect("the node has ended");
}

fn start(dir: &Path) -> (Child, Receiver<String>) {
    fs::create_dir_all(dir.join("services")).expect("a folder");
    fs::create_dir_all(dir.join("hotfix/svc")).expect("a folder");
    for (file, text) in [
        ("config.toml", CONFIG),
        ("services/main.lua", MAIN),
        ("services/svc.lua", SERVICE),
    ] {
        fs::write(dir.join(file), text).expect("a file");
    }
    let mut node = Command::new(env!("CARGO_BIN_EXE_hotlua"))
        .current_dir(dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the node starts");
    let output = BufReader::new(node.stdout.take().expect("its output"));
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    wait_for(&lines, "ready");
    (node, lines)
}

fn one_save(dir: &Path, lines: &Receiver<String>, number: usize, by_rename: bool) -> Duration {
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
    wait_for(lines, &line);
    let took = began.elapsed();
    // The next save is of the next patch: wait until this one is in the archive.
    let deadline = Instant::now() + PATIENCE;
    while target.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    took
}

fn wait_for(lines: &Receiver<String>, wanted: &str) {
    while lines.recv_timeout(PATIENCE).expect("the node answers in time") != wanted {}
}
