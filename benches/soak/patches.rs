//! The first phase: patches of all kinds, rollbacks, restarts, and instances that come and go.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::books::Books;
use crate::memory::Curve;
use crate::model::{Applied, Model};
use crate::world::{MORTALS, PATIENCE, RINGS, SERVICES, World};

/// Steps between two rests: what is live is taken back, the memory measured, the books read.
const REST: usize = 25;
/// Steps between two looks at `list` and `history`.
const LOOK: usize = 5;

/// The names of the patches that are good, and the spots that they change.
const NAMES: [(&str, &[usize]); 8] = [
    ("alpha.lua", &[0]),
    ("beta.lua", &[1]),
    ("gamma.lua", &[2]),
    ("delta.lua", &[3]),
    ("epsilon.lua", &[4]),
    ("zeta.lua", &[5]),
    ("pair.lua", &[1, 2]),
    ("three.lua", &[0, 3, 4]),
];

/// Goes on for so long.
pub fn go_on(world: &mut World, random: &mut fastrand::Rng, time: Duration) {
    let began = Instant::now();
    let mut play = Play {
        curve: Curve::of(world.node.pid()),
        books: Books::new(&world.dir),
        world,
        random,
        models: [Model::default(), Model::default()],
        latest: BTreeMap::new(),
        version: 0,
        done: BTreeMap::new(),
        trace: Vec::new(),
    };
    let mut steps = 0;
    while began.elapsed() < time {
        play.step();
        steps += 1;
        if steps % LOOK == 0 {
            play.compare();
        }
        if steps % REST == 0 {
            play.rest();
        }
    }
    play.rest();
    play.books.check_archive();
    println!(
        "patches: {steps} steps in {:.0} s: {:?}",
        began.elapsed().as_secs_f64(),
        play.done
    );
    play.curve.judge();
}

/// The state of the phase.
struct Play<'a> {
    world: &'a mut World,
    random: &'a mut fastrand::Rng,
    models: [Model; 2],
    /// The bytes that were applied last under a service and name, unless something was taken back since.
    latest: BTreeMap<(usize, String), String>,
    version: u64,
    books: Books,
    curve: Curve,
    /// How often each kind of step was done.
    done: BTreeMap<&'static str, u32>,
    /// What was done since the last rest, to be told if something is wrong.
    trace: Vec<String>,
}

impl Play<'_> {
    /// One step, and a look at every instance.
    fn step(&mut self) {
        let service = self.random.usize(0..2);
        let before = Instant::now();
        let kind = match self.random.u32(0..100) {
            0..40 => self.good(service),
            40..46 => self.refused(service, "bad.lua", "function alpha( return\n", "rejected: "),
            46..52 => {
                let text = format!("function alpha() return {} end\nerror 'as meant'\n", self.version + 1);
                self.refused(service, "fail.lua", &text, "failed and undone: ")
            }
            52..57 => self.without_effect(service),
            57..62 => self.again(service),
            62..78 => self.roll_back(service),
            78..80 => self.restart(service),
            _ => {
                self.world.renew(self.random);
                "renewed"
            }
        };
        *self.done.entry(kind).or_default() += 1;
        self.trace.push(format!(
            "{kind} {} ({} ms)",
            SERVICES[service],
            before.elapsed().as_millis()
        ));
        self.look(kind == "restarted");
    }

    /// Every instance runs what it ought to, and the load goes on.
    fn look(&mut self, restarted: bool) {
        let census = self.world.census();
        for (service, model) in SERVICES.iter().zip(&self.models) {
            let expected = model.versions();
            for (handle, versions) in &census[*service] {
                assert_eq!(
                    *versions, expected,
                    "{service} {handle} runs something else than expected, after {:#?}\nlive: {model:#?}",
                    self.trace
                );
            }
        }
        self.world.check_load(restarted);
    }

    /// A patch that is applied.
    fn good(&mut self, service: usize) -> &'static str {
        let (name, spots) = NAMES[self.random.usize(0..NAMES.len())];
        self.version += 1;
        let text = self.text(spots);
        let folder = SERVICES[service];
        let (said, kind) = match self.random.u32(0..10) {
            0..5 => (self.drop_file(service, name, &text, false), "dropped"),
            5..8 => (self.drop_file(service, name, &text, true), "moved in"),
            _ => {
                fs::write(self.world.dir.join(name), &text).expect("a file");
                let (said, ok) = self.world.command(&format!("inject {folder} {name}"));
                assert!(ok, "{said}");
                (said, "injected")
            }
        };
        let all = [RINGS, MORTALS][service];
        let expected = format!("applied to {all} of {all} instances: ");
        assert!(said.contains(&expected), "{said}\nafter {:#?}", self.trace);
        let id = said
            .split("(patch ")
            .nth(1)
            .and_then(|rest| rest.split([',', ')']).next()?.parse().ok());
        let id = id.expect("the patch's number");
        self.trace.push(format!(
            "patch {id}: {folder}/{name} version {} at {spots:?}",
            self.version
        ));
        self.latest.insert((service, name.to_owned()), text);
        self.models[service].apply(Applied {
            id,
            name: name.to_owned(),
            spots: spots.to_vec(),
            version: self.version,
        });
        kind
    }

    /// Definitions for these spots, sometimes with a statement.
    fn text(&mut self, spots: &[usize]) -> String {
        let version = self.version;
        let definition = |spot: &usize| match spot {
            0 => format!("function alpha() return {version} end\n"),
            1 => format!("function command.beta() return {version} end\n"),
            2 => format!("function class:gamma() return {version} end\n"),
            3 => format!("handlers.delta = function() return {version} end\n"),
            4 => format!("function epsilon() return {version} end\n"),
            _ => format!(
                "function make(step)\n    local count = 0\n    return function()\n        count = count + step\n        return {version}\n    end\nend\n"
            ),
        };
        let text: String = spots.iter().map(definition).collect();
        match self.random.u32(0..5) {
            0 => format!("{text}state.ticks = state.ticks + 1\n"),
            _ => text,
        }
    }

    /// Drops a file and waits for what is said of it.
    fn drop_file(&mut self, service: usize, name: &str, text: &str, by_rename: bool) -> String {
        let path = self.path(service, name);
        if by_rename {
            let beside = self.world.dir.join("beside.lua");
            fs::write(&beside, text).expect("a file");
            fs::rename(beside, &path).expect("a file moved");
        } else {
            fs::write(&path, text).expect("a file");
        }
        let said = self.said(service, name);
        let filed = ["applied to ", "unchanged: ", "had no effect: "];
        if filed.iter().any(|word| said.contains(word)) {
            let is_gone = || !path.exists();
            crate::world::wait_until("the file to leave the letterbox", is_gone);
        }
        said
    }

    fn path(&self, service: usize, name: &str) -> PathBuf {
        self.world.dir.join("hotfix").join(SERVICES[service]).join(name)
    }

    fn said(&self, service: usize, name: &str) -> String {
        let start = format!("[hotfix] {}/{name} ", SERVICES[service]);
        let is_verdict = |line: &str| line.strip_prefix(&start).is_some_and(is_verdict_of_dropped);
        self.world.node.wait_for(PATIENCE, is_verdict)
    }

    /// A patch that leaves everything as it is, and its file where it is.
    fn refused(&mut self, service: usize, name: &'static str, text: &str, outcome: &'static str) -> &'static str {
        let known = self.books.lines();
        let said = self.drop_file(service, name, text, self.version.is_multiple_of(2));
        assert!(said.contains(outcome), "{said}");
        // The verdict is written down after it was said.
        crate::world::wait_until("the verdict in the journal", || self.books.lines() > known);
        let path = self.path(service, name);
        assert!(path.exists(), "{} stays", path.display());
        fs::remove_file(path).expect("the file can be removed");
        outcome
    }

    fn without_effect(&mut self, service: usize) -> &'static str {
        self.version += 1;
        let text = format!("local nothing = {}\n", self.version);
        let said = self.drop_file(service, "noop.lua", &text, false);
        assert!(said.contains("had no effect: "), "{said}");
        "without effect"
    }

    /// What is live already is dropped once more.
    fn again(&mut self, service: usize) -> &'static str {
        let known: Vec<_> = self.latest.iter().filter(|((of, _), _)| *of == service).collect();
        if known.is_empty() {
            return "nothing to drop again";
        }
        let ((_, name), text) = known[self.random.usize(0..known.len())];
        let (name, text) = (name.clone(), text.clone());
        let said = self.drop_file(service, &name, &text, false);
        assert!(said.contains("unchanged: "), "{said}\nafter {:#?}", self.trace);
        "unchanged"
    }

    /// Takes back the latest patch or any other, which is refused if a later one has built upon it.
    fn roll_back(&mut self, service: usize) -> &'static str {
        let model = &self.models[service];
        if model.len() == 0 {
            return "nothing to take back";
        }
        let latest = model.len() - 1;
        let (at, number) = if self.random.bool() {
            (latest, String::new())
        } else {
            let at = self.random.usize(0..=latest);
            (at, model.look(at).0.id.to_string())
        };
        let (patch, can_go) = model.look(at);
        let (id, name) = (patch.id, patch.name.clone());
        let (said, ok) = self.world.command(&format!("rollback {} {number}", SERVICES[service]));
        self.trace.push(format!("rollback of {id}: {ok}"));
        assert_eq!(ok, can_go, "rollback of patch {id}: {said}\nafter {:#?}", self.trace);
        if !ok {
            return "rollback refused";
        }
        self.models[service].take_back(at);
        self.latest.remove(&(service, name));
        "rolled back"
    }

    fn restart(&mut self, service: usize) -> &'static str {
        let (said, ok) = self.world.command(&format!("restart {}", SERVICES[service]));
        assert!(ok, "{said}\nafter {:#?}", self.trace);
        "restarted"
    }

    /// `list` and `history` say what runs.
    fn compare(&mut self) {
        let [ring, mortal] = &self.models;
        self.books.compare(self.world, [ring, mortal], &self.trace);
    }

    /// Takes everything back, and reads memory and books.
    fn rest(&mut self) {
        for (service, model) in SERVICES.iter().zip(&mut self.models) {
            if model.len() > 0 {
                let (said, ok) = self.world.command(&format!("rollback {service} --all"));
                assert!(ok, "{said}\nafter {:#?}", self.trace);
                model.clear();
            }
        }
        self.latest.clear();
        self.look(false);
        self.trace.clear();
        self.curve.sample();
        self.compare();
        self.books.read_journal();
        self.books.letterbox_is_empty();
    }
}

/// Whether a line (behind the patch's name) is the summary of a dropped file, and not of an injected one, a new instance or a rollback.
fn is_verdict_of_dropped(said: &str) -> bool {
    let words = [
        "unchanged: ",
        "had no effect: ",
        "rejected: ",
        "failed and undone: ",
        "timed out: ",
    ];
    let is_applied = said.starts_with("applied to ") && !said.starts_with("applied to the ");
    words.iter().any(|word| said.starts_with(word))
        || is_applied && said.contains(", sha256 ") && !said.contains(", by ")
}
