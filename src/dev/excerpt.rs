//! The line of a source file at which something is wrong, with a caret below it.

use unicode_width::UnicodeWidthStr;

/// The line that a message such as `services/a.lua:3: '=' expected near 'x'` is about. `text`: gives the text behind a label.
pub fn excerpt<'a>(message: &str, text: impl Fn(&str) -> Option<&'a [u8]>) -> Option<String> {
    let (label, number, rest) = place(message)?;
    let text = text(label)?;
    let line = text.split(|&byte| byte == b'\n').nth(number.checked_sub(1)?)?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end().replace('\t', "    ");
    let at = column(&line, rest);
    let gutter = number.to_string();
    let pad = " ".repeat(gutter.len());
    let before = " ".repeat(line[..at].width());
    Some(format!("  {gutter} | {line}\n  {pad} | {before}^\n"))
}

/// Label, line and the rest of a message that begins with a place.
pub fn place(message: &str) -> Option<(&str, usize, &str)> {
    message.match_indices(':').find_map(|(at, _)| {
        let rest = &message[at + 1..];
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number = rest[..digits].parse().ok()?;
        let rest = rest[digits..].strip_prefix(':')?;
        Some((&message[..at], number, rest.trim_start()))
    })
}

/// Where in the line: at the word that the message names, else at its beginning (a byte position).
fn column(line: &str, message: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    let named = |(_, rest): (&str, &'_ str)| rest.rsplit_once('\'').map(|(word, _)| word.to_owned());
    let near = message.split_once("near '").and_then(named);
    let quoted = || {
        let (_, rest) = message.split_once('\'')?;
        rest.split_once('\'').map(|(word, _)| word.to_owned())
    };
    let found = match near {
        Some(word) => line.rfind(&word),
        None => quoted().and_then(|word| line.find(&word)),
    };
    found.unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::{excerpt, place};

    fn shown(message: &str, text: &str) -> Option<String> {
        excerpt(message, |label| (label == "services/a.lua").then_some(text.as_bytes()))
    }

    #[test]
    fn the_caret_stands_below_what_is_meant() {
        let text = "local a\n\tlocal y x = 3\nlocal 名 = = 1\n";
        for (message, expected) in [
            (
                "services/a.lua:2: '=' expected near 'x'",
                "  2 |     local y x = 3\n    |             ^\n",
            ),
            (
                "services/a.lua:3: unexpected symbol near '='",
                "  3 | local 名 = = 1\n    |            ^\n",
            ),
            (
                "services/a.lua:2: attempt to call a nil value (global 'y')",
                "  2 |     local y x = 3\n    |           ^\n",
            ),
            ("services/a.lua:1: boom", "  1 | local a\n    | ^\n"),
            (
                "services/a.lua:2: 'end' expected near <eof>",
                "  2 |     local y x = 3\n    |     ^\n",
            ),
        ] {
            assert_eq!(shown(message, text).as_deref(), Some(expected), "{message}");
        }
    }

    #[test]
    fn what_has_no_line_has_no_excerpt() {
        for message in [
            "no place at all",
            "services/a.lua:9: x",
            "services/b.lua:1: x",
            "services/a.lua: 1: x",
            "services/a.lua:0: x",
        ] {
            assert_eq!(shown(message, "local a\n"), None, "{message}");
        }
        assert_eq!(place("C:/a.lua:12: x: 3: y"), Some(("C:/a.lua", 12, "x: 3: y")));
    }
}
