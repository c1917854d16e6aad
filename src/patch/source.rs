//! The text of a patch as people really save and paste it: byte order marks, `#!` lines, and look-alike characters from web pages.

use std::sync::{Arc, OnceLock};

use crate::patch::syntax::{Outline, outline};

/// Lua source, ready for the compiler: no byte order mark, and a `#!` line turned into a comment so that line numbers stay.
#[derive(Clone, Debug)]
pub struct Source {
    text: Vec<u8>,
    outline: OnceLock<Arc<Outline>>,
}

/// Characters that look like Lua's own but are not: (UTF-8, code point, what it is, what to write instead).
const LOOK_ALIKES: &[(&str, &str, &str, &str)] = &[
    ("\u{a0}", "U+00A0", "a no-break space", "a plain space"),
    ("\u{3000}", "U+3000", "an ideographic space", "a plain space"),
    ("\u{2002}", "U+2002", "an en space", "a plain space"),
    ("\u{2003}", "U+2003", "an em space", "a plain space"),
    ("\u{2009}", "U+2009", "a thin space", "a plain space"),
    ("\u{202f}", "U+202F", "a narrow no-break space", "a plain space"),
    ("\u{200b}", "U+200B", "an invisible zero-width space", "nothing"),
    ("\u{200c}", "U+200C", "an invisible zero-width non-joiner", "nothing"),
    ("\u{200d}", "U+200D", "an invisible zero-width joiner", "nothing"),
    ("\u{2060}", "U+2060", "an invisible word joiner", "nothing"),
    ("\u{feff}", "U+FEFF", "an invisible byte order mark", "nothing"),
    ("\u{2028}", "U+2028", "a line separator", "a plain new line"),
    ("\u{2018}", "U+2018", "a typographic quote", "'"),
    ("\u{2019}", "U+2019", "a typographic quote", "'"),
    ("\u{201c}", "U+201C", "a typographic quote", "\""),
    ("\u{201d}", "U+201D", "a typographic quote", "\""),
    ("\u{2013}", "U+2013", "an en dash", "-"),
    ("\u{2014}", "U+2014", "an em dash", "--"),
    ("\u{2212}", "U+2212", "a minus sign", "-"),
    ("\u{2026}", "U+2026", "an ellipsis", "..."),
    ("\u{ff08}", "U+FF08", "a full-width parenthesis", "("),
    ("\u{ff09}", "U+FF09", "a full-width parenthesis", ")"),
    ("\u{ff0c}", "U+FF0C", "a full-width comma", ","),
    ("\u{ff1a}", "U+FF1A", "a full-width colon", ":"),
    ("\u{ff1b}", "U+FF1B", "a full-width semicolon", ";"),
    ("\u{ff1d}", "U+FF1D", "a full-width equals sign", "="),
    ("\u{3001}", "U+3001", "an ideographic comma", ","),
    ("\u{3002}", "U+3002", "an ideographic full stop", "."),
];

impl Source {
    /// Prepares the bytes of a file.
    ///
    /// # Errors
    /// A sentence for the author, when the bytes are not Lua source at all (compiled Lua, UTF-16).
    pub fn new(bytes: &[u8]) -> Result<Source, String> {
        if bytes.starts_with(b"\x1bLua") {
            return Err("this is compiled Lua; patches are applied from source only".into());
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err("this file is UTF-16; save it as UTF-8".into());
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut text = text.to_vec();
        if text.starts_with(b"#") {
            text.splice(0..1, *b"--");
        }
        Ok(Source {
            text,
            outline: OnceLock::new(),
        })
    }

    /// The text, for the compiler.
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// What its syntax tree tells; it is read when that is first asked.
    pub fn outline(&self) -> &Arc<Outline> {
        self.outline.get_or_init(|| Arc::new(outline(&self.text)))
    }

    /// Why line `line` (from 1) may have puzzled the compiler although it looks right: a look-alike character in it, named.
    pub fn look_alike_on(&self, line: usize) -> Option<String> {
        let text = self.text.split(|&b| b == b'\n').nth(line.checked_sub(1)?)?;
        let text = String::from_utf8_lossy(text);
        let first = |(shape, ..): &(&str, &str, &str, &str)| text.find(shape);
        let (_, code, what, instead) = LOOK_ALIKES
            .iter()
            .filter(|entry| first(entry).is_some())
            .min_by_key(|entry| first(entry))?;
        Some(format!(
            "the line contains {code} ({what}, as pasted from a web page); write {instead} instead"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn marks_and_shebangs_are_taken_off_without_moving_lines() {
        assert_eq!(Source::new(b"\xef\xbb\xbfreturn 1").unwrap().bytes(), b"return 1");
        assert_eq!(
            Source::new(b"#!/usr/bin/lua\nreturn 1").unwrap().bytes(),
            b"--!/usr/bin/lua\nreturn 1"
        );
    }

    #[test]
    fn what_is_not_source_is_refused_in_words() {
        assert!(Source::new(b"\x1bLuaT").unwrap_err().contains("compiled Lua"));
        assert!(Source::new(b"\xff\xfel\0").unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn look_alikes_are_named_on_their_line_only() {
        let source = Source::new("local a\u{a0}= 1\nprint(\u{201c}x\u{201d})\nok".as_bytes()).unwrap();
        assert!(source.look_alike_on(1).unwrap().contains("U+00A0 (a no-break space"));
        assert!(source.look_alike_on(2).unwrap().contains("U+201C"));
        assert_eq!(source.look_alike_on(3), None);
        assert_eq!(source.look_alike_on(0), None);
        assert_eq!(source.look_alike_on(99), None);
    }
}
