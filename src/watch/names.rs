//! Which names are a patch, which are nobody's business, and how any name is shown to people.
//! This is the drop folder's own rule; whether a file is settled is decided elsewhere.

use std::ffi::OsStr;

use crate::plain;

/// What a name in the drop folder means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Nobody's business: an editor's temporary file, a README.
    Ignored,
    /// Meant for us, but not a name that we can carry; the reason reads after the name.
    Refused(&'static str),
    /// One of ours.
    Ours(String),
}

/// Judges the name of a file in a service folder.
pub(super) fn patch(name: &OsStr) -> Name {
    let bytes = name.as_encoded_bytes();
    if bytes.starts_with(b".") || bytes.starts_with(b"#") || !bytes.ends_with(b".lua") {
        return Name::Ignored;
    }
    carried(name)
}

/// Judges the name of a service folder.
pub(super) fn service(name: &OsStr) -> Name {
    if name.as_encoded_bytes().starts_with(b".") {
        return Name::Ignored;
    }
    carried(name)
}

/// Whether the name can belong to a tree that is exchanged by renaming a link (`..data` of a Kubernetes ConfigMap):
/// its change moves other names to new files without an event of their own.
pub(super) fn can_move_others(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

/// The name as it is shown, so that no name can break or forge a log line.
pub(super) fn escaped(name: &OsStr) -> String {
    plain::line(name.as_encoded_bytes()).into_owned()
}

fn carried(name: &OsStr) -> Name {
    match name.to_str() {
        None => Name::Refused("the name is not UTF-8; rename it"),
        Some(text) if text.contains(plain::misleads) => {
            Name::Refused("the name contains a control character; rename it")
        }
        Some(text) => Name::Ours(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, can_move_others, escaped, patch, service};
    use std::ffi::OsStr;

    #[test]
    fn names_of_patches() {
        for (name, ours) in [
            ("x.lua", true),
            ("two words.lua", true),
            ("größe.lua", true),
            ("a.b.lua", true),
            (".lua", false),
            (".x.lua", false),
            (".#x.lua", false),
            ("#x.lua#", false),
            ("#x.lua", false),
            ("x.lua~", false),
            ("x.lua.bak", false),
            ("x.LUA", false),
            ("4913", false),
            ("README.md", false),
            ("..data", false),
        ] {
            let expected = if ours {
                Name::Ours(name.to_owned())
            } else {
                Name::Ignored
            };
            assert_eq!(patch(OsStr::new(name)), expected, "{name}");
        }
        assert!(matches!(
            patch(OsStr::new("a\nb.lua")),
            Name::Refused(why) if why.contains("control")
        ));
        for name in ["a\u{2028}b.lua", "a\u{202e}b.lua"] {
            assert!(matches!(patch(OsStr::new(name)), Name::Refused(_)), "{name:?}");
        }
    }

    #[test]
    fn names_of_services() {
        assert_eq!(service(OsStr::new("db")), Name::Ours("db".to_owned()));
        assert_eq!(service(OsStr::new(".git")), Name::Ignored);
        assert_eq!(service(OsStr::new("..data")), Name::Ignored);
        assert!(matches!(service(OsStr::new("a\tb")), Name::Refused(_)));
        assert!(can_move_others(OsStr::new("..data")));
        assert!(!can_move_others(OsStr::new(".x.lua.swp")));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_text() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"a\xff\n\xc3\xa9.lua");
        assert_eq!(escaped(name), "a\\xff\\né.lua");
        assert!(matches!(patch(name), Name::Refused(why) if why.contains("UTF-8")));
    }
}
