//! A running node: its lines, its signals and its end.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::console::Console;
use super::{DEADLINE, QUIET, poll};

/// A place in the node's output; waiting from here ignores what was printed before.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Mark {
    /// The start of the output.
    pub const START: Self = Self(0);
}

/// The running binary. Dropping it kills it; a failing test prints everything it had said.
pub struct Node {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    address: Option<String>,
}

impl Node {
    /// Starts the binary in `directory`.
    pub fn spawn(directory: &Path, arguments: &[&str]) -> Self {
        Self::spawn_by(&[], directory, arguments)
    }

    /// The same by way of a command that ends by executing what follows it: `env`, `setpriv`, …
    pub fn spawn_by(wrapper: &[&str], directory: &Path, arguments: &[&str]) -> Self {
        let line = [wrapper, &[env!("CARGO_BIN_EXE_hotlua")], arguments].concat();
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().expect("a piped stdout");
        let stderr = child.stderr.take().expect("a piped stderr");
        let readers = vec![collect(stdout, &lines), collect(stderr, &lines)];
        Self {
            child,
            lines,
            readers,
            address: None,
        }
    }

    /// The same on a terminal of its own, whose other end is returned: what is written there is typed.
    pub fn on_terminal(directory: &Path, arguments: &[&str]) -> (Self, File) {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&keyboard).expect("a terminal");
        unlockpt(&keyboard).expect("a terminal");
        let name = ptsname(&keyboard, Vec::new()).expect("the terminal's name");
        let screen = File::options()
            .read(true)
            .write(true)
            .open(OsStr::from_bytes(name.to_bytes()));
        let screen = screen.expect("the terminal");
        let size = Winsize {
            ws_row: 40,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keyboard, size).expect("the terminal's size");
        let stdio = || Stdio::from(screen.try_clone().expect("a handle"));
        let child = Command::new(env!("CARGO_BIN_EXE_hotlua"))
            .args(arguments)
            .current_dir(directory)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("the binary starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let keyboard = File::from(keyboard);
        let readers = vec![collect(keyboard.try_clone().expect("a handle"), &lines)];
        let node = Self {
            child,
            lines,
            readers,
            address: None,
        };
        (node, keyboard)
    }

    /// Everything printed so far, stdout and stderr in the order of arrival.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("the lines").clone()
    }

    /// The lines since `mark`.
    pub fn lines_since(&self, mark: Mark) -> Vec<String> {
        self.lines().split_off(mark.0)
    }

    /// The present end of the output.
    pub fn mark(&self) -> Mark {
        Mark(self.lines.lock().expect("the lines").len())
    }

    /// How many lines so far satisfy `wanted`.
    pub fn count(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.lines().iter().filter(|line| wanted(line)).count()
    }

    /// Waits for the first line, from the start of the output, that contains `text`.
    pub fn wait_line(&mut self, text: &str) -> String {
        self.wait_line_since(Mark::START, text)
    }

    /// Waits for the first line after `mark` that contains `text`.
    pub fn wait_line_since(&mut self, mark: Mark, text: &str) -> String {
        self.wait_for(&format!("a line with {text:?}"), |node| {
            node.lines_since(mark).into_iter().find(|line| line.contains(text))
        })
    }

    /// Waits until `condition` gives a value. Fails at once when the node has ended and the
    /// condition still does not hold.
    pub fn wait_for<T>(&mut self, what: &str, condition: impl Fn(&Self) -> Option<T>) -> T {
        let outcome = poll(DEADLINE, || {
            let ended = self.has_ended();
            if let Some(value) = condition(self) {
                return Some(Ok(value));
            }
            ended.map(Err)
        });
        match outcome {
            Some(Ok(value)) => value,
            Some(Err(status)) => panic!("the node ended ({status}) while waiting for {what}"),
            None => panic!("waited {} s in vain for {what}", DEADLINE.as_secs()),
        }
    }

    /// Waits until `condition` holds.
    pub fn wait_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.wait_for(what, |node| condition(node).then_some(()));
    }

    /// Watches for a moment that no line after `mark` contains `text`.
    pub fn stays_quiet(&mut self, mark: Mark, text: &str) {
        let heard = poll(QUIET, || {
            self.lines_since(mark).into_iter().find(|line| line.contains(text))
        });
        assert_eq!(heard, None, "no line with {text:?} was expected");
    }

    /// Waits for the summary line of a patch, `[hotfix] SERVICE/FILE …` after `mark`; gives what
    /// follows the name.
    pub fn wait_summary(&mut self, mark: Mark, file: &str) -> String {
        self.wait_for(&format!("a summary of {file}"), |node| {
            node.lines_since(mark).iter().find_map(|line| summary(line, file))
        })
    }

    /// All summaries of one patch file so far.
    pub fn summaries(&self, file: &str) -> Vec<String> {
        self.lines().iter().filter_map(|line| summary(line, file)).collect()
    }

    /// Waits for the line that says where the console listens, and keeps the address.
    pub fn wait_for_console(&mut self) -> String {
        const SAID: &str = "console listening on ";
        let line = self.wait_line(SAID);
        let (_, address) = line.split_once(SAID).expect("the text just waited for");
        self.address = Some(address.trim().to_owned());
        address.trim().to_owned()
    }

    /// A new client of the console.
    pub fn console(&self) -> Console {
        Console::connect(self.address())
    }

    /// Where the console listens, `IP:PORT`.
    pub fn address(&self) -> &str {
        self.address.as_deref().expect("a node with a console")
    }

    /// The first value that service `address` answers to `call ADDRESS ARGUMENTS`.
    pub fn ask(&self, address: &str, arguments: &str) -> String {
        self.console().call(address, arguments)
    }

    /// The node's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it has, in bytes; `None` where the system does not tell.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes = line.trim().strip_suffix(" kB")?;
        Some(kibibytes.parse::<u64>().ok()? * 1024)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the signal is sent");
    }

    /// Ends the node the way a crash does.
    pub fn kill9(&mut self) {
        self.child.kill().expect("the node is killed");
        self.wait_exit();
    }

    /// Asks the node to stop and gives its exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.wait_exit()
    }

    /// Waits for the node's own end; gives its exit code, or minus the signal that ended it.
    pub fn wait_exit(&mut self) -> i32 {
        let status = poll(DEADLINE, || self.has_ended()).expect("the node ends");
        status.code().unwrap_or_else(|| -status.signal().unwrap_or_default())
    }

    /// The exit status, once the node has ended and all that it printed is here.
    fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("the node's state")?;
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader of the output");
        }
        Some(status)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to do about a failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let lines = self.lines.lock().map(|lines| lines.join("\n"));
            eprintln!(
                "--- the node printed ---\n{}\n------------------------",
                lines.unwrap_or_default()
            );
        }
    }
}

/// The beginnings of a summary, one per outcome.
const OUTCOMES: [&str; 7] = [
    "applied to ",
    "unchanged: ",
    "had no effect: ",
    "rejected: ",
    "failed and undone: ",
    "timed out: ",
    "waiting: ",
];

/// What a summary line says of `file`; `None` for any other line.
fn summary(line: &str, file: &str) -> Option<String> {
    let rest = line.strip_prefix("[hotfix] ")?.strip_prefix(file)?.strip_prefix(' ')?;
    let known = OUTCOMES.iter().any(|outcome| rest.starts_with(outcome));
    known.then(|| rest.to_owned())
}

/// Reads lines into `lines` until the stream ends. Bytes that are not UTF-8 show as U+FFFD.
fn collect(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            // A terminal ends its lines with both.
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            lines.lock().expect("the lines").push(text);
            line.clear();
        }
    })
}
