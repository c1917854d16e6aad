//! How long it takes from saving a patch until its code has run: `cargo bench --bench patch_latency [-- --saves N] [--write]`.
//!
//! A node in production mode with one instance of a small service is started in a temporary directory. Each save is a patch that replaces one
//! function and calls it; the time runs from just before the file is opened (or renamed) until a byte that the new function writes into a pipe has been
//! read here. 1,000 saves in place and 1,000 by rename, a hundred for each node, each when the one before is in the archive.
//!
//! Then saves of the service's own source in dev mode, a tenth as many, with one instance and with a hundred: until dev mode says that it is live.
//! `--write` puts tables and histograms into `docs/benchmarks/`.

mod figures;
mod node;

use std::fs;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, mkfifoat};

use figures::arguments::Arguments;
use figures::histogram::{self, Histogram};
use figures::{machine, percentile, sorted};
use node::Node;

const MAIN: &str =
    "local skynet = require 'skynet'\nskynet.start(function() skynet.newservice 'svc' print 'ready' end)\n";
const SERVICE: &str = "local skynet = require 'skynet'
local ran = assert(io.open('ran', 'w'))
ran:setvbuf 'no'
local command = {}
function command.speak() end
skynet.start(function() skynet.dispatch('lua', function() command.speak() end) end)\n";
const DEV_SERVICE: &str =
    "local skynet = require 'skynet'\nlocal command = {}\nlocal function say(text) print(text) end
function command.speak(n) say('old ' .. n) end
skynet.start(function() skynet.dispatch('lua', function(_, _, n) command.speak(n) end) end)\n";
const CONFIG: &str = "[node]\nprofile = \"production\"\n[console]\nlisten = \"127.0.0.1:0\"\n";
const DEV_CONFIG: &str = "[console]\nlisten = \"127.0.0.1:0\"\n";

/// Longer than any save should ever take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many saves a node takes. Each patch that stands is remembered in the heap that the next one writes down, which makes that one about a microsecond dearer
/// (`patch_cost --row` shows it); after a thousand this would be half of the figure.
const ONE_NODE: usize = 100;
/// Between one save's way into the archive and the next save.
const REST: Duration = Duration::from_millis(10);

fn main() {
    let arguments = Arguments::read(&["--write"], &["--saves"]);
    let saves = arguments.number("--saves", 1000);
    let production = production(saves);
    let dev: Vec<Times> = [1, 100].map(|instances| dev_mode(saves.div_ceil(10), instances)).into();
    if arguments.has("--write") {
        figures::write("patch_latency.md", &report(&production, &dev));
        let histograms: Vec<Histogram> = production.iter().map(Times::histogram).collect();
        let parts: Vec<(&str, &Histogram)> = production
            .iter()
            .map(|times| times.name.as_str())
            .zip(&histograms)
            .collect();
        figures::write("patch_latency.svg", &histogram::picture(&parts));
    }
}

/// How long some saves took, in milliseconds, sorted.
struct Times {
    name: String,
    sorted: Vec<f64>,
}

impl Times {
    /// Prints them, too.
    fn new(name: String, times: Vec<Duration>) -> Times {
        let sorted = sorted(times.iter().map(|time| time.as_secs_f64() * 1e3));
        let times = Times { name, sorted };
        let [median, late, last] = times.figures();
        println!(
            "{}: {} saves, p50 {median:.2} ms, p99 {late:.2} ms, max {last:.2} ms\n{}",
            times.name,
            times.sorted.len(),
            times.histogram().text()
        );
        times
    }

    /// p50, p99, max.
    fn figures(&self) -> [f64; 3] {
        [50, 99, 100].map(|percent| percentile(&self.sorted, percent))
    }

    fn histogram(&self) -> Histogram {
        Histogram::of(&self.sorted)
    }

    fn row(&self) -> String {
        let [median, late, last] = self.figures();
        format!(
            "| {} | {} | {median:.2} | {late:.2} | {last:.2} |\n",
            self.name,
            self.sorted.len()
        )
    }
}

fn report(production: &[Times], dev: &[Times]) -> String {
    let head = "| | saves | p50, ms | p99, ms | max, ms |\n|---|---|---|---|---|\n";
    let rows = |all: &[Times]| all.iter().map(Times::row).collect::<String>();
    let histograms: String = production
        .iter()
        .map(|times| format!("{}\n{}\n", times.name, times.histogram().text()))
        .collect();
    format!(
        "# From a save to the new code\n\nMade by `cargo bench --bench patch_latency -- --write`, on {}.\n\n\
         A patch that replaces one function and calls it is dropped for one instance of a small service, in production mode. The time runs from just before the \
         file is opened or renamed until the new function has written into a pipe. A node takes {ONE_NODE} of them.\nGoals: p50 ≤ 1 ms, p99 ≤ 10 ms.\n\n\
         {head}{}\n![histograms](patch_latency.svg)\n\n```\n{}\n```\n\n\
         Saves of the service's own source in dev mode, until it is said to be live. Dev mode waits until it has been quiet for 40 ms.\n\n{head}{}",
        machine(),
        rows(production),
        histograms.trim_end(),
        rows(dev)
    )
}

/// Patches that are dropped into the letterbox, in place and by rename by turns.
fn production(saves: usize) -> Vec<Times> {
    let mut times = [Vec::new(), Vec::new()];
    while times[1].len() < saves {
        for (times, by_rename) in times.iter_mut().zip([false, true]) {
            let wanted = ONE_NODE.min(saves - times.len());
            times.extend(saves_of_one_node(wanted, by_rename));
        }
    }
    let [in_place, by_rename] = times;
    vec![
        Times::new("in place".to_owned(), in_place),
        Times::new("by rename".to_owned(), by_rename),
    ]
}

fn saves_of_one_node(saves: usize, by_rename: bool) -> Vec<Duration> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut pipe = Pipe::make(&dir.path().join("ran"));
    let files = [
        ("config.toml", CONFIG),
        ("services/main.lua", MAIN),
        ("services/svc.lua", SERVICE),
    ];
    let _node = Node::start(dir.path(), &files, PATIENCE);
    std::thread::sleep(REST);
    (0..saves)
        .map(|number| one_save(dir.path(), &mut pipe, number, by_rename))
        .collect()
}

fn one_save(dir: &Path, pipe: &mut Pipe, number: usize, by_rename: bool) -> Duration {
    let patch = format!("function command.speak() ran:write('{number}\\n') end\nskynet.fork(command.speak)\n");
    let target = dir.join("hotfix/svc/x.lua");
    let beside = dir.join("x.tmp");
    if by_rename {
        fs::write(&beside, &patch).expect("the file is written");
    }
    let began = Instant::now();
    if by_rename {
        fs::rename(&beside, &target).expect("the file is renamed");
    } else {
        fs::write(&target, patch).expect("the file is written");
    }
    let said = pipe.line();
    let took = began.elapsed();
    assert_eq!(said, number.to_string(), "the code of another save has run");
    // The next save finds a node that has nothing to do: this one is in the archive and in the books.
    let deadline = Instant::now() + PATIENCE;
    while fs::read_dir(dir.join("hotfix/svc"))
        .expect("the letterbox is read")
        .next()
        .is_some()
    {
        assert!(
            Instant::now() < deadline,
            "save {number} is not in the archive after {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(REST);
    took
}

/// A named pipe into which the service writes.
struct Pipe(File);

impl Pipe {
    fn make(path: &Path) -> Pipe {
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a pipe");
        // For both directions, so that neither side waits for the other to open it.
        let file = File::options().read(true).write(true).open(path);
        Pipe(file.expect("the pipe is opened"))
    }

    /// Waits for a line, and reads it.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let patience = Timespec::try_from(PATIENCE).expect("a time");
            let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience)).expect("the pipe is watched");
            assert!(ready > 0, "the new code has not run after {PATIENCE:?}");
            let mut part = [0; 64];
            let length = self.0.read(&mut part).expect("the pipe is read");
            line.extend_from_slice(&part[..length]);
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }
}

/// Saves a service's own source again and again.
fn dev_mode(saves: usize, instances: usize) -> Times {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let main = MAIN.replace(
        "skynet.newservice 'svc'",
        &format!("for i = 1, {instances} do skynet.newservice 'svc' end"),
    );
    let files = [
        ("config.toml", DEV_CONFIG),
        ("services/main.lua", main.as_str()),
        ("services/svc.lua", DEV_SERVICE),
    ];
    let node = Node::start_as("dev", dir.path(), &files, PATIENCE);
    node.wait_for(PATIENCE, |line| line.starts_with("[dev] saved files of "));
    let times = (0..saves).map(|number| {
        let text = DEV_SERVICE.replace("'old '", &format!("'new {number} '"));
        let began = Instant::now();
        fs::write(dir.path().join("services/svc.lua"), text).expect("the file is written");
        node.wait_for(PATIENCE, |line| line.starts_with("[dev] services/svc.lua: 1 function"));
        began.elapsed()
    });
    let name = format!(
        "dev mode, {instances} instance{}",
        if instances == 1 { "" } else { "s" }
    );
    Times::new(name, times.collect())
}
