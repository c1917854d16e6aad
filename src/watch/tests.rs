//! The doorkeeper on real directories: what is done to the drop folder, and everything that is reported about it.

mod grown;
mod refusals;
mod saves;
mod sources;
mod trees;
mod ways;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::watch::{Config, Event, SourceRoot, Watcher, start};

/// Nothing takes this long but a failure.
const DEADLINE: Duration = Duration::from_secs(60);
/// Sorts after every other service, so that a sweep that reached it has seen all others.
const MARKER_SERVICE: &str = "~marker";

/// A doorkeeper at a drop folder in a temporary directory, with a marker file that only its sweep can see change.
struct Bench {
    directory: TempDir,
    watcher: Option<Watcher>,
    events: UnboundedReceiver<Event>,
    runtime: Runtime,
    marks: u32,
    sources: Vec<SourceRoot>,
}

impl Bench {
    /// A running doorkeeper whose first scan is over, with an empty folder for the service `svc`.
    fn new() -> Self {
        let mut bench = Self::prepare(|root| fs::create_dir_all(root.join("svc")));
        bench.start(false);
        bench.expect_scanned();
        bench
    }

    /// Fills the place and does not start yet.
    fn prepare(fill: impl FnOnce(&Path) -> std::io::Result<()>) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        fill(&directory.path().join("hotfix")).expect("filled");
        let (_, events) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self {
            directory,
            watcher: None,
            events,
            runtime,
            marks: 0,
            sources: Vec::new(),
        }
    }

    fn start(&mut self, poll: bool) {
        self.start_with(poll, Duration::from_millis(100));
    }

    fn start_with(&mut self, poll: bool, sweep: Duration) {
        let (sender, events) = unbounded_channel();
        let config = Config {
            root: self.root(),
            label: "hotfix".to_owned(),
            poll,
            max_size: 1024,
            strict: false,
            sweep,
            sources: self.sources.clone(),
            skip: vec![self.root()],
        };
        self.events = events;
        self.watcher = Some(start(config, sender).expect("started"));
    }

    fn watcher(&self) -> &Watcher {
        self.watcher.as_ref().expect("started")
    }

    /// A path beside the drop folder, on the same file system.
    fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.beside("hotfix")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn save(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("written");
    }

    /// The next event, as a short line: `svc/x.lua = text`, `refused …: why`, `gone svc/x.lua`, `notice …` or `scanned`.
    /// Left out: notices about the marker, and about finds, which a machine too busy to deliver events in time has as well.
    fn next(&mut self) -> String {
        loop {
            let line = self.next_of_all();
            let is_noise = line.contains(MARKER_SERVICE) || line.contains("the sweep found");
            if !line.starts_with("notice") || !is_noise {
                return line;
            }
        }
    }

    /// The next event that is no notice.
    fn next_but_notices(&mut self) -> String {
        loop {
            let line = self.next();
            if !line.starts_with("notice") {
                return line;
            }
        }
    }

    fn next_of_all(&mut self) -> String {
        let next = async { tokio::time::timeout(DEADLINE, self.events.recv()).await };
        let event = self
            .runtime
            .block_on(next)
            .expect("an event in time")
            .expect("the doorkeeper lives");
        match event {
            Event::Scanned => "scanned".to_owned(),
            Event::Settled(it) => {
                assert_eq!(it.display, format!("hotfix/{}/{}", it.service, it.name));
                assert_eq!(it.path, self.root().join(&it.service).join(&it.name));
                let text = fs::read_to_string(&it.path).unwrap_or_default();
                let text = match hex::encode(Sha256::digest(&text)) == it.sha256 {
                    true => text,
                    false => "what it no longer is".to_owned(),
                };
                format!("{}/{} = {text}", it.service, it.name)
            }
            Event::Refused { path, why } => format!("refused {path}: {why}"),
            Event::Gone { service, name } => format!("gone {service}/{name}"),
            Event::Notice(text) => format!("notice {text}"),
            Event::SourcesScanned => "sources scanned".to_owned(),
            Event::Source(it) => {
                let relative = it.path.strip_prefix(self.directory.path()).expect("below");
                assert_eq!(relative.to_str(), Some(it.display.as_str()));
                format!("{} = {}", it.display, String::from_utf8_lossy(&it.bytes))
            }
            Event::SourceGone { display, .. } => format!("gone {display}"),
        }
    }

    fn expect(&mut self, expected: &str) {
        assert_eq!(self.next(), expected);
    }

    fn expect_scanned(&mut self) {
        self.expect("scanned");
    }

    /// The next event must begin and go on like this.
    fn expect_like(&mut self, start: &str, part: &str) {
        let line = self.next();
        assert!(
            line.starts_with(start) && line.contains(part),
            "{line} is not {start} … {part}"
        );
    }

    /// Everything that is reported until a whole sweep is over, in order.
    fn rest(&mut self) -> Vec<String> {
        // The first mark may be found by a sweep (or a scan) that is half done; the second only by one that began after that.
        let mut lines = self.lines_until_mark();
        lines.extend(self.lines_until_mark());
        lines
    }

    fn lines_until_mark(&mut self) -> Vec<String> {
        self.marks += 1;
        let mark = format!("{MARKER_SERVICE}/marker.lua = mark {}", self.marks);
        self.write_mark().expect("written");
        let mut lines = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            match self.next() {
                line if line == mark => return lines,
                line if line.contains(MARKER_SERVICE) => {}
                line => lines.push(line),
            }
        }
        panic!("no sweep in time, only {lines:?}")
    }

    /// Writes through a link outside of the drop folder, so that there is no event and only a sweep finds it.
    fn write_mark(&self) -> std::io::Result<()> {
        let outside = self.beside("marker");
        let inside = self.path(MARKER_SERVICE).join("marker.lua");
        let mut file = File::options().write(true).create(true).truncate(true).open(&outside)?;
        write!(file, "mark {}", self.marks)?;
        drop(file);
        if !inside.exists() {
            fs::create_dir_all(self.path(MARKER_SERVICE))?;
            fs::hard_link(&outside, &inside)?;
        }
        Ok(())
    }

    /// Nothing is offered, although everything is looked at once again. A slow machine may say meanwhile what it waits for.
    fn expect_no_offer(&mut self) {
        let mut lines = self.rest();
        lines.retain(|line| !line.starts_with("notice"));
        assert_eq!(lines, Vec::<String>::new());
    }

    /// Nothing is reported any more, although everything is looked at once again.
    fn expect_nothing(&mut self) {
        assert_eq!(self.rest(), Vec::<String>::new());
    }
}

#[test]
fn a_dropped_doorkeeper_is_gone() {
    let mut bench = Bench::new();
    bench.watcher = None;
    bench.save("svc/x.lua", "1");
    assert!(bench.events.blocking_recv().is_none(), "its thread has ended");
}
