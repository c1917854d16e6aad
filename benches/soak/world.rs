//! The project, the node that runs it, and what can be asked of it from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::Node;

/// Longer than any step should ever take.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const RINGS: usize = 150;
pub const MORTALS: usize = 50;

const CONFIG: &str = "[node]\nthreads = 2\n[console]\nlisten = \"127.0.0.1:0\"\n";
const MEMBER: &str = include_str!("member.lua");

/// What is patched: `member.lua` under two names.
pub const SERVICES: [&str; 2] = ["ring", "mortal"];
/// What has a version in it: the functions that are marked so in `member.lua`.
pub const SPOTS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// The versions at the spots.
pub type Versions = [u64; 6];

/// The text of a service with these versions.
pub fn text(versions: Versions) -> String {
    let mut text = MEMBER.to_owned();
    for (spot, version) in SPOTS.iter().zip(versions) {
        let marked = |version: u64, end: &str| format!("return {version}{end} --{spot}");
        for end in [" end", ""] {
            text = text.replace(&marked(0, end), &marked(version, end));
        }
    }
    text
}

/// A running node with the load on it.
pub struct World {
    pub dir: PathBuf,
    pub node: Node,
    console: BufReader<TcpStream>,
    tokens: (u64, Instant),
    /// The calls that failed so far; they may only while a service restarts.
    failed: u64,
}

impl World {
    /// Starts the node, as `hotlua COMMAND`, with the texts that are there or else the first ones.
    pub fn start(command: &str, dir: &Path) -> World {
        for service in SERVICES {
            let path = dir.join(format!("services/{service}.lua"));
            fs::create_dir_all(dir.join("services")).expect("a folder");
            fs::write(path, text([0; 6])).expect("a file");
        }
        let main = include_str!("main.lua").replace(
            "local rings, mortals = ...",
            &format!("local rings, mortals = {RINGS}, {MORTALS}"),
        );
        let files = [
            ("config.toml", CONFIG),
            ("services/main.lua", &main),
            ("services/pacer.lua", include_str!("pacer.lua")),
            ("services/driver.lua", include_str!("driver.lua")),
            ("services/nursery.lua", include_str!("nursery.lua")),
        ];
        SERVICES
            .iter()
            .for_each(|service| fs::create_dir_all(dir.join("hotfix").join(service)).expect("a folder"));
        let node = Node::launch(command, dir, &files);
        let said = node.wait_for(PATIENCE, |line| line.contains("console listening on "));
        node.wait_for(PATIENCE, |line| line == "ready");
        let address = said.rsplit(' ').next().expect("an address");
        let stream = TcpStream::connect(address).expect("the console accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut console = BufReader::new(stream);
        console.read_line(&mut String::new()).expect("the greeting");
        World {
            dir: dir.to_owned(),
            node,
            console,
            tokens: (0, Instant::now()),
            failed: 0,
        }
    }

    /// What the console answers, and whether that was an OK.
    pub fn command(&mut self, line: &str) -> (String, bool) {
        writeln!(self.console.get_mut(), "{line}").expect("the console reads");
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            let read = self.console.read_line(&mut line).expect("the console answers");
            match line.trim_end() {
                "<CMD OK>" => return (reply, true),
                "<CMD Error>" => return (reply, false),
                _ if read == 0 => panic!("the console has hung up after {reply}"),
                _ => reply.push_str(&line),
            }
        }
    }

    /// What `.main` answers.
    pub fn ask(&mut self, what: &str) -> String {
        let (reply, ok) = self.command(&format!("call .main {what}"));
        assert!(ok, "{what}: {reply}");
        let first = reply.lines().next().and_then(|line| line.strip_prefix("1\t"));
        first.unwrap_or_default().to_owned()
    }

    /// Ends some of the mortals and starts as many.
    pub fn renew(&mut self, random: &mut fastrand::Rng) {
        let how = if random.bool() { "kill" } else { "leave" };
        let number = random.usize(1..=5);
        let left = self.ask(&format!("\"renew\",{number},\"{how}\""));
        assert_eq!(left, MORTALS.to_string());
    }

    /// What the command line prints, as data.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_hotlua"))
            .args(arguments)
            .arg("--json")
            .current_dir(&self.dir)
            .output()
            .expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// What the instances of each service say they run, by handle.
    pub fn census(&mut self) -> BTreeMap<String, Vec<(String, Versions)>> {
        let mut census: BTreeMap<String, Vec<(String, Versions)>> = BTreeMap::new();
        for line in self.ask("\"census\"").split(';') {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse().expect("a version");
            let versions = std::array::from_fn(|spot| number(spot + 2));
            let service = census.entry(words[0].to_owned()).or_default();
            service.push((words[1].to_owned(), versions));
        }
        assert_eq!(census["ring"].len(), RINGS);
        assert_eq!(census["mortal"].len(), MORTALS);
        census
    }

    /// Looks whether anybody complains, and whether tokens run and calls are answered. `restarted`: a service has restarted since the last look, so
    /// calls may have failed.
    pub fn check_load(&mut self, restarted: bool) {
        assert_eq!(self.ask("\"complaints\""), "");
        let load = self.ask("\"load\"");
        let words: Vec<&str> = load.splitn(5, ' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        let (rounds, failed) = (number(0), number(3));
        if rounds > self.tokens.0 {
            self.tokens = (rounds, Instant::now());
        }
        let (_, since) = self.tokens;
        assert!(since.elapsed() < PATIENCE, "a token is lost: {load}");
        assert!(
            restarted || failed == self.failed,
            "a call failed without a cause: {load}"
        );
        self.failed = failed;
    }

    /// Lets the calls come to rest, and compares those that were answered with those that were handled.
    pub fn settle(&mut self) -> String {
        let settled = self.ask("\"settle\"");
        let words: Vec<&str> = settled.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        let (handled, links, failed) = (number(0), number(2), number(3));
        let at_most = links + failed * 6;
        assert!(
            (links..=at_most).contains(&handled),
            "calls were lost or doubled: {settled}"
        );
        format!(
            "{} calls answered over {links} links, {failed} failed while a service restarted",
            words[1]
        )
    }

    /// Stops the node in order.
    pub fn stop(mut self) {
        println!("  {}", self.settle());
        self.node.stop(PATIENCE);
    }
}

/// Waits until a condition holds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
