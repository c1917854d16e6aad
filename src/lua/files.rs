//! Which text is behind a function: every file and every patch that ran in this VM, by the prototypes that it gave.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use crate::lua::chunks::Chunk;
use crate::lua::layout::{self, Proto};
use crate::lua::values::{self, Slot};
use crate::patch::order::Patch;
use crate::patch::outcome::{SourceFile, Text};
use crate::patch::syntax::{Function, Local};

/// A text that ran in this VM, shared with all others.
pub enum File {
    /// A service's script, or a module.
    Script(Arc<Chunk>),
    /// A patch.
    Patch(Arc<Patch>),
}

impl File {
    /// As error messages name it.
    pub fn label(&self) -> &str {
        match self {
            File::Script(chunk) => &chunk.label,
            File::Patch(patch) => &patch.label,
        }
    }

    fn text(&self) -> &[u8] {
        match self {
            File::Script(chunk) => &chunk.text,
            File::Patch(patch) => patch.source.bytes(),
        }
    }

    fn functions(&self) -> &[Function] {
        match self {
            File::Script(chunk) => &chunk.outline.functions,
            File::Patch(patch) => &patch.shape().functions,
        }
    }
}

/// All texts of one VM, in the order in which they were loaded.
#[derive(Default)]
pub struct Files {
    list: Vec<File>,
    /// How many of `list` are in `origins`.
    indexed: usize,
    origins: HashMap<Proto, Origin>,
}

/// Where a prototype comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The number of its file.
    pub file: usize,
    /// Its number in the outline's functions; `None` is the main function of the file (or what surrounds a patch).
    pub function: Option<usize>,
}

impl Files {
    /// Adds a file that is about to run, whose main function is at `index`: keeps that function, and with it its prototypes.
    ///
    /// # Safety
    /// `l` is live, inside a protected call.
    pub unsafe fn add(&mut self, l: *mut lua_State, index: c_int, file: File) -> usize {
        let index = ffi::lua_absindex(l, index);
        let number = self.list.len();
        values::slot(l, Slot::Mains);
        ffi::lua_pushvalue(l, index);
        ffi::lua_rawseti(l, -2, number as i64 + 1);
        ffi::lua_pop(l, 1);
        self.list.push(file);
        number
    }

    /// The file-level locals of a script, which a patch may mean.
    pub fn locals(&self, number: usize) -> &[Local] {
        match self.list.get(number) {
            Some(File::Script(chunk)) => &chunk.outline.locals,
            _ => &[],
        }
    }

    /// Whether a file of this name is loaded here, and only with another content.
    pub fn runs_other_text(&self, source: &SourceFile) -> bool {
        let same_name = |file: &&File| file.label() == source.file;
        let other_text = |file: &File| !matches!(file, File::Script(chunk) if chunk.sha256 == source.sha256);
        let mut loaded = self.list.iter().filter(same_name).peekable();
        loaded.peek().is_some() && loaded.all(other_text)
    }

    /// A file's name and content, unless it is a patch.
    pub fn source(&self, number: usize) -> Option<SourceFile> {
        match self.list.get(number)? {
            File::Script(chunk) => Some(SourceFile {
                file: chunk.label.clone(),
                sha256: chunk.sha256.clone(),
            }),
            File::Patch(_) => None,
        }
    }

    /// One file.
    pub fn get(&self, number: usize) -> Option<&File> {
        self.list.get(number)
    }

    /// Where the Lua function at `index` comes from; `None` for C functions and for what was loaded by other means (`load`).
    ///
    /// # Safety
    /// `l` is live, inside a protected call.
    pub unsafe fn origin(&mut self, l: *mut lua_State, index: c_int) -> Option<Origin> {
        let proto = layout::proto_of(l, index)?;
        self.index(l);
        self.origins.get(&proto).copied()
    }

    unsafe fn index(&mut self, l: *mut lua_State) {
        while self.indexed < self.list.len() {
            values::slot(l, Slot::Mains);
            ffi::lua_rawgeti(l, -1, self.indexed as i64 + 1);
            if let Some(main) = layout::proto_of(l, -1) {
                self.index_main(main);
            }
            ffi::lua_pop(l, 2);
            self.indexed += 1;
        }
    }

    unsafe fn index_main(&mut self, mut main: Proto) {
        let file = self.indexed;
        self.origins.insert(main, Origin { file, function: None });
        if let File::Patch(_) = self.list[file] {
            // A patch's text stands in a function of its own inside the chunk, see `apply`.
            let Some(&body) = layout::children(main).first() else {
                return;
            };
            main = body;
            self.origins.insert(main, Origin { file, function: None });
        }
        let functions = self.list[file].functions();
        let mut nested: Vec<Vec<usize>> = vec![Vec::new(); functions.len() + 1];
        for (number, function) in functions.iter().enumerate() {
            nested[function.parent.map_or(0, |parent| parent + 1)].push(number);
        }
        let mut open = vec![(main, 0)];
        while let Some((proto, place)) = open.pop() {
            // The probe's functions come after those of the text, and have no number.
            for (&child, &number) in layout::children(proto).iter().zip(&nested[place]) {
                self.origins.insert(
                    child,
                    Origin {
                        file,
                        function: Some(number),
                    },
                );
                open.push((child, number + 1));
            }
        }
    }

    /// The lines of the function at `index`, if its file is known.
    ///
    /// # Safety
    /// As [`Files::origin`].
    pub unsafe fn text_of(&mut self, l: *mut lua_State, index: c_int) -> Option<Text> {
        let origin = self.origin(l, index)?;
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_pushvalue(l, index);
        ffi::lua_getinfo(l, c">S".as_ptr(), &mut ar);
        let file = &self.list[origin.file];
        let (first, last) = (
            usize::try_from(ar.linedefined).ok()?.max(1),
            usize::try_from(ar.lastlinedefined).ok()?,
        );
        let lines: Vec<&[u8]> = file
            .text()
            .split_inclusive(|&b| b == b'\n')
            .skip(first - 1)
            .take(last + 1 - first)
            .collect();
        let mut text = String::from_utf8_lossy(&lines.concat()).replace("\r\n", "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Some(Text {
            file: file.label().to_owned(),
            line: first as u32,
            text,
        })
    }

    /// The name and form of the function at `index`, if its file is known.
    ///
    /// # Safety
    /// As [`Files::origin`].
    pub unsafe fn function_of(&mut self, l: *mut lua_State, index: c_int) -> Option<&Function> {
        let origin = self.origin(l, index)?;
        self.list[origin.file].functions().get(origin.function?)
    }
}
