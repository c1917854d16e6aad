//! Forgetting texts of which nothing lives any more: old versions of files, and patches that failed or were taken back.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use mlua::ffi::{self, lua_State};
use rustc_hash::FxHashSet;

use super::{Files, Kind, Origin};
use crate::lua::layout::Proto;
use crate::lua::values::{self, Slot};

impl Files {
    /// The newer versions of files, and what was run for them, but for those that run now, and patches that are not live: which of them are
    /// needed is for others to say.
    pub fn past(&self, is_live: impl Fn(u64) -> bool) -> FxHashSet<usize> {
        let is_current = |number: &usize| self.versions.values().any(|versions| versions.last() == Some(number));
        let numbered = self.list.iter().enumerate();
        numbered
            .filter(|(number, file)| match file.kind {
                Kind::Revision { .. } => !is_current(number),
                Kind::Program { revision, .. } => !is_current(&revision),
                Kind::Patch { patch } => !is_live(patch),
                Kind::Script { .. } | Kind::Forgotten => false,
            })
            .map(|(number, _)| number)
            .collect()
    }

    /// The text that a prototype is of.
    pub fn text_of_proto(&self, proto: Proto) -> Option<usize> {
        self.origins.get(&proto).map(|origin| origin.file)
    }

    /// Forgets what the functions of one text stand for.
    pub fn stand_down(&mut self, file: usize) {
        self.stands_for.retain(|new, _| new.file != file);
    }

    /// Forgets texts and all of their functions. None of these lives, and nothing that is kept mentions them.
    ///
    /// # Safety
    /// `l` is live, inside a protected call.
    pub unsafe fn forget(&mut self, l: *mut lua_State, texts: &FxHashSet<usize>) {
        let is_gone = |origin: &Origin| texts.contains(&origin.file);
        for text in texts {
            self.let_go(l, *text);
        }
        self.origins.retain(|_, origin| !is_gone(origin));
        self.made.retain(|origin, _| !is_gone(origin));
        self.stands_for.retain(|new, old| !is_gone(new) && !is_gone(old));
        self.forget_outdated(is_gone);
        self.alike.clear();
        for mut class in std::mem::take(&mut self.classes) {
            class.retain(|origin| !is_gone(origin));
            if class.is_empty() {
                continue;
            }
            let number = self.classes.len();
            self.alike.extend(class.iter().map(|origin| (*origin, number)));
            self.classes.push(class);
        }
        for versions in self.versions.values_mut() {
            versions.retain(|version| !texts.contains(version));
        }
    }

    /// Lets the collector have a text's functions, and the process its chunk.
    unsafe fn let_go(&mut self, l: *mut lua_State, text: usize) {
        values::slot(l, Slot::Mains);
        for place in self.places.remove(&text).unwrap_or_default() {
            ffi::lua_pushnil(l);
            ffi::lua_rawseti(l, -2, place);
        }
        values::slot(l, Slot::Kept);
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, -2, text as i64);
        ffi::lua_pop(l, 2);
        self.mains.remove(&text);
        self.unindexed.retain(|(_, number)| *number != text);
        // Numbers stay what they are: in the place of a text that is gone stands one that is there anyway.
        let some = self.list[0].chunk.clone();
        let file = &mut self.list[text];
        file.chunk = some;
        file.kind = Kind::Forgotten;
    }
}
