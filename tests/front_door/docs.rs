//! The pages for people, taken at their word. Each is run in a project and a node of its own, from top to bottom:
//!
//! - a block of `sh` is run in the project, with `hotlua` on the path, and must succeed;
//! - a comment before a block says what is done with it: `file: PATH`, `drop: SERVICE/NAME says: …`, `inject: ADDRESS NAME says: …`,
//!   `sh: says: …`, `not run: WHY`;
//! - a comment alone is a step: `ask: [.NAME] VALUES gives: …`, `console: COMMAND says: …`, `fails: COMMAND says: …`, `wait: TEXT`;
//! - `project: shipped` at the top: the project is this repository's own example.
//!
//! A block of `lua` or `sh` that nothing is said about, and that is not run, is an error.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Mark, Node, Project, repository};

/// What a page consists of.
#[derive(Debug)]
enum Item {
    /// `<!-- word: rest -->`, and the block right below it, if that is its own.
    Step { word: String, rest: String, block: String },
    /// A block that nothing is said about.
    Block { language: String, text: String },
}

/// The words that take the block below them.
const TAKE_BLOCKS: [&str; 5] = ["file", "drop", "inject", "sh", "not run"];

fn items(page: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            let (word, rest) = comment
                .split_once(": ")
                .expect("a comment begins with what is to be done");
            let has_block = lines.peek().is_some_and(|next| next.starts_with("```"));
            let block = if has_block && TAKE_BLOCKS.contains(&word) {
                lines.next();
                take_block(&mut lines)
            } else {
                String::new()
            };
            items.push(Item::Step {
                word: word.to_owned(),
                rest: rest.to_owned(),
                block,
            });
        } else if let Some(language) = line.strip_prefix("```") {
            let text = take_block(&mut lines);
            items.push(Item::Block {
                language: language.to_owned(),
                text,
            });
        }
    }
    items
}

fn take_block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let block = lines.take_while(|line| *line != "```");
    block.map(|line| format!("{line}\n")).collect()
}

/// A page's project and node.
struct Reader {
    project: Project,
    node: Node,
    mark: Mark,
    /// The service that is asked unless a name is given.
    service: String,
}

impl Reader {
    /// Writes the files of a page and starts its node.
    fn new(items: &[Item]) -> Self {
        let steps = |wanted: &str| {
            let wanted = wanted.to_owned();
            items.iter().filter_map(move |item| match item {
                Item::Step { word, rest, block } if *word == wanted => Some((rest.as_str(), block.as_str())),
                _ => None,
            })
        };
        let is_shipped = steps("project").any(|(rest, _)| rest == "shipped");
        let project = if is_shipped {
            Project::shipped()
        } else {
            Project::empty()
        };
        let mut services = Vec::new();
        for (path, block) in steps("file") {
            project.write(path, block);
            let service = path
                .strip_prefix("services/")
                .and_then(|file| file.strip_suffix(".lua"));
            services.extend(service.map(str::to_owned));
        }
        if !is_shipped {
            let start = |service: &String| format!("skynet.name('.{service}', skynet.newservice '{service}') ");
            let starts: String = services.iter().map(start).collect();
            let main = "local skynet = require 'skynet' require 'skynet.manager' skynet.start(function() ";
            project.write("services/main.lua", format!("{main}{starts} print 'open' end)\n"));
        }
        let mut node = project.start();
        node.wait_line(if is_shipped { "itest!" } else { "open" });
        Self {
            project,
            mark: node.mark(),
            node,
            service: services.first().cloned().unwrap_or_default(),
        }
    }

    fn step(&mut self, word: &str, rest: &str, block: &str) {
        match word {
            "file" | "project" | "not run" => {}
            "wait" => drop(self.node.wait_line_since(self.mark, rest)),
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
            "ask" => {
                let (arguments, expected) = rest.split_once(" gives:").expect("what is given");
                let own = format!(".{} {arguments}", self.service);
                let asked = if arguments.starts_with('.') { arguments } else { &own };
                let (name, arguments) = asked.split_once(' ').expect("a name and values");
                assert_eq!(self.node.ask(name, arguments), expected.trim_start(), "{arguments}");
            }
            other => panic!("nobody knows what {other:?} means"),
        }
    }

    fn console(&mut self, command: &str, says: &str, ok: bool) {
        let reply = self.node.console().cmd(command);
        assert!(reply.ok == ok && reply.text().contains(says), "{command}: {reply:?}");
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
        assert!(summary.starts_with(says), "{file}: {summary}");
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

fn text_of(page: &str) -> String {
    fs::read_to_string(repository().join(page)).expect("the page")
}

#[track_caller]
fn run(page: &str) {
    let items = items(&text_of(page));
    let mut reader = Reader::new(&items);
    for item in &items {
        match item {
            Item::Step { word, rest, block } => reader.step(word, rest, block),
            Item::Block { language, text } if language == "sh" => reader.shell(text, None),
            Item::Block { language, text } => assert!(language != "lua", "{page}: nothing runs this block:\n{text}"),
        }
    }
    assert_eq!(reader.node.stop(), 0);
}

#[test]
fn the_readme_is_true() {
    run("README.md");
}

#[test]
fn the_readme_in_chinese_has_the_same_blocks_and_is_true() {
    let blocks = |page: &str| -> Vec<String> {
        let steps = items(&text_of(page)).into_iter();
        steps.map(|item| format!("{item:?}")).collect()
    };
    assert_eq!(blocks("README.zh-CN.md"), blocks("README.md"));
    run("README.zh-CN.md");
}

#[test]
fn the_page_about_patches_is_true() {
    run("docs/patches.md");
}

#[test]
fn the_page_about_what_survives_is_true() {
    run("docs/what-survives.md");
}

#[test]
fn the_page_about_operating_is_true() {
    run("docs/operating.md");
}

#[test]
fn the_page_about_dev_mode_is_true() {
    run("docs/dev-mode.md");
}

#[test]
fn the_page_about_skynet_is_true() {
    run("docs/coming-from-skynet.md");
}

#[test]
fn every_page_is_run() {
    let own = fs::read_to_string(repository().join("tests/front_door/docs.rs")).expect("this file");
    for entry in fs::read_dir(repository().join("docs")).expect("the pages") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let is_run = own.contains(&format!("(\"docs/{name}\")"));
        assert!(is_run || !name.ends_with(".md"), "{name} is not run");
    }
}

#[test]
fn what_the_page_about_trouble_quotes_is_what_the_program_says() {
    run("docs/troubleshooting.md");
    let mut sources = String::new();
    let mut open = vec![repository().join("src"), repository().join("lualib")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else {
            // A text that goes on in the next line of the source goes on without a break.
            let text = fs::read_to_string(&path).expect("a source");
            let joined: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            sources.push_str(&joined.concat());
        }
    }
    let page = text_of("docs/troubleshooting.md");
    let quoted: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'))
        .collect();
    assert!(quoted.len() >= 10, "{quoted:?}");
    for message in quoted {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(sources.contains(part), "nobody says {part:?} (of {message:?})");
        }
    }
}
