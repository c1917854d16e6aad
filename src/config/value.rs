//! What one TOML value may be. Each reader answers with the value, or with what it must be and what was found.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use toml::de::{DeInteger, DeValue};
use tracing::level_filters::LevelFilter;

/// No wait in here is longer than this: what is meant to be longer is a mistake, and sums of it stay in range.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// A text of any kind, on one line.
pub fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value.as_str() {
        Some(text) if text.contains(char::is_control) => Err("must not hold control characters".to_owned()),
        Some(text) => Ok(text.to_owned()),
        None => Err(must_be("a string", value)),
    }
}

/// A text with something in it.
pub fn name(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        trimmed => Ok(trimmed.to_owned()),
    }
}

/// A path; empty means none.
pub fn optional_path(value: &DeValue<'_>) -> Result<Option<PathBuf>, String> {
    let text = text(value)?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// A text that one can type as one word; may be empty.
pub fn word(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    if text.contains(char::is_whitespace) {
        return Err("must not hold spaces".to_owned());
    }
    Ok(text)
}

/// `true` or `false`.
pub fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| must_be("true or false", value))
}

/// A whole number from 0 to `max`.
pub fn count(max: usize) -> impl Fn(&DeValue<'_>) -> Result<usize, String> {
    move |value| {
        value
            .as_integer()
            .and_then(integer)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| *number <= max)
            .ok_or_else(|| must_be(&format!("a whole number from 0 to {max}"), value))
    }
}

/// A number of bytes, at least one and at most `max`.
pub fn size(max: u64) -> impl Fn(&DeValue<'_>) -> Result<u64, String> {
    move |value| {
        let bytes = value.as_str().and_then(|text| text.trim().parse().ok());
        match bytes {
            Some(ByteSize(0)) => Err("must not be zero".to_owned()),
            Some(ByteSize(bytes)) if bytes > max => Err(format!("must be {} at most", ByteSize(max))),
            Some(ByteSize(bytes)) => Ok(bytes),
            None => Err(must_be("a size with its unit, such as \"1 MiB\" or \"512 KiB\"", value)),
        }
    }
}

/// A time, at most a day; may be zero.
pub fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    let time = value
        .as_str()
        .and_then(|text| humantime::parse_duration(text.trim()).ok());
    match time {
        Some(time) if time > MAX_DURATION => Err("must be 24h at most".to_owned()),
        Some(time) => Ok(time),
        None => Err(must_be("a time with its unit, such as \"2s\" or \"500ms\"", value)),
    }
}

/// A time, at most a day and not zero.
pub fn time_limit(value: &DeValue<'_>) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("must not be zero".to_owned()),
        time => Ok(time),
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let found = value.as_str();
        match choices.iter().find(|(word, _)| found == Some(word)) {
            Some((_, choice)) => Ok(*choice),
            None => {
                let words: Vec<String> = choices.iter().map(|(w, _)| format!("\"{w}\"")).collect();
                Err(must_be(&words.join(" or "), value))
            }
        }
    }
}

/// How much is logged.
pub fn level(value: &DeValue<'_>) -> Result<LevelFilter, String> {
    one_of(&[
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ])(value)
}

/// Where to look for Lua files: patterns with a `?` where the name goes.
pub fn patterns(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    const WHAT: &str = "a list of patterns, such as [\"services/?.lua\"]";
    let array = value.as_array().ok_or_else(|| must_be(WHAT, value))?;
    array.iter().map(|item| pattern(item.get_ref())).collect()
}

fn pattern(value: &DeValue<'_>) -> Result<String, String> {
    let pattern = name(value).map_err(|why| format!("each pattern {why}"))?;
    if !pattern.contains('?') {
        return Err(format!("the pattern {pattern:?} has no `?` where the name goes"));
    }
    // `package.path` joins patterns with semicolons, so one inside a pattern would be read as two.
    if pattern.contains(';') {
        return Err(format!(
            "the pattern {pattern:?} holds a `;`: write one string per pattern"
        ));
    }
    Ok(pattern)
}

/// Where to listen; empty means nowhere. Names other than `localhost` are not looked up: which address a name has
/// is decided elsewhere and later, and so is whether it is a loopback address.
pub fn listen(value: &DeValue<'_>) -> Result<Option<SocketAddr>, String> {
    let text = text(value)?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let localhost = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
        .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    localhost.or_else(|| text.parse().ok()).map(Some).ok_or_else(|| {
        must_be(
            "an IP address and a port, such as \"127.0.0.1:8000\", or \"\" for no console",
            value,
        )
    })
}

/// A value of `[env]`, as Lua would print it.
pub fn env(value: &DeValue<'_>) -> Result<String, String> {
    let text = match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(number) => integer(number).map(|number| number.to_string()),
        // The debug form keeps `.0`, as Lua does.
        DeValue::Float(number) => number.as_str().parse().ok().map(|number: f64| format!("{number:?}")),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    };
    text.ok_or_else(|| {
        let dotted = match value {
            DeValue::Table(_) => " (a key with a dot needs quotes: \"a.b\" = …)",
            _ => "",
        };
        must_be("a string, a number or a boolean", value) + dotted
    })
}

/// The number itself; `None` if it does not fit 64 bits.
fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn must_be(expected: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(text) => {
            // Long enough to be recognised, short enough for one line.
            let start: String = text.chars().take(60).collect();
            let more = if start.len() < text.len() { "…" } else { "" };
            format!("the string {start:?}{more}")
        }
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => format!("the boolean {flag}"),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    };
    format!("must be {expected}, found {found}")
}
