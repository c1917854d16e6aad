//! The text diff of a patch: first what it replaced in the running code, then the file against its previous version.

use std::fmt::Write;

use similar::{ChangeTag, TextDiff};

use crate::patch::outcome::{FunctionChange, Text};
use crate::plain;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The diff of the functions that a patch replaced; empty if it replaced none.
pub fn of_functions(functions: &[FunctionChange]) -> String {
    let replaced = functions
        .iter()
        .filter_map(|change| Some((change.old.as_ref()?, &change.new)));
    replaced.map(|(old, new)| unified(old, new)).collect()
}

/// The diff of a patch file against its previous version (`None`: against nothing), both under the name that messages use.
pub fn of_file(label: &str, previous: Option<&[u8]>, now: &[u8]) -> String {
    match previous {
        Some(previous) => unified(&whole(&format!("{label} (previous)"), previous), &whole(label, now)),
        None => unified(&whole("/dev/null", b""), &whole(label, now)),
    }
}

/// The diff of two versions of a source file.
pub fn of_versions(label: &str, before: &[u8], now: &[u8]) -> String {
    unified(&whole(label, before), &whole(label, now))
}

fn whole(file: &str, bytes: &[u8]) -> Text {
    Text {
        file: file.to_owned(),
        line: 1,
        text: String::from_utf8_lossy(bytes).replace("\r\n", "\n"),
    }
}

/// A unified diff of two stretches of text; the line numbers are those in their files. Empty if they are equal.
pub fn unified(old: &Text, new: &Text) -> String {
    let diff = TextDiff::from_lines(&old.text, &new.text);
    let mut out = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        if out.is_empty() {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "--- {}\n+++ {}", old.file, new.file);
        }
        let old_range = range(old.line, first.old_range().start, last.old_range().end);
        let new_range = range(new.line, first.new_range().start, last.new_range().end);
        let _ = writeln!(out, "@@ -{old_range} +{new_range} @@");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let _ = write!(out, "{sign}{}", change.value());
            if change.missing_newline() {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// `start,length` as unified diffs count: from the first line of the text, one before it for an empty range.
fn range(first_line: u32, start: usize, end: usize) -> String {
    let length = end - start;
    let line = first_line as usize + start;
    match length {
        0 => format!("{},0", line - 1),
        1 => line.to_string(),
        _ => format!("{line},{length}"),
    }
}

/// The same diff with terminal colours: removed red, added green, places cyan, files bold. Its text is made plain.
pub fn coloured(diff: &str) -> String {
    let paint = |line: &str| {
        let code = match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => "1",
            Some(b'-') => "31",
            Some(b'+') => "32",
            Some(b'@') => "36",
            _ => return format!("{line}\n"),
        };
        format!("\x1b[{code}m{line}\x1b[0m\n")
    };
    plain::lines(diff.as_bytes()).lines().map(paint).collect()
}

#[cfg(test)]
mod tests {
    use super::{coloured, of_file, unified};
    use crate::patch::outcome::Text;

    fn text(file: &str, line: u32, text: &str) -> Text {
        Text {
            file: file.into(),
            line,
            text: text.into(),
        }
    }

    #[test]
    fn line_numbers_are_those_of_the_files() {
        let old = text("services/simpledb.lua", 10, "function f()\n  return 1\nend\n");
        let new = text("hotfix/simpledb/x.lua", 3, "function f()\n  return 2\nend\n");
        let expected = "--- services/simpledb.lua\n+++ hotfix/simpledb/x.lua\n@@ -10,3 +3,3 @@\n function f()\n-  return 1\n+  return 2\n end\n";
        assert_eq!(unified(&old, &new), expected);
        assert_eq!(unified(&old, &text("x", 1, &old.text)), "");
    }

    #[test]
    fn one_line_for_many_and_a_file_from_nothing() {
        let old = text("a.lua", 7, "function f()\n  g()\nend\n");
        assert_eq!(
            unified(&old, &text("b.lua", 1, "h()\n")),
            "--- a.lua\n+++ b.lua\n@@ -7,3 +1 @@\n-function f()\n-  g()\n-end\n+h()\n"
        );
        assert_eq!(
            of_file("x.lua", None, b"a\nb"),
            "--- /dev/null\n+++ x.lua\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn colours_follow_the_first_character() {
        assert_eq!(
            coloured("--- a\n-x\n+y\n z\n"),
            "\x1b[1m--- a\x1b[0m\n\x1b[31m-x\x1b[0m\n\x1b[32m+y\x1b[0m\n z\n"
        );
    }
}
