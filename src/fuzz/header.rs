//! The comments that a patch begins with.

use crate::hotfix::record::reason;
use crate::plain;

/// The reason is one plain line of the text, and what follows the first line of code does not change it. Whether there is one.
pub fn examine(bytes: &[u8]) -> bool {
    let found = reason(bytes);
    if let Some(reason) = &found {
        assert!(!reason.is_empty() && plain::line(reason.as_bytes()) == reason.as_str());
        assert!(reason.chars().count() <= 1000);
        let after = [bytes, b"\nreturn 1\n-- reason: another"].concat();
        assert_eq!(reason.as_str(), self::reason(&after).as_deref().unwrap_or_default());
    }
    found.is_some()
}
