//! The page about patches, taken at its word: what stands in its comments is done with the blocks below them, in order.

use std::fs;

use crate::harness::{Node, Project, repository};

/// One comment of the page: `<!-- word: rest -->`, with the block of Lua that follows it.
struct Step<'a> {
    word: &'a str,
    rest: &'a str,
    block: String,
}

fn steps(page: &str) -> Vec<Step<'_>> {
    let mut found = Vec::new();
    for (at, _) in page.match_indices("<!-- ") {
        let inside = &page[at + "<!-- ".len()..];
        let (step, after) = inside.split_once(" -->\n").expect("a comment has an end");
        let (word, rest) = step.split_once(": ").expect("a comment begins with what is to be done");
        let block = after.strip_prefix("```lua\n").and_then(|text| text.split_once("```\n"));
        found.push(Step {
            word,
            rest,
            block: block.map(|(block, _)| block.to_owned()).unwrap_or_default(),
        });
    }
    found
}

/// `shop/x.lua from: FILE replace: a with: b and: c with: d`: the file with these changes.
fn edited(project: &Project, recipe: &str) -> String {
    let (file, changes) = recipe.split_once(" replace: ").expect("what to replace");
    let mut text = fs::read_to_string(project.path(file)).expect("the file to edit");
    for change in changes.split(" and: ") {
        let (before, after) = change.split_once(" with: ").expect("what to replace it with");
        assert!(text.contains(before), "{before:?} is not in {file}");
        text = text.replace(before, after);
    }
    text
}

fn drop_and_wait(project: &Project, node: &mut Node, step: &Step<'_>) {
    let (what, says) = step.rest.split_once(" says: ").expect("what is said of it");
    let (file, text) = match what.split_once(" from: ") {
        Some((file, recipe)) => (file, edited(project, recipe)),
        None => (what, step.block.clone()),
    };
    let (service, name) = file.split_once('/').expect("service/file");
    let mark = node.mark();
    project.drop_file(service, name, text);
    let summary = node.wait_summary(mark, file);
    assert!(summary.starts_with(says), "{file}: {summary}");
}

#[test]
fn the_page_about_patches_is_true() {
    let page = fs::read_to_string(repository().join("docs/patches.md")).expect("docs/patches.md");
    let steps = steps(&page);
    let start = "local skynet = require 'skynet'\nrequire 'skynet.manager'\n\
        skynet.start(function() skynet.name('.shop', skynet.newservice 'shop') print 'open' end)\n";
    let project = Project::empty().service("main", start);
    for step in steps.iter().filter(|step| step.word == "file") {
        project.write(step.rest, &step.block);
    }
    let mut node = project.start();
    node.wait_line("open");
    for step in &steps {
        match step.word {
            "file" => {}
            "drop" => drop_and_wait(&project, &mut node, step),
            "ask" => {
                let (arguments, expected) = step.rest.split_once(" gives: ").expect("what is given");
                assert_eq!(node.ask(".shop", arguments), expected, "{arguments}");
            }
            other => panic!("nobody knows what {other:?} means"),
        }
    }
    assert_eq!(node.stop(), 0);
}
