//! A node for a benchmark: the built program in a temporary directory, with its output line by line.

#![allow(dead_code, reason = "no benchmark needs all of it")]

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How many of its last lines a run that failed shows.
const TAIL: usize = 200;

/// A node that runs.
pub struct Node {
    child: Child,
    lines: Receiver<String>,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Node {
    /// Starts a node in `dir` with these files (paths and texts), and waits until it prints `ready`.
    pub fn start(dir: &Path, files: &[(&str, &str)], patience: Duration) -> Node {
        Node::start_as("run", dir, files, patience)
    }

    /// The same for another command than `run`.
    pub fn start_as(command: &str, dir: &Path, files: &[(&str, &str)], patience: Duration) -> Node {
        let node = Node::launch(command, dir, files);
        node.wait_for(patience, |line| line == "ready");
        node
    }

    /// The same, without waiting.
    pub fn launch(command: &str, dir: &Path, files: &[(&str, &str)]) -> Node {
        for (file, text) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        fs::create_dir_all(dir.join("hotfix/svc")).expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_hotlua"))
            .arg(command)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let last = Arc::clone(&tail);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut last = last.lock().expect("the last lines");
                last.push_back(line.clone());
                if last.len() > TAIL {
                    last.pop_front();
                }
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Node { child, lines, tail }
    }

    /// Reads lines until one is wanted, and gives that.
    pub fn wait_for(&self, patience: Duration, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(patience).expect("the node answers in time");
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// The memory of a process, in MiB; 0 where the system does not tell.
pub fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or_default() / 1024.0
}

impl Node {
    /// Stops it in order.
    pub fn stop(&mut self, patience: Duration) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the signal is sent");
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            assert!(Instant::now() < deadline, "the node stops in time");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "the node ended with {status}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(tail) = self.tail.lock()
        {
            tail.iter().for_each(|line| eprintln!("| {line}"));
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
