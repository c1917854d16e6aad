//! What a patch costs: `cargo bench --bench patch_cost [-- --quick | --many | --heap | --row]`.
//!
//! Nodes are started in temporary directories, and patches are dropped into their letterboxes. `pause` is how long the node itself says
//! that the instance stood still (of many, the longest); `wall` runs from just before the file is written until the summary line is read.

mod figures;
mod node;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use figures::Spread;
use node::{Node, resident_mib};
use tempfile::TempDir;

const CONFIG: &str =
    "[console]\nlisten = \"127.0.0.1:0\"\n[hotfix]\nsnapshot_limit = \"4 GiB\"\ntime_limit = \"30s\"\n";

/// A game's service: its argument is how many MiB of players it makes.
const GAME: &str = include_str!("node/game.lua");
const GAME_MAIN: &str = "local skynet = require 'skynet'
skynet.start(function()
    local game = skynet.newservice('svc', 'MIB')
    print 'ready'
    print('heap ' .. skynet.call(game, 'lua', 'heap'))
end)\n";

/// A small service, of which there are many.
const SMALL: &str = include_str!("node/small.lua");
const SMALL_MAIN: &str = "local skynet = require 'skynet'
skynet.start(function()
    for _ = 1, COUNT do skynet.newservice 'svc' end
    print 'ready'
end)\n";

/// What is changed in both services.
const OLD_LINE: &str = "return score(n) + 0";

/// Longer than anything here should ever take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A kind of patch: its name, whether it needs the heap written down, and its text for a service's text and a round.
type Kind = (&'static str, fn(&str, usize) -> String);
const CHUNK: Kind = ("definition", |_, round| definition(round));
const SOURCE: Kind = ("whole file", |service, round| {
    service.replace(OLD_LINE, &format!("return score(n) + {round}"))
});
const STATEMENT: Kind = ("with a statement", |_, round| {
    format!("{}tuning.hits = tuning.hits + 1\n", definition(round))
});
const FAILING: Kind = ("the same, undone", |_, round| {
    format!(
        "{}tuning.hits = tuning.hits + 1\nerror('as meant')\n",
        definition(round)
    )
});

fn definition(round: usize) -> String {
    format!("function command.speak(n) return score(n) + {round} end\n")
}

fn main() {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let quick = asked("--quick");
    let all = !["--heap", "--many", "--row"].into_iter().any(asked);
    println!(
        "{:24} {:17} {:>26} {:>10} {:>26}",
        "", "", "pause, ms", "per MiB", "wall, ms"
    );
    if all || asked("--heap") {
        let sizes: &[u32] = if quick { &[1, 10] } else { &[1, 10, 100] };
        for &mib in sizes {
            heap(mib, if quick { 3 } else { 7 });
        }
    }
    if all || asked("--many") {
        let counts: &[usize] = if quick { &[100] } else { &[1000, 10_000] };
        for &count in counts {
            many(count, if quick { 3 } else { 7 });
        }
    }
    if all || asked("--row") {
        for kind in [CHUNK, SOURCE] {
            row(kind, if quick { 60 } else { 500 });
        }
    }
}

/// One service with a heap of this size.
fn heap(mib: u32, rounds: usize) {
    let office = Office::open(&[
        ("config.toml", CONFIG),
        ("services/main.lua", &GAME_MAIN.replace("MIB", &mib.to_string())),
        ("services/svc.lua", GAME),
    ]);
    let heap = office.node.wait_for(PATIENCE, |line| line.starts_with("heap "));
    let heap: f64 = heap["heap ".len()..].parse().expect("a number");
    for (number, (name, text)) in [CHUNK, SOURCE, STATEMENT, FAILING].into_iter().enumerate() {
        let costs = (0..rounds).map(|round| office.drop(&text(GAME, 1 + number * rounds + round)));
        print(&format!("heap of {heap:.1} MiB"), name, costs.collect(), Some(heap));
    }
}

/// Many instances of a small service.
fn many(count: usize, rounds: usize) {
    let office = Office::open(&[
        ("config.toml", CONFIG),
        ("services/main.lua", &SMALL_MAIN.replace("COUNT", &count.to_string())),
        ("services/svc.lua", SMALL),
    ]);
    for (number, (name, text)) in [CHUNK, SOURCE].into_iter().enumerate() {
        let costs: Vec<Cost> = (0..rounds)
            .map(|round| office.drop(&text(SMALL, 1 + number * rounds + round)))
            .collect();
        let wall = Spread::of(costs.iter().map(|cost| cost.wall));
        print(&format!("{count} instances"), name, costs, None);
        println!("{:42} {:.0} instances per second", "", count as f64 / wall.median * 1e3);
    }
}

/// Many patches of one small service, one after the other.
fn row((name, text): Kind, count: usize) {
    let office = Office::open(&[
        ("config.toml", CONFIG),
        ("services/main.lua", &SMALL_MAIN.replace("COUNT", "1")),
        ("services/svc.lua", SMALL),
    ]);
    office.drop(&text(SMALL, 1));
    let before = resident_mib(office.node.pid());
    let mut costs: Vec<Cost> = (2..count + 2).map(|round| office.drop(&text(SMALL, round))).collect();
    let after = resident_mib(office.node.pid());
    let tenth = count / 10;
    let last = costs.split_off(count - tenth);
    costs.truncate(tenth);
    print(&format!("{count} in a row: first tenth"), name, costs, None);
    print("last tenth", name, last, None);
    println!(
        "{:42} RSS {before:.1} MiB before, {after:.1} MiB after: {:.1} KiB per patch",
        "",
        (after - before) * 1024.0 / count as f64
    );
}

/// What one patch cost, in milliseconds.
struct Cost {
    pause: f64,
    wall: f64,
}

fn print(what: &str, kind: &str, costs: Vec<Cost>, heap: Option<f64>) {
    let pause = Spread::of(costs.iter().map(|cost| cost.pause));
    let wall = Spread::of(costs.iter().map(|cost| cost.wall));
    let per_mib = heap.map_or(String::new(), |heap| format!("{:.2}", pause.median / heap));
    println!(
        "{what:24} {kind:17} {:>26} {per_mib:>10} {:>26}",
        pause.text(2),
        wall.text(2)
    );
}

/// A node and its letterbox.
struct Office {
    dir: TempDir,
    node: Node,
}

impl Office {
    fn open(files: &[(&str, &str)]) -> Office {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let node = Node::start(dir.path(), files, PATIENCE);
        Office { dir, node }
    }

    /// Drops a patch, and waits until it is told and filed.
    fn drop(&self, text: &str) -> Cost {
        let journal = self.dir.path().join("archive/journal.jsonl");
        let known = length(&journal);
        let began = Instant::now();
        fs::write(self.letter(), text).expect("the file is written");
        let summary = self.node.wait_for(PATIENCE, |line| line.contains("[hotfix] svc/x.lua"));
        let wall = began.elapsed().as_secs_f64() * 1e3;
        let as_meant = if text.contains("as meant") {
            "as meant"
        } else {
            "applied to"
        };
        assert!(summary.contains(as_meant), "{summary}");
        Cost {
            pause: self.pause(&journal, known),
            wall,
        }
    }

    fn letter(&self) -> PathBuf {
        self.dir.path().join("hotfix/svc/x.lua")
    }

    /// The longest pause of an instance in the entry that follows in the journal.
    fn pause(&self, journal: &Path, known: usize) -> f64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = if length(journal) > known {
                fs::read_to_string(journal)
            } else {
                Ok(String::new())
            };
            let text = text.expect("the journal can be read");
            let lines = text.get(known..).unwrap_or_default().split_inclusive('\n');
            let told = lines.filter(|line| line.ends_with('\n')).find_map(longest_pause);
            if let Some(pause) = told {
                return pause;
            }
            assert!(Instant::now() < deadline, "the journal tells of the patch in time");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn length(file: &Path) -> usize {
    fs::metadata(file).map_or(0, |metadata| metadata.len() as usize)
}

fn longest_pause(line: &str) -> Option<f64> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let instances = entry.get("instances")?.as_array()?;
    let pauses = instances.iter().filter_map(|instance| instance.get("ms")?.as_f64());
    pauses.reduce(f64::max)
}
