//! Texts that the parser must not be given: it would need more stack or time than anybody has. A look at the words alone tells.

use std::ops::Range;

/// Operators, calls and indexings in one expression. (The parser's time grows with the square of it.)
const LONGEST: u32 = 3000;
/// Brackets and blocks within each other; Lua's own compiler gives up at 200.
const DEEPEST: u32 = 220;

/// The line, from 1, at which an expression has become too long, or brackets and blocks are too deep; `None`: it is a text like others.
pub fn too_much(text: &[u8]) -> Option<u32> {
    let mut seen = Seen::default();
    let mut at = 0;
    while at < text.len() {
        let token = token(text, at);
        if !seen.take(&text[token.clone()]) {
            let lines = text[..at].iter().filter(|byte| **byte == b'\n').count();
            return Some(lines as u32 + 1);
        }
        at = token.end.max(at + 1);
    }
    None
}

/// What stands at a place: a word, a string, a comment, or one character.
fn token(text: &[u8], at: usize) -> Range<usize> {
    let rest = &text[at..];
    let length = match rest {
        [b'-', b'-', ..] => 2 + long_bracket(&rest[2..]).unwrap_or_else(|| line_length(&rest[2..])),
        [b'[', ..] => long_bracket(rest).unwrap_or(1),
        [quote @ (b'"' | b'\''), ..] => quoted(rest, *quote),
        [first, ..] if is_word(*first) => rest.iter().take_while(|byte| is_word(**byte)).count(),
        _ => 1,
    };
    at..at + length
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn line_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte != b'\n').count()
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The length of `[[…]]`, `[=[…]=]`, and so on.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let level = text.get(1..)?.iter().take_while(|byte| **byte == b'=').count();
    if text.first() != Some(&b'[') || text.get(level + 1) != Some(&b'[') {
        return None;
    }
    let end = [&b"]"[..], &b"=".repeat(level), b"]"].concat();
    let inside = &text[level + 2..];
    let found = inside.windows(end.len()).position(|part| part == end);
    Some(found.map_or(text.len(), |found| level + 2 + found + end.len()))
}

#[derive(Default)]
struct Seen {
    chain: u32,
    depth: u32,
    /// The word before was a value: a name behind it begins a new statement.
    value: bool,
}

impl Seen {
    /// Takes one token; false if that is too much.
    fn take(&mut self, token: &[u8]) -> bool {
        match token {
            b"function" | b"do" | b"then" | b"repeat" | b"{" => self.begin(1),
            b"end" | b"until" | b"}" => {
                self.depth = self.depth.saturating_sub(1);
                self.begin(0);
                self.value = token != b"until";
            }
            b"elseif" => {
                self.depth = self.depth.saturating_sub(1);
                self.begin(0);
            }
            b"local" | b"return" | b"if" | b"for" | b"while" | b"else" | b"in" | b"goto" | b"break" | b";" | b","
            | b"=" => {
                self.begin(0);
            }
            b"(" | b"[" => {
                self.chain += 1;
                self.depth += 1;
                self.value = false;
            }
            b")" | b"]" => {
                self.depth = self.depth.saturating_sub(1);
                self.value = true;
            }
            b"and" | b"or" | b"not" => {
                self.chain += 1;
                self.value = false;
            }
            [first, ..] if is_word(*first) => {
                if self.value {
                    self.chain = 0;
                }
                self.value = true;
            }
            [b'"' | b'\'', ..] | [b'[', _, ..] => self.value = true,
            [b' ' | b'\t' | b'\r' | b'\n'] | [b'-', b'-', ..] => {}
            _ => {
                self.chain += 1;
                self.value = false;
            }
        }
        self.chain <= LONGEST && self.depth <= DEEPEST
    }

    fn begin(&mut self, deeper: u32) {
        self.depth += deeper;
        self.chain = 0;
        self.value = false;
    }
}

#[cfg(test)]
mod tests {
    use super::too_much;

    #[test]
    fn ordinary_texts_are_not_too_much() {
        let calls = "tick()\n".repeat(5000);
        let table = format!("local t = {{ {} }}", "f(1) + 2 * 3, ".repeat(5000));
        let ifs = format!("if a then b() {} end", "elseif c then d() ".repeat(1000));
        let blocks =
            "local function f(x) for i = 1, x do if i > 2 then g(i) end end return { a = 1 } end\n".repeat(500);
        let strings = format!(
            "x = [==[{}]==] -- {}\n--[[ {} ]]",
            "((((".repeat(500),
            "+".repeat(5000),
            "{".repeat(500)
        );
        for text in [
            calls,
            table,
            ifs,
            blocks,
            strings,
            "return".into(),
            String::new(),
            "'unclosed".into(),
            "[==[ unclosed".into(),
        ] {
            assert_eq!(too_much(text.as_bytes()), None, "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn what_no_parser_survives_is() {
        let chain = format!("local a = 1\nreturn 1{}", "+1".repeat(20_000));
        let calls = format!("f{}", "()".repeat(20_000));
        let nested = format!("\n\nreturn {}", "{".repeat(20_000));
        let blocks = "while true do ".repeat(20_000);
        for (text, line) in [(chain, 2), (calls, 1), (nested, 3), (blocks, 1)] {
            assert_eq!(too_much(text.as_bytes()), Some(line), "{}", &text[..40]);
        }
    }
}
