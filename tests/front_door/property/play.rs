//! Services of one node, patched and rolled back in rounds and compared with fresh ones.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use fastrand::Rng;

use super::edit;
use super::render::text;
use super::service::Service;
use crate::harness::{Console, Mark, Node, Project};

/// What a node may say when it refuses: what cannot be matched without doubt.
const REFUSALS: &[&str] = &[
    "is declared more than once, and which is which is not certain",
    "cannot be told",
    "nothing that is alive has its variable",
    "could be several",
    "which has run already, and its value is not a literal",
    "closures of `",
];

/// One service and what happened to it.
struct Case {
    seed: u64,
    rng: Rng,
    name: String,
    /// The version that runs.
    now: Service,
    /// The number of the next name, whatever version is gone back to.
    next: u32,
    /// Versions that a rollback leads back to.
    before: Vec<Service>,
    /// What was done, for a failure.
    story: String,
    step: Step,
    failed: bool,
}

/// What a round does with a service.
enum Step {
    Patch(Service),
    Rollback,
}

/// How new versions come to the node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As patches in the letterbox, all services at once.
    Dropped,
    /// As saves in dev mode, one after the other.
    Saved,
}

/// All services of one run.
pub struct Run {
    way: Way,
    project: Project,
    node: Node,
    console: Console,
    cases: Vec<Case>,
    failures: Vec<String>,
    /// How often what came out.
    counts: BTreeMap<String, usize>,
    probes: usize,
    errors: usize,
}

impl Run {
    /// Starts a service for each seed and lets it get some state.
    pub fn start(way: Way, seeds: Range<u64>) -> Run {
        let project = Project::empty()
            .set("node", "threads", "2")
            .file("lualib/observe.lua", include_str!("observe.lua"))
            .service("main", include_str!("driver.lua"));
        let mut node = match way {
            Way::Dropped => project.start(),
            Way::Saved => project.spawn(&["dev"]),
        };
        node.wait_for_console();
        node.wait_line("ready");
        if way == Way::Saved {
            node.wait_line("[dev] saved files of ");
        }
        let console = node.console();
        let mut run = Run {
            way,
            project,
            node,
            console,
            cases: Vec::new(),
            failures: Vec::new(),
            counts: BTreeMap::new(),
            probes: 0,
            errors: 0,
        };
        for seed in seeds {
            run.begin(seed);
        }
        run
    }

    fn begin(&mut self, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let now = Service::random(&mut rng);
        let name = format!("c{seed}");
        self.project.write(&format!("services/{name}.lua"), text(&now));
        self.ask(&format!("\"spawn\",\"{name}\""));
        self.ask(&format!("\"play\",\"{name}\",{}", rng.u32(..)));
        let story = format!("--- version 0\n{}", text(&now));
        let next = now.next;
        self.cases.push(Case {
            seed,
            rng,
            name,
            now,
            next,
            before: Vec::new(),
            story,
            step: Step::Rollback,
            failed: false,
        });
    }

    fn ask(&mut self, arguments: &str) -> String {
        self.console.call(".driver", arguments)
    }

    /// One patch or rollback for every service, all at once, then everything is compared.
    pub fn round(&mut self, round: usize) {
        let mark = self.node.mark();
        if self.way == Way::Saved {
            for number in 0..self.cases.len() {
                let mark = self.node.mark();
                self.begin_step(number, round);
                if !self.cases[number].failed {
                    self.end_step(number, round, mark);
                }
            }
            return;
        }
        for number in 0..self.cases.len() {
            self.begin_step(number, round);
        }
        for number in 0..self.cases.len() {
            if !self.cases[number].failed {
                self.end_step(number, round, mark);
            }
        }
    }

    fn begin_step(&mut self, number: usize, round: usize) {
        let case = &mut self.cases[number];
        if case.failed {
            return;
        }
        let name = case.name.clone();
        let rollback = !case.before.is_empty() && case.rng.u8(..4) == 0;
        let revert = !case.before.is_empty() && case.rng.u8(..8) == 0;
        case.step = if rollback {
            Step::Rollback
        } else {
            let from = if revert {
                &case.before[case.rng.usize(..case.before.len())]
            } else {
                &case.now
            };
            let mut new = Service {
                next: case.next,
                ..from.clone()
            };
            let edits = match revert {
                true => vec!["an earlier version again".to_owned()],
                false => edit::random(&mut new, &mut case.rng),
            };
            case.next = new.next;
            let _ = write!(case.story, "--- round {round}: {}\n{}", edits.join("; "), text(&new));
            Step::Patch(new)
        };
        let dropped = match &case.step {
            Step::Patch(new) => Some(text(new)),
            Step::Rollback => None,
        };
        self.ask(&format!("\"note\",\"{name}\""));
        match (dropped, self.way) {
            (Some(text), Way::Dropped) => drop(self.project.drop_file(&name, &format!("r{round}.lua"), text)),
            (Some(text), Way::Saved) => drop(self.project.write(&format!("services/{name}.lua"), text)),
            (None, _) => {}
        }
    }

    fn end_step(&mut self, number: usize, round: usize, mark: Mark) {
        let name = self.cases[number].name.clone();
        let said = match self.cases[number].step {
            Step::Patch(_) if self.way == Way::Saved => self.said_of_save(number, mark),
            Step::Patch(_) => self.node.wait_summary(mark, &format!("{name}/r{round}.lua")),
            Step::Rollback => {
                let reply = self.console.cmd(&format!("rollback {name}"));
                format!(
                    "{}: {}",
                    if reply.ok { "rolled back" } else { "rejected" },
                    reply.text()
                )
            }
        };
        let case = &mut self.cases[number];
        let _ = writeln!(case.story, "--- round {round} said: {said}");
        let outcome = said.split([':', ' ']).next().unwrap_or_default().to_owned();
        match (std::mem::replace(&mut case.step, Step::Rollback), outcome.as_str()) {
            (Step::Patch(new), "applied") => case.before.push(std::mem::replace(&mut case.now, new)),
            (Step::Patch(new), "had" | "unchanged") => case.now = new,
            (Step::Rollback, "rolled") => case.now = case.before.pop().unwrap_or_else(|| case.now.clone()),
            (_, "rejected" | "failed") => {
                let Some(why) = REFUSALS.iter().find(|why| said.contains(**why)) else {
                    return self.fail(number, &format!("refused for no reason that is allowed: {said}"));
                };
                *self.counts.entry(format!("rejected: {why}")).or_default() += 1;
            }
            _ => return self.fail(number, &said),
        }
        *self.counts.entry(outcome).or_default() += 1;
        self.compare(number, round);
    }

    /// What dev mode says of a save, in the words that are used of a dropped patch. One that is not taken is taken out of the file again.
    fn said_of_save(&mut self, number: usize, mark: Mark) -> String {
        let name = self.cases[number].name.clone();
        let file = format!("services/{name}.lua");
        let line = self.node.wait_line_since(mark, &format!("[dev] {file}:"));
        let said = line
            .trim_start_matches(&format!("[dev] {file}"))
            .trim_start_matches(": ")
            .to_owned();
        if said.contains(&format!("in 1 of 1 instance of {name};")) {
            return format!("applied: {said}");
        }
        if said.contains("nothing to apply")
            || said.contains("nothing that could be applied")
            || said.contains("this is what runs")
        {
            return format!("had no effect: {said}");
        }
        let mark = self.node.mark();
        self.project.write(&file, text(&self.cases[number].now));
        let back = self.node.wait_line_since(mark, &format!("[dev] {file}: "));
        if !back.ends_with("this is what runs") {
            self.fail(number, &format!("the text that ran before is not what runs: {back}"));
        }
        format!("rejected: {said}")
    }

    fn compare(&mut self, number: usize, round: usize) {
        let (name, source) = (self.cases[number].name.clone(), text(&self.cases[number].now));
        let model = format!("{name}_{round}");
        self.project.write(&format!("services/{model}.lua"), source);
        let answer = self.ask(&format!("\"compare\",\"{name}\",\"{model}\""));
        let parts: Vec<&str> = answer.splitn(4, '|').collect();
        let [different, probes, errors, what] = parts[..] else {
            return self.fail(number, &format!("no comparison: {answer}"));
        };
        self.probes += probes.parse::<usize>().unwrap_or(0);
        self.errors += errors.parse::<usize>().unwrap_or(0);
        if different != "0" {
            return self.fail(
                number,
                &format!("{different} answers differ:\n{}", what.replace("\\n", "\n")),
            );
        }
        let seed = self.cases[number].rng.u32(..);
        self.ask(&format!("\"play\",\"{name}\",{seed}"));
    }

    fn fail(&mut self, number: usize, what: &str) {
        let case = &mut self.cases[number];
        case.failed = true;
        let again = format!("HOTLUA_SEED={} HOTLUA_CASES=1", case.seed);
        self.failures.push(format!("=== {again}\n{}{what}\n", case.story));
    }

    /// What came out; fails with the first cases that failed.
    pub fn finish(self) {
        let Run {
            cases,
            failures,
            counts,
            probes,
            errors,
            node,
            ..
        } = self;
        // What it printed would hide what is told.
        drop(node);
        let summary = format!(
            "{} services, {probes} probes ({errors} errors): {counts:?}",
            cases.len()
        );
        println!("{summary}");
        let shown = failures
            .iter()
            .take(if std::env::var_os("HOTLUA_SEED").is_some() {
                50
            } else {
                3
            })
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        let seeds: Vec<&str> = failures.iter().filter_map(|failure| failure.lines().next()).collect();
        assert!(failures.is_empty(), "{shown}\n{summary}\n{}", seeds.join("\n"));
        let count = |what: &str| counts.get(what).copied().unwrap_or_default();
        assert!(
            cases.len() < 20 || count("rejected") * 8 <= count("applied"),
            "too many refusals: {summary}"
        );
        assert!(errors * 20 <= probes, "too many probes that only fail: {summary}");
    }
}
