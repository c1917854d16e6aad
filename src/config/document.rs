//! A TOML document as sections from which each key is taken exactly once: what is left over is an unknown key.

use std::mem;

use similar::get_close_matches;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::Problem;

/// More mistakes than this are one mistake: it is some other file.
const MAX_PROBLEMS: usize = 20;

/// The parsed text, and what has been found wrong with it so far.
pub struct Document<'a> {
    text: &'a str,
    sections: DeTable<'a>,
    known: Vec<&'static str>,
    found: Vec<Found>,
}

/// A problem, with its place in the text instead of its line.
struct Found {
    at: usize,
    key: String,
    message: String,
}

/// One `[section]` while its keys are taken. A section that the file leaves out has no keys.
pub struct Section<'d, 'a> {
    document: &'d mut Document<'a>,
    name: &'static str,
    table: DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Document<'a> {
    /// Parses the text; the error is the parser's own, with the line.
    pub fn parse(text: &'a str) -> Result<Document<'a>, Problem> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Document {
                text,
                sections: root.into_inner(),
                known: Vec::new(),
                found: Vec::new(),
            }),
            Err(error) => Err(Problem {
                line: line_at(text, error.span().map_or(0, |span| span.start)),
                key: None,
                message: match error.span().and_then(|span| text.get(span)) {
                    Some(key) if error.message() == "duplicate key" => format!("key `{key}` stands twice; remove one"),
                    _ => format!("not TOML: {}", error.message().replace('\n', ", ")),
                },
            }),
        }
    }

    /// Opens the section of this name.
    pub fn section<'d>(&'d mut self, name: &'static str) -> Section<'d, 'a> {
        self.known.push(name);
        let mut table = DeTable::new();
        if let Some(value) = self.sections.remove(name) {
            let at = value.span().start;
            match value.into_inner() {
                DeValue::Table(found) => table = found,
                _ => self.problem(at, name, format!("is a section: write it as [{name}]")),
            }
        }
        Section {
            document: self,
            name,
            table,
            known: Vec::new(),
        }
    }

    /// What was found wrong, in the order of the file. Sections that nobody opened are wrong too.
    pub fn finish(mut self) -> Vec<Problem> {
        let unknown = mem::take(&mut self.sections);
        let known = mem::take(&mut self.known);
        for (key, value) in unknown {
            let what = match value.get_ref() {
                DeValue::Table(_) => "unknown section",
                _ => "stands outside of every section",
            };
            let hint = hint(key.get_ref(), &known, "sections");
            self.problem(key.span().start, key.get_ref(), format!("{what}; {hint}"));
        }
        self.found.sort_by_key(|found| found.at);
        let told = self.found.into_iter().take(MAX_PROBLEMS);
        told.map(|found| Problem {
            line: line_at(self.text, found.at),
            key: Some(found.key),
            message: found.message,
        })
        .collect()
    }

    fn problem(&mut self, at: usize, key: &str, message: String) {
        let key = key.to_owned();
        self.found.push(Found { at, key, message });
    }
}

impl<'a> Section<'_, 'a> {
    /// Takes one key: `read` turns its value into what `field` holds, or says what it must be. Without the key,
    /// `field` keeps its default. Answers where the value stands, for checks that concern two keys.
    pub fn take<T>(
        &mut self,
        key: &'static str,
        field: &mut T,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<usize> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let at = value.span().start;
        match read(value.get_ref()) {
            Ok(value) => *field = value,
            Err(message) => self.wrong(at, key, message),
        }
        Some(at)
    }

    /// Takes whatever keys are left.
    pub fn take_all<T>(
        mut self,
        read: impl Fn(&DeValue<'a>) -> Result<T, String>,
    ) -> impl Iterator<Item = (String, T)> {
        let mut found = Vec::new();
        for (key, value) in mem::take(&mut self.table) {
            let key = key.into_inner().into_owned();
            match read(value.get_ref()) {
                Ok(value) => found.push((key, value)),
                Err(message) => self.wrong(value.span().start, &key, message),
            }
        }
        found.into_iter()
    }

    /// Says that the value at `at` cannot be.
    pub fn wrong(&mut self, at: usize, key: &str, message: String) {
        let key = format!("{}.{key}", self.name);
        self.document.problem(at, &key, message);
    }

    /// Ends the section: keys that nobody took are unknown.
    pub fn finish(mut self) {
        for (key, _) in mem::take(&mut self.table) {
            let key: Spanned<_> = key;
            let hint = hint(key.get_ref(), &self.known, "keys");
            self.wrong(key.span().start, key.get_ref(), format!("unknown key; {hint}"));
        }
    }
}

/// What to write instead of a name that nobody knows.
fn hint(name: &str, known: &[&'static str], what: &str) -> String {
    // 0.6 is the usual cutoff for "the same word, mistyped".
    match get_close_matches(name, known, 1, 0.6).first() {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("known {what}: {}", known.join(", ")),
    }
}

/// The line, counted from 1, in which the byte `at` stands.
pub fn line_at(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count()
}
