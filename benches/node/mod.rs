//! A node for a benchmark: the built program in a temporary directory, with its output line by line.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A node that runs.
pub struct Node {
    child: Child,
    lines: Receiver<String>,
}

impl Node {
    /// Starts a node in `dir` with these files (paths and texts), and waits until it prints `ready`.
    pub fn start(dir: &Path, files: &[(&str, &str)], patience: Duration) -> Node {
        Node::start_as("run", dir, files, patience)
    }

    /// The same for another command than `run`.
    pub fn start_as(command: &str, dir: &Path, files: &[(&str, &str)], patience: Duration) -> Node {
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
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let node = Node { child, lines };
        node.wait_for(patience, |line| line == "ready");
        node
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
    #[allow(dead_code, reason = "not every benchmark asks")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
