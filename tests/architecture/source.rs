//! The files of the project, and Rust code without its comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
pub struct Source {
    /// Relative to the project's root, with `/` between names.
    pub path: String,
    /// All of it.
    pub text: String,
    /// For Rust: the same lines with comments, strings and characters blanked out. Otherwise the text itself.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = match path.ends_with(".rs") {
            true => without_comments_and_strings(text),
            false => text.to_owned(),
        };
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    /// A finding at a byte of `code`.
    pub fn finding(&self, at: usize, rule: &str) -> String {
        format!("{}:{}: {rule}", self.path, self.line_of(at))
    }

    /// The line, counted from 1, of a byte of `code`.
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }

    /// Where this word stands in the code, on its own.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            !before.is_some_and(is_name) && !after.is_some_and(is_name)
        })
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn rust_files(folders: &[&str]) -> Vec<Source> {
    let files = files(folders, ".rs");
    assert!(!files.is_empty(), "no Rust files in {folders:?}");
    files
}

/// All files below these folders with names that end so; a folder that is not there has none.
pub fn files(folders: &[&str], suffix: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), suffix, &mut found);
    }
    found
}

/// The files directly at the project's root with names that end so.
pub fn files_at_the_root(suffix: &str) -> Vec<Source> {
    let entries = entries(root()).into_iter().filter(|path| path.is_file());
    entries.filter_map(|path| read(&path, suffix)).collect()
}

fn walk(folder: &Path, suffix: &str, found: &mut Vec<Source>) {
    for path in entries(folder) {
        match path.is_dir() {
            true => walk(&path, suffix, found),
            false => found.extend(read(&path, suffix)),
        }
    }
}

/// What stands in a folder, by name. Editors make and remove files at any time, so what cannot be read is not there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path, suffix: &str) -> Option<Source> {
    let relative = path.strip_prefix(root()).ok()?.to_str()?.replace('\\', "/");
    let text = relative.ends_with(suffix).then(|| fs::read_to_string(path));
    Some(Source::new(&relative, &text?.ok()?))
}

pub fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        match blank_until(&chars, at) {
            Some(end) => {
                let blanked = &chars[at..end.min(chars.len())];
                code.extend(blanked.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                code.push(chars[at]);
                at += 1;
            }
        }
    }
    code
}

/// If a comment, a string or a character begins here: where it ends.
fn blank_until(chars: &[char], at: usize) -> Option<usize> {
    let next = |ahead: usize| chars.get(at + ahead).copied();
    match (chars[at], next(1)) {
        ('/', Some('/')) => Some(find(chars, at, &['\n'])),
        ('/', Some('*')) => Some(comment_end(chars, at)),
        ('"', _) => Some(quoted_end(chars, at, '"')),
        ('\'', Some('\\')) => Some(quoted_end(chars, at, '\'')),
        // Otherwise it is a lifetime.
        ('\'', Some(_)) if next(2) == Some('\'') => Some(at + 3),
        ('r', Some('"' | '#')) if begins_word(chars, at) => raw_end(chars, at + 1),
        _ => None,
    }
}

/// Whether the `r` here begins a word, or follows the `b` or `c` that does.
fn begins_word(chars: &[char], at: usize) -> bool {
    let name_at = |at: Option<usize>| at.is_some_and(|at| is_name(chars[at]));
    let before = at.checked_sub(1);
    let marked = before.is_some_and(|at| matches!(chars[at], 'b' | 'c'));
    !name_at(before) || (marked && !name_at(at.checked_sub(2)))
}

/// Where this text next begins, or the end.
fn find(chars: &[char], from: usize, wanted: &[char]) -> usize {
    let mut windows = chars[from..].windows(wanted.len());
    windows
        .position(|window| window == wanted)
        .map_or(chars.len(), |found| from + found)
}

fn comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while depth > 0 && at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    at
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a raw string whose `#`s begin at `hashes`; `None` if it is no string (`r#name`).
fn raw_end(chars: &[char], hashes: usize) -> Option<usize> {
    let count = chars[hashes..].iter().take_while(|c| **c == '#').count();
    let open = hashes + count;
    (chars.get(open) == Some(&'"')).then(|| {
        let mut close = vec!['"'];
        close.extend(vec!['#'; count]);
        find(chars, open + 1, &close) + close.len()
    })
}

/// The lines at which a rule finds something in a file of this name and text.
#[cfg(test)]
pub fn lines(path: &str, text: &str, rule: impl Fn(&Source) -> Vec<String>) -> Vec<usize> {
    let number = |finding: String| finding.split(':').nth(1).and_then(|line| line.parse().ok());
    rule(&Source::new(path, text)).into_iter().filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn comments_and_strings_are_not_code() {
        let text = concat!(
            "a /* x /* y */ \"z */ b // c \"d\n",
            "e \"f \\\" // g\" h 'i' '\\'' j<'k>(\"\nl\")\n",
            "br#\"m \" n\"# o r\"p\\\" q r#s \u{e4}"
        );
        let code = Source::new("x.rs", text).code;
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(
            words,
            ["a", "b", "e", "h", "j<'k>(", ")", "b", "o", "q", "r#s", "\u{e4}"]
        );
        assert_eq!(code.lines().count(), text.lines().count());
    }
}
