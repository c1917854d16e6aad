//! Somebody who takes a page at its word, from top to bottom.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::page::{Item, items, shows, text_of};
use crate::harness::{Mark, Node, Project};

/// A page's project and node.
struct Reader {
    project: Project,
    node: Node,
    mark: Mark,
    /// The service that is asked unless a name is given.
    service: String,
}

/// Reads a page and does what it says.
#[track_caller]
pub fn run(page: &str) {
    let items = items(&text_of(page));
    let mut reader = Reader::new(&items);
    for item in &items {
        match item {
            Item::Step { word, rest, block } => reader.step(word, rest, block),
            Item::Block { language, text } if language == "sh" => reader.shell(text, None),
            Item::Block { language, text } => assert!(
                ["text", "toml", "ini"].contains(&language.as_str()),
                "{page}: nothing runs this block:\n{text}"
            ),
        }
    }
    assert_eq!(reader.node.stop(), 0);
}

/// The steps of one kind: what is said, and the block.
fn steps<'a>(items: &'a [Item], wanted: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    items.iter().filter_map(move |item| match item {
        Item::Step { word, rest, block } if word == wanted => Some((rest.as_str(), block.as_str())),
        _ => None,
    })
}

/// A start service that starts those of the page, under their names.
fn main_of(services: &[String]) -> String {
    let start = |service: &String| format!("skynet.name('.{service}', skynet.newservice '{service}') ");
    let starts: String = services.iter().map(start).collect();
    let main = "local skynet = require 'skynet' require 'skynet.manager' skynet.start(function() ";
    format!("{main}{starts} print 'open' end)\n")
}

impl Reader {
    /// Writes the files of a page and starts its node.
    fn new(items: &[Item]) -> Self {
        let kind = steps(items, "project").map(|(rest, _)| rest).next();
        let (project, ready) = match kind {
            Some("shipped") => (Project::shipped(), "itest!"),
            Some("new") => (Project::made(), "greeters are up"),
            Some(other) => panic!("nobody knows the project {other}"),
            None => (Project::empty(), "open"),
        };
        let mut services = Vec::new();
        for (path, block) in steps(items, "file") {
            project.write(path, block);
            let service = path
                .strip_prefix("services/")
                .and_then(|file| file.strip_suffix(".lua"));
            services.extend(service.map(str::to_owned));
        }
        if kind.is_none() {
            project.write("services/main.lua", main_of(&services));
        }
        let how = steps(items, "node").map(|(rest, _)| rest).next().unwrap_or("run");
        let mut node = project.spawn(&[how]);
        node.wait_for_console();
        node.wait_line(ready);
        Self {
            project,
            mark: node.mark(),
            node,
            service: services.first().cloned().unwrap_or_default(),
        }
    }

    fn step(&mut self, word: &str, rest: &str, block: &str) {
        match word {
            "file" | "project" | "node" | "not run" => {}
            "wait" => drop(self.node.wait_line_since(self.mark, rest)),
            "log" => self
                .node
                .wait_until(&format!("these lines:\n{block}"), |node| shows(block, &node.lines())),
            "drop" => self.drop_and_wait(rest, block),
            "inject" => {
                let (what, says) = rest.split_once(" says: ").expect("what is said of it");
                let (address, file) = what.split_once(' ').expect("an address and a file");
                self.project.write(file, block);
                self.console(&format!("inject {address} {file}"), says, true);
            }
            "sh" => self.shell(block, rest.strip_prefix("says: ")),
            "console" | "fails" => {
                let (command, says) = rest.split_once(" says: ").expect("what is said");
                self.console(command, says, word == "console");
            }
            "session" => self.session(block),
            "ask" => self.ask(rest),
            other => panic!("nobody knows what {other:?} means"),
        }
    }

    fn ask(&self, rest: &str) {
        let (arguments, expected) = rest.split_once(" gives:").expect("what is given");
        let own = format!(".{} {arguments}", self.service);
        let asked = if arguments.starts_with('.') { arguments } else { &own };
        let (name, arguments) = asked.split_once(' ').expect("a name and values");
        assert_eq!(self.node.ask(name, arguments), expected.trim_start(), "{arguments}");
    }

    fn console(&mut self, command: &str, says: &str, ok: bool) {
        self.mark = self.node.mark();
        let reply = self.node.console().cmd(command);
        assert!(reply.ok == ok && reply.text().contains(says), "{command}: {reply:?}");
    }

    /// A connection to the console as it is shown: what follows the greeting, or the end of an answer, is typed.
    fn session(&mut self, block: &str) {
        let mut lines = block.lines().skip_while(|line| line.starts_with("$ "));
        assert_eq!(lines.next(), Some("Welcome to skynet console"));
        let mut console = self.node.console();
        while let Some(command) = lines.next() {
            let mut shown = Vec::new();
            let end = loop {
                match lines.next().expect("an answer ends with a marker") {
                    marker @ ("<CMD OK>" | "<CMD Error>") => break marker,
                    line => shown.push(line),
                }
            };
            let reply = console.cmd(command);
            assert_eq!(reply.ok, end == "<CMD OK>", "{command}: {reply:?}");
            assert!(shows(&shown.join("\n"), &reply.lines), "{command}: {reply:?}");
        }
    }

    fn shell(&mut self, script: &str, says: Option<&str>) {
        self.mark = self.node.mark();
        let bin = Path::new(env!("CARGO_BIN_EXE_hotlua")).parent().expect("its folder");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-e", "-c", script])
            .current_dir(self.project.path("."))
            .env("PATH", path)
            .output()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}{output:?}");
        assert!(says.is_none_or(|says| printed.contains(says)), "{script}{printed}");
    }

    fn drop_and_wait(&mut self, rest: &str, block: &str) {
        let (what, says) = rest.split_once(" says: ").expect("what is said of it");
        let (file, text) = match what.split_once(" from: ") {
            Some((file, recipe)) => (file, self.edited(recipe)),
            None => (what, block.to_owned()),
        };
        let (service, name) = file.split_once('/').expect("service/file");
        self.mark = self.node.mark();
        self.project.drop_file(service, name, text);
        let summary = self.node.wait_summary(self.mark, file);
        assert!(summary.contains(says), "{file}: {summary}");
    }

    /// `FILE replace: a with: b and: c with: d`: the file with these changes.
    fn edited(&self, recipe: &str) -> String {
        let (file, changes) = recipe.split_once(" replace: ").expect("what to replace");
        let mut text = fs::read_to_string(self.project.path(file)).expect("the file to edit");
        for change in changes.split(" and: ") {
            let (before, after) = change.split_once(" with: ").expect("what to replace it with");
            assert!(text.contains(before), "{before:?} is not in {file}");
            text = text.replace(before, after);
        }
        text
    }
}
