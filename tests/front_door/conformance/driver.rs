//! Runs the cases of one table in one node: all services start, then each round drops the next patch of every case, waits
//! for all reports and goes on. What went wrong is told together, with the report that belongs to it.
//!
//! `CASE=words` in the environment runs only the cases whose names contain these words.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::case::{Case, Form, Op};
use crate::harness::{Console, Node, Project, poll};

/// How long the summaries of one round may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long something that happens on its own may take.
const SOON: Duration = Duration::from_secs(40);

/// The text of a service around a body, which begins in line 4.
pub fn service(name: &str, body: &str) -> String {
    format!(
        "local skynet = require \"skynet\"\nrequire \"skynet.manager\"\nM = {{}}\n{body}\nskynet.start(function()\n\
         \tskynet.register \".{name}\"\n\tskynet.dispatch(\"lua\", function(_, _, source)\n\
         \t\tskynet.retpack(assert(load(source))())\n\tend)\nend)\n"
    )
}

/// A start service that starts these, one after the other, and prints `-- all started`.
pub fn main_starting(names: &[&str]) -> String {
    let starts: String = names.iter().map(|name| format!("\tstart {name:?}\n")).collect();
    format!(
        "local skynet = require \"skynet\"\nlocal function start(name)\n\
         \tif not pcall(skynet.newservice, name) then print(\"not started: \" .. name) end\nend\n\
         skynet.start(function()\n{starts}\tprint \"-- all started\"\nend)\n"
    )
}

/// Runs an expression in the service behind a name; its values, or what went wrong.
pub fn evaluate(console: &mut Console, name: &str, expression: &str) -> String {
    let source = format!(
        "local skynet = require 'skynet' local shown, results = {{}}, table.pack(pcall(function() return {expression} end)) \
         for i = 2, results.n do shown[i - 1] = tostring(results[i]) end \
         return (results[1] and '' or 'raised: ') .. table.concat(shown, ' ')"
    );
    call(console, name, &source)
}

/// Runs statements in the service behind a name; empty if all went well.
pub fn execute(console: &mut Console, name: &str, statements: &str) -> String {
    let source = format!(
        "local skynet = require 'skynet' local ok, message = pcall(function() {statements} end) return ok and '' or 'raised: ' .. tostring(message)"
    );
    call(console, name, &source)
}

fn call(console: &mut Console, name: &str, source: &str) -> String {
    let one_line = source.replace('\n', " ");
    // In a fork of its own, so that what waits for ever does not keep the console from answering.
    let patient = format!(
        "local skynet, token, result = require 'skynet', {{}}, nil \
         skynet.fork(function() result = (function() {one_line} end)() skynet.wakeup(token) end) \
         skynet.sleep(3000, token) return result or 'no answer within 30 s'"
    );
    let reply = console.cmd(&format!("call .{name} [==[{patient}]==]"));
    match reply.ok {
        true => {
            let text = reply.text();
            let value = text.strip_prefix("1\t").unwrap_or_default();
            value.strip_suffix("\nn\t1").unwrap_or(value).to_owned()
        }
        false => format!("no answer: {}", reply.text()),
    }
}

/// The lines that belong to the summary of this file with this number: its own, and those below it.
pub fn report(node: &Node, file: &str, number: usize) -> Vec<String> {
    let start = format!("[hotfix] {file} ");
    let lines = node.lines();
    let known = |line: &&String| {
        let outcomes = [
            "applied",
            "unchanged",
            "had no",
            "rejected",
            "failed",
            "timed out",
            "waiting",
        ];
        line.strip_prefix(&start)
            .is_some_and(|rest| outcomes.iter().any(|outcome| rest.starts_with(outcome)))
    };
    let Some(at) = lines.iter().enumerate().filter(|(_, line)| known(line)).nth(number) else {
        return Vec::new();
    };
    let below = lines[at.0 + 1..]
        .iter()
        .take_while(|line| !line.starts_with("[hotfix] "));
    std::iter::once(at.1).chain(below).cloned().collect()
}

/// The part of a report above the diff.
pub fn words(report: &[String]) -> String {
    let words: Vec<&str> = report
        .iter()
        .map(String::as_str)
        .take_while(|line| !line.starts_with("--- "))
        .collect();
    words.join("\n")
}

/// One case on its way.
struct Run<'a> {
    case: &'a Case,
    slug: String,
    /// The texts of its service and its modules now, by the names of their files without `.lua`.
    texts: Vec<(String, String)>,
    file: String,
    next: usize,
    pending: Option<Pending>,
    report: Vec<String>,
    /// The report again, until a failure has told it.
    untold: Vec<String>,
    failures: Vec<String>,
}

/// A patch that was dropped and of which nothing has been said yet.
struct Pending {
    /// `SERVICE/FILE`.
    file: String,
    /// How many summaries of it there were before.
    before: usize,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case) -> Self {
        let slug = case.slug();
        let mut texts = vec![(slug.clone(), service(&slug, &case.v1.replace("@@", &slug)))];
        for (name, text) in case.libs.iter().filter(|(name, _)| !name.is_empty()) {
            let name = name.replace("@@", &slug);
            let text = format!("---@module \"{name}\"\n{}", text.replace("@@", &slug));
            texts.push((name, text));
        }
        Self {
            case,
            slug,
            texts,
            file: "x.lua".to_owned(),
            next: 0,
            pending: None,
            report: Vec::new(),
            untold: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("@@", &self.slug)
    }

    /// Notes a failure, with the report of the last patch if it was not told before.
    fn fail(&mut self, what: String) {
        let report = words(&std::mem::take(&mut self.untold));
        let report = report.lines().map(|line| format!("\n    | {line}")).collect::<String>();
        self.failures.push(format!("{what}{report}"));
    }

    /// Notes a failure after which the rest of the case would say nothing.
    fn give_up(&mut self, why: &str) {
        self.fail(why.to_owned());
        self.next = self.case.ops().len();
    }

    /// Replaces one text by another in the service (index 0) or a module.
    fn edit(&mut self, index: usize, old: &str, new: &str) {
        let (old, new) = (self.fill(old), self.fill(new));
        let text = &self.texts[index].1;
        assert_eq!(
            text.matches(&old).count(),
            1,
            "{}: {old:?} is not there once",
            self.case.name
        );
        let changed = text.replacen(&old, &new, 1);
        self.texts[index].1 = changed;
    }

    /// What the next patch consists of, if the next step is one.
    fn patch(&mut self, form: Form) -> Option<String> {
        let op = self.case.ops()[self.next];
        let mut index = 0;
        let mut chunk = None;
        match op {
            Op::Chunk(text) => chunk = Some(text.to_owned()),
            Op::Edit(old, new) => self.edit(0, old, new),
            Op::Original => self.texts[0].1 = service(&self.slug, &self.fill(self.case.v1)),
            Op::Swap(old, new) => {
                self.edit(0, old, new);
                let function = new.strip_prefix("local function").map(|rest| format!("function{rest}"));
                chunk = (form == Form::Chunk).then(|| function.unwrap_or_else(|| new.to_owned()));
            }
            Op::Both(text, old, new) => {
                self.edit(0, old, new);
                chunk = (form == Form::Chunk).then(|| text.to_owned());
            }
            Op::Module(name, old, new) => {
                let name = self.fill(name);
                index = self.texts.iter().position(|text| text.0 == name).expect("its module");
                self.edit(index, old, new);
            }
            _ => return None,
        }
        self.next += 1;
        while let Some(Op::Also(old, new)) = self.case.ops().get(self.next).copied() {
            self.next += 1;
            self.edit(index, old, new);
            if let Some(chunk) = &mut chunk {
                chunk.push('\n');
                chunk.push_str(
                    new.strip_prefix("local ")
                        .filter(|rest| rest.starts_with("function"))
                        .unwrap_or(new),
                );
            }
        }
        Some(chunk.map_or_else(|| self.texts[index].1.clone(), |chunk| self.fill(&chunk) + "\n"))
    }

    /// Goes on until a patch has been dropped or nothing is left; says whether there is something to wait for.
    fn go_on(&mut self, project: &Project, node: &Node, console: &mut Console, form: Form) -> bool {
        while self.next < self.case.ops().len() {
            if let Some(text) = self.patch(form) {
                let file = format!("{}/{}", self.slug, self.file);
                let before = node.summaries(&file).len();
                self.report.clear();
                self.untold.clear();
                project.drop_file(&self.slug, &self.file, text);
                self.pending = Some(Pending { file, before });
                return true;
            }
            let op = self.case.ops()[self.next];
            self.next += 1;
            self.step(op, project, console);
        }
        false
    }

    /// Waits for the summary of the patch that was dropped, and looks at it.
    fn hear(&mut self, project: &Project, node: &Node, since: Instant) {
        let Some(pending) = self.pending.take() else { return };
        let patience = PATIENCE.saturating_sub(since.elapsed()).max(Duration::from_secs(1));
        let said = poll(patience, || {
            node.summaries(&pending.file).into_iter().nth(pending.before)
        });
        let Some(said) = said else {
            self.give_up(&format!("nothing is said of {}", pending.file));
            return;
        };
        let wanted = match self.case.ops().get(self.next) {
            Some(Op::Outcome(wanted)) => {
                self.next += 1;
                wanted
            }
            _ => ["applied to 1 of 1 instance: "].as_slice(),
        };
        self.report = report(node, &pending.file, pending.before);
        self.untold.clone_from(&self.report);
        if !wanted.iter().any(|prefix| said.starts_with(prefix)) {
            self.fail(format!("the summary does not begin with {wanted:?}"));
        }
        if !said.starts_with("rejected: ") && !said.starts_with("failed") {
            // Whether it leaves the letterbox is another test's business; here the next patch needs the place.
            poll(SOON, || (!project.is_waiting(&self.slug, &self.file)).then_some(()));
        }
        // The lines below it may come a little later.
        poll(Duration::from_millis(100), || {
            self.report = report(node, &pending.file, pending.before);
            (self.report.len() > 1).then_some(())
        });
    }

    fn step(&mut self, op: Op, project: &Project, console: &mut Console) {
        match op {
            Op::Do(lua) => {
                let outcome = execute(console, &self.slug, &self.fill(lua));
                if !outcome.is_empty() {
                    self.fail(format!("{lua}: {outcome}"));
                }
            }
            Op::Gives(expression, values) => {
                let got = evaluate(console, &self.slug, &self.fill(expression));
                self.compare(expression, values, &got);
            }
            Op::Soon(expression, values) => {
                let (filled, slug, wanted) = (self.fill(expression), self.slug.clone(), self.fill(values));
                let mut last = String::new();
                // A case that has gone wrong already has nothing to wait for.
                let patience = if self.failures.is_empty() {
                    SOON
                } else {
                    Duration::from_secs(2)
                };
                poll(patience, || {
                    last = evaluate(console, &slug, &filled);
                    (last == wanted).then_some(())
                });
                self.compare(expression, values, &last);
            }
            Op::Says(text) if !words(&self.report).contains(&self.fill(text)) => {
                self.fail(format!("the report does not say {:?}", self.fill(text)));
            }
            Op::Silent(text) if words(&self.report).contains(&self.fill(text)) => {
                self.fail(format!("the report says {:?}", self.fill(text)));
            }
            Op::Diff(text) if !self.report.iter().any(|line| line.contains(&self.fill(text))) => {
                self.fail(format!("the diff has no {text:?}"));
            }
            Op::Console(command, ok, text) => {
                let reply = console.cmd(&self.fill(command));
                if reply.ok != ok || !reply.text().contains(&self.fill(text)) {
                    self.fail(format!("{command}: {text:?} was expected in {reply:?}"));
                }
            }
            Op::Named(file) => file.clone_into(&mut self.file),
            Op::Write(path, text) => {
                project.write(&self.fill(path), self.fill(text));
            }
            Op::WriteEdit(path, old, new) => {
                let text = &self.texts[0].1;
                let text = text.replacen(&self.fill(old), &self.fill(new), 1);
                project.write(&self.fill(path), text);
            }
            Op::Outcome(_) => panic!("{}: an outcome stands behind its patch", self.case.name),
            _ => {}
        }
    }

    fn compare(&mut self, expression: &str, values: &str, got: &str) {
        let wanted = self.fill(values);
        if got != wanted {
            self.fail(format!("{expression}: {got:?} instead of {wanted:?}"));
        }
    }
}

/// A project for these cases, with a short wait for suspended bodies.
fn project(runs: &[Run]) -> Project {
    let mut project = Project::empty().set("hotfix", "in_flight_wait", "\"300ms\"");
    let mut names = BTreeSet::new();
    for run in runs {
        assert!(
            names.insert(run.slug.as_str()),
            "two cases are called {}",
            run.case.name
        );
        project = project.service(&run.slug, &run.texts[0].1);
        for (name, text) in &run.texts[1..] {
            project = project.file(&format!("lualib/{}.lua", name.replace('.', "/")), text);
        }
    }
    let names: Vec<&str> = names.into_iter().collect();
    project.service("main", &main_starting(&names))
}

/// Runs all cases that can be told in this form, in one node.
#[track_caller]
pub fn run(cases: &[Case], form: Form) {
    run_with(cases, form, |project| project);
}

/// As [`run`], with further settings.
#[track_caller]
pub fn run_with(cases: &[Case], form: Form, settings: impl Fn(Project) -> Project) {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let chosen = cases
        .iter()
        .filter(|case| case.fits(form) && case.name.contains(&wanted));
    let mut runs: Vec<Run> = chosen.map(Run::new).collect();
    if runs.is_empty() {
        return;
    }
    let project = settings(project(&runs));
    let started = Instant::now();
    let mut node = project.start();
    node.wait_line("-- all started");
    for run in &mut runs {
        if node.count(|line| line == format!("not started: {}", run.slug)) > 0 {
            run.give_up("its service does not start");
        }
    }
    let mut console = node.console();
    loop {
        let dropped: Vec<bool> = runs
            .iter_mut()
            .map(|run| run.go_on(&project, &node, &mut console, form))
            .collect();
        if !dropped.contains(&true) {
            break;
        }
        let since = Instant::now();
        runs.iter_mut().for_each(|run| run.hear(&project, &node, since));
    }
    // Without a panic, so that the node's whole output is not printed.
    drop(node);
    let failed = runs.iter().filter(|run| !run.failures.is_empty());
    let told: Vec<String> = failed
        .map(|run| format!("* {}\n  {}", run.case.name, run.failures.join("\n  ")))
        .collect();
    let (bad, all, took) = (told.len(), runs.len(), started.elapsed().as_secs());
    assert!(
        told.is_empty(),
        "{form:?}: {bad} of {all} cases failed after {took} s:\n{}",
        told.join("\n")
    );
}
