//! Which texts live in a VM: its files and patches, which function of which text a prototype is, and what a file's newest version is.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod forget;
mod outdated;

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_int;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use crate::lua::chunks::Chunk;
use crate::lua::layout::{self, Proto};
use crate::lua::values::{self, Slot};
use crate::patch::bytecode::Code;
use crate::patch::outcome::{SourceFile, Text};
use crate::patch::syntax::Function;

/// A text that lives in this VM.
pub struct File {
    /// The text, shared with all other VMs.
    pub chunk: Arc<Chunk>,
    /// What it is here.
    pub kind: Kind,
}

/// What a text is in a VM.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A service's script, or the module of this name, as it was loaded once: one activation, with variables of its own.
    Script {
        /// The name that `require` knows; `None` for a script and what ran before it.
        module: Option<String>,
    },
    /// A newer version of a file, which is never run as a whole.
    Revision {
        /// The number of the file as it was loaded.
        of: usize,
        /// The patch that brought it.
        patch: u64,
    },
    /// A patch of ordinary statements.
    Patch {
        /// The patch.
        patch: u64,
    },
    /// What of a revision is run once: its functions are the revision's.
    Program {
        /// The number of the revision.
        revision: usize,
        /// The numbers that its functions have there.
        functions: Vec<usize>,
    },
    /// Nothing of it lives any more.
    Forgotten,
}

/// All texts of one VM, in the order in which they came.
#[derive(Default)]
pub struct Files {
    list: Vec<File>,
    /// Main functions that are not in `origins` yet: places in [`Slot::Mains`].
    unindexed: Vec<(i64, usize)>,
    kept: i64,
    /// Places in [`Slot::Mains`] of what is kept of each text.
    places: HashMap<usize, Vec<i64>>,
    /// Places of the main functions in [`Slot::Mains`].
    mains: HashMap<usize, i64>,
    origins: HashMap<Proto, Origin>,
    /// The prototypes of functions that have any in this VM: others are text alone.
    made: HashMap<Origin, Vec<Proto>>,
    /// The versions of each loaded file, the newest last; none if there is only the file itself.
    versions: HashMap<usize, Vec<usize>>,
    /// A patch's functions that stand for a file's: newest first to be asked.
    stands_for: BTreeMap<Origin, Origin>,
    /// Functions that were replaced, and by what, which may have been replaced in its turn: old bodies may be in the middle of them still.
    outdated: BTreeMap<Origin, Origin>,
    /// Functions that are the same in several texts: their numbers in `classes`.
    alike: HashMap<Origin, usize>,
    classes: Vec<Vec<Origin>>,
}

/// Where a prototype comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
        let number = self.list.len();
        let place = self.keep(l, index, number);
        self.mains.insert(number, place);
        self.unindexed.push((place, number));
        self.list.push(file);
        number
    }

    /// Adds a text whose functions come one by one, see [`Files::register`].
    pub fn add_revision(&mut self, chunk: Arc<Chunk>, of: usize, patch: u64) -> usize {
        self.list.push(File {
            chunk,
            kind: Kind::Revision { of, patch },
        });
        self.list.len() - 1
    }

    /// Keeps a function, and with it the addresses of its prototypes.
    unsafe fn keep(&mut self, l: *mut lua_State, index: c_int, file: usize) -> i64 {
        let index = ffi::lua_absindex(l, index);
        self.kept += 1;
        self.places.entry(file).or_default().push(self.kept);
        values::slot(l, Slot::Mains);
        ffi::lua_pushvalue(l, index);
        ffi::lua_rawseti(l, -2, self.kept);
        ffi::lua_pop(l, 1);
        self.kept
    }

    /// Makes known that the closure at `index` is function `function` of the code of file `file`, `base` being that of its own text.
    ///
    /// # Safety
    /// As [`Files::add`].
    pub unsafe fn register(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        file: usize,
        code: &Code,
        base: usize,
        function: usize,
    ) {
        let Some(proto) = layout::proto_of(l, index) else {
            return;
        };
        self.keep(l, index, file);
        let mut open = vec![(proto, function)];
        while let Some((proto, function)) = open.pop() {
            let number = function.checked_sub(base + 1);
            self.note(proto, Origin { file, function: number });
            open.extend(
                layout::children(proto)
                    .into_iter()
                    .zip(code.functions[function].children.iter().copied()),
            );
        }
    }

    fn note(&mut self, proto: Proto, origin: Origin) {
        self.origins.insert(proto, origin);
        self.made.entry(origin).or_default().push(proto);
    }

    /// Place of a file's main function in [`Slot::Mains`].
    pub fn main(&self, number: usize) -> Option<i64> {
        self.mains.get(&number).copied()
    }

    /// What function number `function` of a text is: of a revision's program, the revision's.
    pub fn named(&self, file: usize, function: usize) -> Origin {
        match self.list.get(file).map(|file| &file.kind) {
            Some(Kind::Program { revision, functions }) => Origin {
                file: *revision,
                function: functions.get(function).copied(),
            },
            _ => Origin {
                file,
                function: Some(function),
            },
        }
    }

    /// Whether a file of this name is loaded here, and only with another content.
    pub fn runs_other_text(&self, source: &SourceFile) -> bool {
        let same_name = |file: &&File| file.chunk.label == source.file;
        let other_text =
            |file: &File| !(matches!(file.kind, Kind::Script { .. }) && file.chunk.sha256 == source.sha256);
        let mut loaded = self.list.iter().filter(same_name).peekable();
        loaded.peek().is_some() && loaded.all(other_text)
    }

    /// A file's name and content as it was loaded; `None` for patches.
    pub fn source(&self, number: usize) -> Option<SourceFile> {
        let number = self.activation(number)?;
        let chunk = &self.list.get(number)?.chunk;
        Some(SourceFile {
            file: chunk.label.clone(),
            sha256: chunk.sha256.clone(),
        })
    }

    /// One text.
    pub fn get(&self, number: usize) -> Option<&File> {
        self.list.get(number)
    }

    /// The number of the loaded file that a file is, or is a version of; `None` for patches.
    pub fn activation(&self, number: usize) -> Option<usize> {
        match self.list.get(number)?.kind {
            Kind::Script { .. } => Some(number),
            Kind::Revision { of, .. } => Some(of),
            Kind::Patch { .. } | Kind::Program { .. } | Kind::Forgotten => None,
        }
    }

    /// The newest version of a loaded file.
    pub fn current(&self, activation: usize) -> usize {
        self.versions
            .get(&activation)
            .and_then(|versions| versions.last())
            .copied()
            .unwrap_or(activation)
    }

    /// The versions that a loaded file has had, the newest first, the file itself last.
    pub fn versions(&self, activation: usize) -> impl Iterator<Item = usize> + '_ {
        self.versions
            .get(&activation)
            .into_iter()
            .flatten()
            .rev()
            .copied()
            .chain([activation])
    }

    /// Makes a revision the newest version of its file.
    pub fn advance(&mut self, activation: usize, revision: usize) {
        self.versions.entry(activation).or_default().push(revision);
    }

    /// Takes a revision back; the newest version is the one before it then.
    pub fn withdraw(&mut self, activation: usize, revision: usize) {
        if let Some(versions) = self.versions.get_mut(&activation) {
            versions.retain(|version| *version != revision);
        }
    }

    /// Files loaded here that satisfy a condition.
    pub fn scripts(&self, wanted: impl Fn(&File) -> bool) -> Vec<usize> {
        let numbered = self.list.iter().enumerate();
        numbered
            .filter(|(_, file)| matches!(file.kind, Kind::Script { .. }) && wanted(file))
            .map(|(number, _)| number)
            .collect()
    }

    /// Notes that a function (of a patch, say) has taken the place of a file's function, or of another that had done so.
    pub fn stand_in(&mut self, new: Origin, old: Origin) {
        let same = self.alike(old).into_iter().map(|origin| self.stands_for(origin));
        let mut known = [self.stands_for(old)].into_iter().chain(same);
        if let Some(stands_for) = known.find(|origin| self.activation(origin.file).is_some()) {
            self.stands_for.insert(new, stands_for);
        }
    }

    /// Notes what a function stands for again.
    pub fn stand_back(&mut self, function: Origin, logical: Origin) {
        if function == logical {
            self.stands_for.remove(&function);
        } else {
            self.stands_for.insert(function, logical);
        }
    }

    /// What stood for one function stands for another.
    pub fn stand_elsewhere(&mut self, now: Origin, logical: Origin) {
        for stands_for in self.stands_for.values_mut().filter(|old| **old == now) {
            *stands_for = logical;
        }
    }

    /// The file's function that a function stands for; itself if for none.
    pub fn stands_for(&self, origin: Origin) -> Origin {
        self.stands_for.get(&origin).copied().unwrap_or(origin)
    }

    /// Functions that stand for one of a file.
    pub fn stand_ins(&self, of: Origin) -> Vec<Origin> {
        self.stands_for
            .iter()
            .filter(|(_, old)| **old == of)
            .map(|(new, _)| *new)
            .collect()
    }

    /// Notes that two functions of different texts are the same: what holds for closures of one holds for those of the other, whatever
    /// becomes of the texts.
    pub fn note_alike(&mut self, one: Origin, other: Origin) {
        let (keep, gone) = (self.class(one), self.class(other));
        if keep != gone {
            let members = std::mem::take(&mut self.classes[gone]);
            self.alike.extend(members.iter().map(|member| (*member, keep)));
            self.classes[keep].extend(members);
        }
    }

    fn class(&mut self, of: Origin) -> usize {
        *self.alike.entry(of).or_insert_with(|| {
            self.classes.push(vec![of]);
            self.classes.len() - 1
        })
    }

    /// A function and those of other texts that are the same.
    pub fn alike(&self, function: Origin) -> Vec<Origin> {
        self.alike
            .get(&function)
            .map_or_else(|| vec![function], |class| self.classes[*class].clone())
    }

    /// Functions of other texts that are the same as one of a text.
    pub fn alike_to_some(&self, file: usize) -> Vec<Origin> {
        let classes = self
            .classes
            .iter()
            .filter(|class| class.iter().any(|member| member.file == file));
        classes.flatten().copied().collect()
    }

    /// What stands for a file's function, that itself, and what is the same as one of those, as far as there are closures of it.
    ///
    /// # Safety
    /// As [`Files::origin`].
    pub unsafe fn actual(&mut self, l: *mut lua_State, logical: Origin) -> Vec<Origin> {
        self.index(l);
        let standing = self.stand_ins(logical).into_iter().chain([logical]);
        let mut actual: Vec<Origin> = standing.flat_map(|origin| self.alike(origin)).collect();
        actual.retain(|origin| self.made.contains_key(origin));
        actual.sort_unstable();
        actual.dedup();
        actual
    }

    /// Functions that stand for some function of one text.
    pub fn standing_for(&self, file: usize) -> Vec<Origin> {
        self.stands_for
            .iter()
            .filter(|(_, old)| old.file == file)
            .map(|(new, _)| *new)
            .collect()
    }

    /// The texts that a patch has brought, or tried to.
    pub fn texts_of(&self, patch: u64) -> Vec<usize> {
        let is_its_own = |kind: &Kind| match kind {
            Kind::Patch { patch: of } | Kind::Revision { patch: of, .. } => *of == patch,
            _ => false,
        };
        let is_of_it = |kind: &Kind| match kind {
            Kind::Program { revision, .. } => is_its_own(&self.list[*revision].kind),
            kind => is_its_own(kind),
        };
        let numbered = self.list.iter().enumerate();
        numbered
            .filter(|(_, file)| is_of_it(&file.kind))
            .map(|(number, _)| number)
            .collect()
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

    /// The prototypes of some functions.
    ///
    /// # Safety
    /// As [`Files::origin`].
    pub unsafe fn protos_of(&mut self, l: *mut lua_State, functions: &[Origin]) -> Vec<Proto> {
        self.index(l);
        let made = functions.iter().filter_map(|function| self.made.get(function));
        made.flatten().copied().collect()
    }

    /// The prototypes of functions that satisfy a condition.
    ///
    /// # Safety
    /// As [`Files::origin`].
    pub unsafe fn protos(&mut self, l: *mut lua_State, wanted: impl Fn(Origin) -> bool) -> Vec<Proto> {
        self.index(l);
        let found = self.origins.iter().filter(|(_, origin)| wanted(**origin));
        found.map(|(proto, _)| *proto).collect()
    }

    unsafe fn index(&mut self, l: *mut lua_State) {
        for (place, number) in std::mem::take(&mut self.unindexed) {
            values::slot(l, Slot::Mains);
            ffi::lua_rawgeti(l, -1, place);
            if let Some(main) = layout::proto_of(l, -1) {
                self.index_main(main, number);
            }
            ffi::lua_pop(l, 2);
        }
    }

    unsafe fn index_main(&mut self, mut main: Proto, file: usize) {
        let chunk = self.list[file].chunk.clone();
        for _ in 0..chunk.frame.depth() {
            self.note(main, Origin { file, function: None });
            let Some(&inner) = layout::children(main).first() else {
                return;
            };
            main = inner;
        }
        self.note(main, Origin { file, function: None });
        let functions = &chunk.outline.functions;
        let mut nested: Vec<Vec<usize>> = vec![Vec::new(); functions.len() + 1];
        for (number, function) in functions.iter().enumerate() {
            nested[function.parent.map_or(0, |parent| parent + 1)].push(number);
        }
        let mut children = layout::children(main);
        // The probe's functions stand before the final `return`, and have no number.
        let before = nested[0]
            .iter()
            .filter(|number| functions[**number].range.start < chunk.outline.tail)
            .count();
        children.drain(before.min(children.len())..(before + chunk.probes()).min(children.len()));
        let mut open: Vec<(Proto, usize)> = Vec::new();
        for (&child, &number) in children.iter().zip(&nested[0]) {
            let origin = self.named(file, number);
            self.note(child, origin);
            open.push((child, number + 1));
        }
        while let Some((proto, place)) = open.pop() {
            for (&child, &number) in layout::children(proto).iter().zip(&nested[place]) {
                let origin = self.named(file, number);
                self.note(child, origin);
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
        self.text_at(origin)
    }

    /// The lines of a function.
    pub fn text_at(&self, origin: Origin) -> Option<Text> {
        let chunk = &self.list.get(origin.file)?.chunk;
        let (first, last) = chunk.outline.functions.get(origin.function?)?.lines;
        let lines = chunk
            .text
            .split_inclusive(|&b| b == b'\n')
            .skip(first.saturating_sub(1) as usize);
        let lines: Vec<&[u8]> = lines.take((last + 1 - first) as usize).collect();
        let mut text = String::from_utf8_lossy(&lines.concat()).replace("\r\n", "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Some(Text {
            file: chunk.label.clone(),
            line: first,
            text,
        })
    }

    /// What the tree tells of a function.
    pub fn function(&self, origin: Origin) -> Option<&Function> {
        self.list
            .get(origin.file)?
            .chunk
            .outline
            .functions
            .get(origin.function?)
    }
}
