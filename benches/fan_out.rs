//! One file for very many instances, while others work: `cargo bench --bench fan_out [-- --write]`.
//!
//! A node has 1,000 instances of one service, or 10,000, and eight pairs of other services that call each other as fast as they can. Five times a
//! patch of one function is dropped for the many; the time runs from just before the file appears (it is renamed into its place) until the line
//! that sums up all instances is read. The callers write down how far they have come, every millisecond; from that comes their throughput
//! in the time of the patch, in proportion to the second before it, and in the second that begins with it.
//! `--write` puts the table into `docs/benchmarks/`.

mod figures;
mod node;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use figures::arguments::Arguments;
use figures::{Spread, machine};
use node::Node;

const CONFIG: &str = "[console]\nlisten = \"127.0.0.1:0\"\n";

/// The start service: the many, then those that call and those that answer.
const MAIN: &str = "local skynet = require 'skynet'
skynet.start(function()
    for _ = 1, COUNT do skynet.newservice 'svc' end
    for number = 1, PAIRS do skynet.send(skynet.newservice('caller', number, skynet.newservice 'echo'), 'lua') end
    print 'ready'
    print('clock ' .. skynet.hpc())
end)\n";

/// What is patched.
const SERVICE: &str = include_str!("node/small.lua");

const ECHO: &str = "local skynet = require 'skynet'
skynet.start(function() skynet.dispatch('lua', function(_, _, ...) skynet.retpack(...) end) end)\n";

/// Writes a line every millisecond: the time, and how many calls it has made so far.
const CALLER: &str = "local skynet = require 'skynet'
local number, echo = ...
echo = tonumber(echo)
local file = assert(io.open('progress.' .. number, 'w'))
skynet.start(function()
    skynet.dispatch('lua', function()
        local count, due = 0, skynet.hpc()
        while true do
            for _ = 1, 10 do skynet.call(echo, 'lua', 'set', 12) end
            count = count + 10
            local now = skynet.hpc()
            if now >= due then
                due = now + 1000000
                file:write(now, ' ', count, '\\n')
                file:flush()
            end
        end
    end)
end)\n";

/// How many instances there are, and within which time all of them are to be told of, in milliseconds.
const SIZES: [(usize, f64); 2] = [(1000, 100.0), (10_000, 1000.0)];
const PAIRS: usize = 8;
const PATCHES: usize = 5;

/// Longer than anything here should ever take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long throughput is looked at before a patch, and from its beginning.
const SECOND: Duration = Duration::from_secs(1);

fn main() {
    let arguments = Arguments::read(&["--write"], &[]);
    let head = [
        "instances",
        "until all are told of, ms",
        "goal",
        "throughput meanwhile, %",
        "in that second, %",
    ];
    println!(
        "{:>10} {:>28} {:>8} {:>26} {:>22}",
        head[0], head[1], head[2], head[3], head[4]
    );
    let mut rows = String::new();
    for (count, goal) in SIZES {
        let measured = many(count);
        let of = |figure: fn(&Round) -> f64, decimals| Spread::of(measured.iter().map(figure)).text(decimals);
        let took = of(|round| round.took.as_secs_f64() * 1e3, 1);
        let (meanwhile, second) = (
            of(|round| round.meanwhile * 100.0, 0),
            of(|round| round.second * 100.0, 0),
        );
        let calls = Spread::of(measured.iter().map(|round| round.calls)).median;
        println!(
            "{count:>10} {took:>28} {:>8} {meanwhile:>26} {second:>22}",
            format!("≤ {goal}")
        );
        println!("{:>10} {calls:.0} calls/s before", "");
        rows += &format!("| {count} | {took} | ≤ {goal} | {meanwhile} | {second} | {calls:.0} |\n");
    }
    if arguments.has("--write") {
        figures::write("fan_out.md", &report(&rows));
    }
}

fn report(rows: &str) -> String {
    format!(
        "# One file for many instances\n\nMade by `cargo bench --bench fan_out -- --write`, on {}.\n\n\
         A patch of one function is dropped for all instances of a service, while {PAIRS} pairs of other services call each other as fast as they can. \
         Medians of {PATCHES} patches, with the lowest and the highest.\nThe goal for the throughput of the others is 90 %.\n\n\
         | instances | until all are told of, ms | goal, ms | throughput of the others meanwhile, % | in the second of the patch, % | their calls/s before |\n\
         |---|---|---|---|---|---|\n{rows}",
        machine()
    )
}

/// One patch.
struct Round {
    /// From the file's appearance to the summary.
    took: Duration,
    /// Calls per second before it.
    calls: f64,
    /// Throughput of the others during it, in proportion to that.
    meanwhile: f64,
    /// The same for the second that begins with it.
    second: f64,
}

fn many(count: usize) -> Vec<Round> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let main = MAIN
        .replace("COUNT", &count.to_string())
        .replace("PAIRS", &PAIRS.to_string());
    let files = [
        ("config.toml", CONFIG),
        ("services/main.lua", main.as_str()),
        ("services/svc.lua", SERVICE),
        ("services/echo.lua", ECHO),
        ("services/caller.lua", CALLER),
    ];
    let node = Node::start(dir.path(), &files, PATIENCE);
    let said = node.wait_for(PATIENCE, |line| line.starts_with("clock "));
    let nanoseconds = said["clock ".len()..].parse().expect("a time");
    // The line was on its way for some tenths of a millisecond, which does not matter here.
    let start = Instant::now() - Duration::from_nanos(nanoseconds);
    std::thread::sleep(SECOND);
    (1..=PATCHES)
        .map(|number| round(dir.path(), &node, start, count, number))
        .collect()
}

/// Drops a patch; `start` is when the node's clock was at zero.
fn round(dir: &Path, node: &Node, start: Instant, count: usize, number: usize) -> Round {
    std::thread::sleep(SECOND + SECOND / 2);
    let beside = dir.join("x.tmp");
    fs::write(
        &beside,
        format!("function command.speak(n) return score(n) + {number} end\n"),
    )
    .expect("the file is written");
    let began = Instant::now();
    fs::rename(&beside, dir.join("hotfix/svc/x.lua")).expect("the file is renamed");
    let summary = node.wait_for(PATIENCE, |line| line.contains("[hotfix] svc/x.lua"));
    let took = began.elapsed();
    assert!(
        summary.contains(&format!("applied to {count} of {count} instances")),
        "{summary}"
    );
    std::thread::sleep(SECOND + SECOND / 10);
    let callers: Vec<Progress> = (1..=PAIRS)
        .map(|number| Progress::read(&dir.join(format!("progress.{number}"))))
        .collect();
    let rate = |from: Instant, to: Instant| {
        let made: f64 = callers
            .iter()
            .map(|caller| caller.at(to - start) - caller.at(from - start))
            .sum();
        made / (to - from).as_secs_f64()
    };
    let calls = rate(began - SECOND, began);
    Round {
        took,
        calls,
        meanwhile: rate(began, began + took) / calls,
        second: rate(began, began + SECOND) / calls,
    }
}

/// How far one caller had come at which time.
struct Progress(Vec<(f64, f64)>);

impl Progress {
    fn read(file: &Path) -> Progress {
        let text = fs::read_to_string(file).expect("a caller's file");
        // The last line may not be whole.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let marks = whole.lines().map(|line| {
            let (time, count) = line.split_once(' ').expect("a time and a number");
            (time.parse().expect("nanoseconds"), count.parse().expect("a number"))
        });
        Progress(marks.collect())
    }

    /// How many calls it had made, in between in proportion to the time.
    fn at(&self, time: Duration) -> f64 {
        let time = time.as_nanos() as f64;
        let next = self.0.partition_point(|(other, _)| *other < time);
        let (Some(before), Some(after)) = (next.checked_sub(1).map(|last| self.0[last]), self.0.get(next)) else {
            panic!("the callers were not at work at {} s", time / 1e9);
        };
        before.1 + (after.1 - before.1) * (time - before.0) / (after.0 - before.0)
    }
}
