//! Handles: the numbers by which instances are addressed, in skynet's spelling.

use std::fmt;

/// The number of one instance; never 0. Handles are not reused soon after an instance has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub u32);

impl Handle {
    /// Reads `a`, `0000000a` or `:0000000a` (hexadecimal, as skynet's console does); `None` if it is no handle.
    pub fn parse(text: &str) -> Option<Handle> {
        let digits = text.strip_prefix(':').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok().filter(|&n| n != 0).map(Handle)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{:08x}", self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Handle;

    #[test]
    fn handles_are_read_and_written_as_skynet_does() {
        for text in ["a", ":a", "0000000a", ":0000000a", ":0000000A"] {
            assert_eq!(Handle::parse(text), Some(Handle(10)), "{text}");
        }
        for text in ["", ":", "0", "xyz", ".name", "1ffffffff", "+1", " a"] {
            assert_eq!(Handle::parse(text), None, "{text}");
        }
        assert_eq!(Handle(10).to_string(), ":0000000a");
    }
}
