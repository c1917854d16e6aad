//! The texts that come with a patch: which names are fit to be part of a path, why the author wrote it, its hash.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::plain;

/// The longest service or file name that is accepted, in bytes. With the archive's own additions it stays below the 255
/// bytes that file systems allow.
pub const NAME_MAX_BYTES: usize = 200;

/// The longest reason that is kept, in characters.
const REASON_MAX_CHARS: usize = 1000;

/// Why a service or file name is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the name {name:?} cannot be used: {why}")]
pub struct NameError {
    /// The name; printed escaped, and only its beginning if it is too long.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks that a service's folder name or a patch's file name is safe as one part of a path.
///
/// # Errors
/// When it is empty, `.` or `..`, has a `/` or a control character, or is longer than [`NAME_MAX_BYTES`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name == "." || name == ".." {
        "it names a directory"
    } else if name.len() > NAME_MAX_BYTES {
        "it is longer than 200 bytes"
    } else if name.contains('/') {
        "it contains a `/`"
    } else if name.contains(plain::misleads) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    Err(NameError {
        name: name.chars().take(NAME_MAX_BYTES).collect(),
        why,
    })
}

/// The text after `-- reason:` in the comment lines that a patch begins with, if there is one.
///
/// Blank lines, a byte order mark and a `#!` line may stand before it; the first line of code ends the search.
pub fn reason(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes
        .split(|&b| b == b'\n' || b == b'\r')
        .map(<[u8]>::trim_ascii)
        .enumerate()
        .skip_while(|(number, line)| line.is_empty() || (*number == 0 && line.starts_with(b"#")))
        .filter(|(_, line)| !line.is_empty())
        .map(|(_, line)| line)
        .take_while(|line| line.starts_with(b"--"))
        .find_map(reason_of_line)
}

/// The reason that one comment line gives.
fn reason_of_line(line: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"reason:";
    let dashes = line.iter().take_while(|&&b| b == b'-').count();
    let text = line[dashes..].trim_ascii_start();
    let (key, value) = text.split_at_checked(KEY.len())?;
    if !key.eq_ignore_ascii_case(KEY) {
        return None;
    }
    let value: String = String::from_utf8_lossy(value)
        .trim()
        .chars()
        .filter(|&c| !plain::misleads(c))
        .take(REASON_MAX_CHARS)
        .collect();
    (!value.is_empty()).then_some(value)
}

/// The SHA-256 of `bytes` in lower-case hexadecimal, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::{check_name, reason, sha256};

    #[test]
    fn names_that_cannot_leave_their_folder_are_accepted() {
        let longest = "n".repeat(200);
        for name in ["x.lua", "simpledb", "game.room", "a..b.lua", "…ß 1", &longest] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn names_that_could_are_refused_and_printed_escaped() {
        let too_long = "n".repeat(201);
        for (name, why) in [
            ("", "empty"),
            (".", "directory"),
            ("..", "directory"),
            ("../x.lua", "`/`"),
            ("/etc/passwd", "`/`"),
            ("a\nb.lua", "control"),
            ("a\0.lua", "control"),
            ("\u{9b}m.lua", "control"),
            ("\u{202e}aul.x", "control"),
            (&too_long, "200 bytes"),
        ] {
            let error = check_name(name).expect_err(name).to_string();
            assert!(error.contains(why), "{name:?}: {error}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn the_reason_stands_in_the_first_comment_lines() {
        for (text, expected) in [
            ("-- reason: coins doubled\nx = 1", Some("coins doubled")),
            ("--reason:short\n", Some("short")),
            ("--- Reason:   spaced out \r\nx()", Some("spaced out")),
            ("\u{feff}-- reason: after a mark\n", Some("after a mark")),
            ("#!/usr/bin/lua\n\n-- by me\n-- reason: third\n", Some("third")),
            ("-- reason: first\n-- reason: second\n", Some("first")),
            ("-- reason: no newline", Some("no newline")),
            ("-- reason: a\tb\u{1b}[1m\n", Some("ab[1m")),
            ("x = 1\n-- reason: too late\n", None),
            ("-- reason:\n", None),
            ("-- the reason: is elsewhere\n", None),
            ("#\n# reason: not Lua\n-- reason: x", None),
            ("--", None),
            ("", None),
        ] {
            assert_eq!(reason(text.as_bytes()).as_deref(), expected, "{text:?}");
        }
        assert_eq!(reason(b"-- reason: \xff!\n").as_deref(), Some("\u{fffd}!"));
    }

    #[test]
    fn a_reason_is_cut_at_a_sensible_length() {
        let text = format!("-- reason: {}\n", "é".repeat(5000));
        assert_eq!(reason(text.as_bytes()).map(|r| r.chars().count()), Some(1000));
    }

    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        assert_eq!(
            sha256(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
