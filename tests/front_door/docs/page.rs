//! A page as a list of what it says and shows.

use std::fs;

use crate::harness::repository;

/// What a page consists of.
#[derive(Debug)]
pub enum Item {
    /// `<!-- word: rest -->`, and the block right below it, if that is its own.
    Step { word: String, rest: String, block: String },
    /// A block that nothing is said about.
    Block { language: String, text: String },
}

/// The words that take the block below them.
const TAKE_BLOCKS: [&str; 8] = ["file", "drop", "inject", "sh", "not run", "node", "log", "session"];

/// A page's text; `page` is relative to the repository.
pub fn text_of(page: &str) -> String {
    fs::read_to_string(repository().join(page)).expect("the page")
}

/// What it consists of, from top to bottom.
pub fn items(page: &str) -> Vec<Item> {
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

/// Whether lines say what a page shows: the shown ones stand among them in this order. A line `…` stands for any lines, and
/// `…` in a line for any text; digits are not compared, since times and ports differ.
pub fn shows(shown: &str, printed: &[String]) -> bool {
    let mut printed = printed.iter();
    shown
        .lines()
        .filter(|line| *line != "…" && !line.is_empty())
        .all(|line| printed.any(|other| fits(line, other)))
}

fn fits(shown: &str, printed: &str) -> bool {
    let blank = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "").replace('.', "");
    let mut rest = blank(printed);
    let shown = blank(shown);
    let parts: Vec<&str> = shown.split('…').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return rest == first;
    }
    if !rest.starts_with(first) || !rest.ends_with(last) {
        return false;
    }
    rest = rest.split_off(first.len());
    parts[1..].iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.split_off(at + part.len());
            true
        }
        None => false,
    })
}

#[test]
fn a_transcript_is_told_from_another() {
    let printed = [
        "[:00000008] LAUNCH snlua main".to_owned(),
        "ready in 0.4 ms (sha256 f63d…)".to_owned(),
    ];
    assert!(shows(
        "[:00000009] LAUNCH snlua main\n…\nready in 12.5 ms (…)\n",
        &printed
    ));
    assert!(!shows(
        "ready in 12.5 ms (…)\n[:00000009] LAUNCH snlua main\n",
        &printed
    ));
    assert!(!shows("ready in 12.5 s (…)\n", &printed));
    assert!(!shows("[:00000009] LAUNCH snlua\n", &printed));
}
