//! Plain text: what comes from files, peers and services is written through here before people see it, so that no text moves their
//! cursor, recolours their terminal, reads in another order than it is written, or passes for a line of its own.
//!
//! Control characters, and those that change the direction of writing or end a line for some programs, are written as `\x1b` or
//! `\u{202e}`, bytes that are no UTF-8 as `\xff`.

use std::borrow::Cow;
use std::fmt::Write;

/// The colours that hotlua itself paints with: none, bold, red, green, yellow, cyan.
const COLOURS: [&str; 6] = ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"];

/// Text of any number of lines: newlines and tabs stay.
pub fn lines(bytes: &[u8]) -> Cow<'_, str> {
    written(bytes, |character| matches!(character, '\n' | '\t'))
}

/// Text that is a part of one line: newlines and tabs are written as `\n` and `\t`.
pub fn line(bytes: &[u8]) -> Cow<'_, str> {
    written(bytes, |_| false)
}

/// The same as [`lines`] for text that hotlua has put together, in which its own colours stay.
pub fn painted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let (before, from) = rest.split_at(at);
        out.push_str(&lines(before.as_bytes()));
        let colour = COLOURS.iter().find(|colour| from.starts_with(**colour));
        out.push_str(colour.copied().unwrap_or("\\x1b"));
        rest = &from[colour.map_or(1, |colour| colour.len())..];
    }
    out.push_str(&lines(rest.as_bytes()));
    out
}

/// JSON that means the same, in which strings hold nothing that misleads either: JSON itself only escapes the oldest control characters.
pub fn json(text: String) -> String {
    // What stands between strings is ASCII, and newlines if the document is a pretty one.
    if !text.contains(|character| character != '\n' && misleads(character)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if character != '\n' && misleads(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether a character is none that shows where it stands: a control character, a line end beside `\n`, a change of the direction.
pub fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

fn written(bytes: &[u8], stays: fn(char) -> bool) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(|character| misleads(character) && !stays(character)) => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(bytes, stays)),
    }
}

fn escaped(bytes: &[u8], stays: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                _ if stays(character) || !misleads(character) => out.push(character),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\0'..='\x7f' => push_byte(&mut out, character as u8),
                _ => out.extend(character.escape_unicode()),
            }
        }
        for &byte in chunk.invalid() {
            push_byte(&mut out, byte);
        }
    }
    out
}

fn push_byte(out: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::{json, line, lines, painted};

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let text = "\x1b[2Jä\0\x7f\u{85}\u{202e}\r\u{200f}\u{2028}".as_bytes();
        let shown = "\\x1b[2Jä\\x00\\x7f\\u{85}\\u{202e}\\x0d\\u{200f}\\u{2028}";
        assert_eq!(lines(text), shown);
        assert_eq!(line(text), shown);
        assert_eq!(lines(b"\xff<\xc3"), "\\xff<\\xc3");
        assert_eq!(lines(b"a\tb\nc"), "a\tb\nc");
        assert_eq!(line(b"a\tb\nc"), "a\\tb\\nc");
    }

    #[test]
    fn colours_of_our_own_stay_and_others_go() {
        let text = "\x1b[31m-x\x1b[0m \x1b[7m \x1b[31;1m\x1b";
        assert_eq!(painted(text), "\x1b[31m-x\x1b[0m \\x1b[7m \\x1b[31;1m\\x1b");
        assert_eq!(lines(text.as_bytes()).matches('\x1b').count(), 0);
    }

    #[test]
    fn json_stays_what_it_says() {
        let said = "a\u{7f}\u{9b}2J\u{202e}ß\x1b\n";
        let document = serde_json::to_string_pretty(&[said]).expect("a string");
        let plain = json(document);
        assert_eq!(plain, "[\n  \"a\\u007f\\u009b2J\\u202eß\\u001b\\n\"\n]");
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&plain).ok(),
            Some([said.to_owned()])
        );
    }
}
