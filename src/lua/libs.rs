//! Lua's own libraries. Those that many services never use are opened when a text is about to run that may mean them: one that has their name in
//! it, or one that can reach a name that is not written down.

use std::ffi::CStr;

use mlua::ffi::{self, lua_State};

/// Opens a library, and pushes it.
pub type Open = unsafe extern "C-unwind" fn(*mut lua_State) -> std::ffi::c_int;

/// Those that every VM has from the start.
pub const ALWAYS: [(&CStr, Open); 2] = [(c"_G", ffi::luaopen_base), (c"string", ffi::luaopen_string)];

/// Those that come when they are needed.
const LATER: [(&CStr, Open); 8] = [
    (c"package", ffi::luaopen_package),
    (c"coroutine", ffi::luaopen_coroutine),
    (c"table", ffi::luaopen_table),
    (c"io", ffi::luaopen_io),
    (c"os", ffi::luaopen_os),
    (c"math", ffi::luaopen_math),
    (c"utf8", ffi::luaopen_utf8),
    (c"debug", ffi::luaopen_debug),
];

/// Words with which a text may reach any library without its name.
const ANY: [&[u8]; 7] = [b"_ENV", b"_G", b"debug", b"dofile", b"load", b"loadfile", b"package"];

/// Which of the libraries a text may mean, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Libraries(u8);

impl Libraries {
    /// Those that a program's text may mean.
    pub fn of(text: &[u8]) -> Libraries {
        if words(text).any(|word| ANY.contains(&word)) {
            return Libraries(u8::MAX);
        }
        Libraries::named_in(text)
    }

    /// Those whose names are in a text.
    pub fn named_in(text: &[u8]) -> Libraries {
        let bits = words(text).filter_map(|word| LATER.iter().position(|(name, _)| name.to_bytes() == word));
        Libraries(bits.fold(0, |bits, number| bits | 1 << number))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each with what opens it.
    pub fn each(self) -> impl Iterator<Item = (&'static CStr, Open)> {
        let numbered = LATER.into_iter().enumerate();
        numbered
            .filter(move |(number, _)| self.0 & 1 << number != 0)
            .map(|(_, library)| library)
    }
}

/// The names and keywords of a text, and what looks like one in its strings and comments.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

#[cfg(test)]
mod tests {
    use super::Libraries;
    use crate::lua::library::BOOT;

    #[test]
    fn what_runs_in_every_vm_needs_none() {
        assert!(Libraries::named_in(BOOT.as_bytes()).is_empty());
    }

    #[test]
    fn a_text_means_what_it_names_and_everything_if_it_can_name_without_words() {
        let all = Libraries::of(b"return _G");
        assert!(Libraries::of(b"local imath, ratio = 1, x.io1").is_empty());
        assert_eq!(Libraries::of(b"x=math.pi"), Libraries::named_in(b"math"));
        assert_eq!(
            Libraries::of(b"os.time()io.write'utf8'"),
            Libraries::named_in(b"io os utf8")
        );
        for text in [
            "local e = _ENV",
            "load'x'()",
            "debug.getregistry()",
            "package.loaded.io",
            "(dofile)'f'",
            "loadfile(f)",
        ] {
            assert_eq!(Libraries::of(text.as_bytes()), all, "{text}");
        }
    }
}
