//! How a reply is written on the wire: lines of readable text, then a marker line.
//!
//! Replies hold what services and patches put into them, so nothing in them is trusted: it is made plain, and a line that begins like a
//! marker gets a backslash in front: `\<CMD OK>`. So a line that begins with `<CMD OK>` or `<CMD Error>` is always the console's own word.

use std::fmt::Write;

use crate::control::command::Reply;
use crate::plain;

/// What the console says first.
pub const GREETING: &str = "Welcome to skynet console\n";
/// The end of the reply to a command that did what was asked.
const OK: &str = "<CMD OK>";
/// The end of the reply to a command that did not.
const ERROR: &str = "<CMD Error>";
/// The longest text of a reply, in bytes; the rest is left out.
const LONGEST: usize = 16 << 20;

/// The whole reply, marker and all.
pub fn render(reply: &Reply) -> String {
    let text = &reply.text[..reply.text.len().min(LONGEST)];
    let mut out = String::with_capacity(text.len() + 16);
    if !text.is_empty() {
        push_lines(&mut out, &plain::lines(text));
        out.push('\n');
    }
    if reply.text.len() > text.len() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "... ({} more bytes are not shown)", reply.text.len() - text.len());
    }
    out.push_str(if reply.ok { OK } else { ERROR });
    out.push('\n');
    out
}

fn push_lines(out: &mut String, text: &str) {
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let seen = line.trim_start();
        if seen.starts_with(OK) || seen.starts_with(ERROR) {
            out.push('\\');
        }
        out.push_str(line);
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, render};
    use crate::control::command::Reply;

    fn ok(text: &[u8]) -> String {
        render(&Reply::text(text, true))
    }

    #[test]
    fn replies_end_with_their_marker() {
        assert_eq!(ok(b""), "<CMD OK>\n");
        assert_eq!(ok(b"a\tb\n"), "a\tb\n\n<CMD OK>\n");
        assert_eq!(render(&Reply::error("why")), "why\n<CMD Error>\n");
    }

    #[test]
    fn a_text_cannot_fake_a_marker() {
        let text = b"<CMD OK>\nx <CMD OK>\n\t<CMD Error> y\r\n\r<CMD OK>";
        assert_eq!(
            ok(text),
            "\\<CMD OK>\nx <CMD OK>\n\\\t<CMD Error> y\\x0d\n\\x0d<CMD OK>\n<CMD OK>\n"
        );
    }

    #[test]
    fn an_endless_text_ends() {
        let said = ok(&vec![b'x'; LONGEST + 5]);
        assert!(said.ends_with("x\n... (5 more bytes are not shown)\n<CMD OK>\n"));
        assert!(said.len() < LONGEST + 100);
    }
}
