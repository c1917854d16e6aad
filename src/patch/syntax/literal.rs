//! Literals as Lua's lexer reads them, and constants as Lua text.

/// A constant of Lua.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string.
    Text(Vec<u8>),
}

const RESERVED: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

impl Constant {
    /// How a table is indexed with it: `.name`, `["a b"]`, `[3]`; `None` for what is no key.
    pub fn index(&self) -> Option<String> {
        match self {
            Constant::Nil => None,
            Constant::Boolean(value) => Some(format!("[{value}]")),
            Constant::Integer(value) => Some(format!("[{value}]")),
            Constant::Float(value) => match integer_of(*value) {
                Some(integer) => Some(format!("[{integer}]")),
                None => value.is_finite().then(|| format!("[{value:?}]")),
            },
            Constant::Text(bytes) => Some(match std::str::from_utf8(bytes) {
                Ok(name) if is_name(name) => format!(".{name}"),
                _ => format!("[{}]", quoted(bytes)),
            }),
        }
    }
}

/// The integer that a float is, if it is one.
pub fn integer_of(value: f64) -> Option<i64> {
    let fits = value.floor() == value && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    fits.then_some(value as i64)
}

/// Whether a text is a name in Lua.
fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(letters) && text.chars().next().is_some_and(|c| !c.is_ascii_digit()) && !RESERVED.contains(&text)
}

/// A string as a literal on one line, always the same for the same string.
pub fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                '\n' => text.push_str("\\n"),
                _ if character.is_control() => {
                    let mut buffer = [0; 4];
                    let encoded = character.encode_utf8(&mut buffer).bytes();
                    encoded.for_each(|byte| text.push_str(&format!("\\{byte:03}")));
                }
                _ => text.push(character),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| text.push_str(&format!("\\{byte:03}")));
    }
    text.push('"');
    text
}

/// The number that a numeral is.
pub fn number(text: &str) -> Option<Constant> {
    let text = text.to_ascii_lowercase();
    let Some(hex) = text.strip_prefix("0x") else {
        // A decimal numeral that no integer can hold is a float.
        return match text.parse() {
            Ok(integer) => Some(Constant::Integer(integer)),
            Err(_) => text.parse().ok().map(Constant::Float),
        };
    };
    if hex.contains(['.', 'p']) {
        return hex_float(hex).map(Constant::Float);
    }
    let mut digits = hex.chars().map(|c| c.to_digit(16));
    let value = digits.try_fold(0_i64, |value, digit| {
        Some(value.wrapping_mul(16).wrapping_add(i64::from(digit?)))
    });
    value.map(Constant::Integer)
}

fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * 2.0_f64.powi(exponent.checked_sub(places)?))
}

/// The string that a literal is, in whichever quotes or brackets.
pub fn string(literal: &[u8]) -> Vec<u8> {
    match literal {
        [b'[', rest @ ..] => {
            let level = rest.iter().take_while(|&&b| b == b'=').count();
            let inside = literal.get(level + 2..literal.len().saturating_sub(level + 2));
            long_string(inside.unwrap_or_default())
        }
        [_, inside @ .., _] => unescaped(inside),
        _ => Vec::new(),
    }
}

/// Each line break becomes `\n`, and one at the beginning is none.
fn long_string(inside: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(inside.len());
    let mut at = 0;
    while let Some(&byte) = inside.get(at) {
        let length = line_break(&inside[at..]);
        match length {
            0 => value.push(byte),
            _ if at == 0 => {}
            _ => value.push(b'\n'),
        }
        at += length.max(1);
    }
    value
}

/// How many bytes the line break at the beginning has, 0 if there is none.
fn line_break(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] | [b'\n', b'\r', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

fn unescaped(mut rest: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = if byte == b'\\' {
            escape(after, &mut value)
        } else {
            value.push(byte);
            after
        };
    }
    value
}

/// Reads what stands after a backslash; answers with what follows it.
fn escape<'a>(text: &'a [u8], value: &mut Vec<u8>) -> &'a [u8] {
    let Some((&kind, rest)) = text.split_first() else {
        return text;
    };
    let plain = match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'x' => {
            let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            value.push(
                digits
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .unwrap_or_default(),
            );
            return rest.get(2..).unwrap_or_default();
        }
        b'u' => return code_point(rest, value),
        b'z' => return rest.trim_ascii_start(),
        b'0'..=b'9' => {
            let length = text.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
            let digits = text[..length].iter();
            value.push(digits.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0')) as u8);
            return &text[length..];
        }
        b'\r' | b'\n' => {
            value.push(b'\n');
            return &text[line_break(text)..];
        }
        other => other,
    };
    value.push(plain);
    rest
}

/// `{XXX}` after `\u`, in the UTF-8 of up to six bytes that Lua writes.
fn code_point<'a>(text: &'a [u8], value: &mut Vec<u8>) -> &'a [u8] {
    let end = text.iter().position(|&b| b == b'}').unwrap_or(text.len());
    let digits = text.get(1..end).and_then(|digits| std::str::from_utf8(digits).ok());
    let mut code = digits
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or_default();
    if code < 0x80 {
        value.push(code as u8);
    } else {
        let mut reversed = Vec::new();
        let mut first_holds = 0x3f;
        while code > first_holds {
            reversed.push(0x80 | (code & 0x3f) as u8);
            code >>= 6;
            first_holds >>= 1;
        }
        reversed.push(((!first_holds << 1) | code) as u8);
        value.extend(reversed.iter().rev());
    }
    text.get(end + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Constant, number, quoted, string};

    #[test]
    fn numerals_are_read_as_lua_reads_them() {
        let cases = [
            ("3", Constant::Integer(3)),
            ("0xff", Constant::Integer(255)),
            ("0xFFFFFFFFFFFFFFFF", Constant::Integer(-1)),
            ("9223372036854775807", Constant::Integer(i64::MAX)),
            ("9223372036854775808", Constant::Float(9_223_372_036_854_775_808.0)),
            ("3.", Constant::Float(3.0)),
            (".5e1", Constant::Float(5.0)),
            ("0x.8p1", Constant::Float(1.0)),
            ("0xA.8", Constant::Float(10.5)),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        assert_eq!(number("0xg"), None);
    }

    #[test]
    fn strings_are_read_as_lua_reads_them() {
        let cases: [(&str, &str); 8] = [
            (r#""a\tb""#, "a\tb"),
            (r"'\65\066\x43\u{44}\u{20AC}'", "ABCD\u{20ac}"),
            ("'a\\z  \n b'", "ab"),
            ("'a\\\r\nb'", "a\nb"),
            ("[[\nx\r\ny]]", "x\ny"),
            ("[==[]]]==]", "]]"),
            ("''", ""),
            ("'", ""),
        ];
        for (literal, expected) in cases {
            assert_eq!(string(literal.as_bytes()), expected.as_bytes(), "{literal}");
        }
        assert_eq!(string(b"'\\u{7FFFFFFF}'"), [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
        assert_eq!(quoted(b"a\"\n\x01\xff\xc3\xa4"), "\"a\\\"\\n\\001\\255\u{e4}\"");
    }

    #[test]
    fn keys_that_are_names_look_like_names() {
        let text = |text: &str| Constant::Text(text.into()).index();
        assert_eq!(text("a_1").as_deref(), Some(".a_1"));
        assert_eq!(text("end").as_deref(), Some("[\"end\"]"));
        assert_eq!(text("1a").as_deref(), Some("[\"1a\"]"));
        assert_eq!(text("").as_deref(), Some("[\"\"]"));
        assert_eq!(Constant::Float(3.0).index().as_deref(), Some("[3]"));
        assert_eq!(Constant::Float(0.5).index().as_deref(), Some("[0.5]"));
        assert_eq!(Constant::Nil.index(), None);
    }
}
