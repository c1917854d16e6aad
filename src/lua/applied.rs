//! What an instance remembers of its patches: which are live, how each is taken back, and who is still in the middle of an old body.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::lua::changes::Place;
use crate::lua::chunks::Chunk;
use crate::lua::files::Origin;
use crate::lua::layout::Proto;
use crate::lua::variables;
use crate::patch::compare::Join;
use crate::patch::order::Patch;
use crate::patch::outcome::{SourceFile, Text};
use crate::patch::revision::Literal;

/// A function, as people know it, that is exchanged: one closure or many.
#[derive(Clone, Debug)]
pub struct Group {
    /// As its author calls it.
    pub name: String,
    /// Where the old code stands; `None` where nothing was, or something that is no function of a known text.
    pub old: Option<Origin>,
    /// Where the new code stands.
    pub new: Origin,
    /// The old text.
    pub before: Option<Text>,
    /// The new text.
    pub now: Text,
    /// The file that the old code came with.
    pub source: Option<SourceFile>,
    /// How many places hold the new function now.
    pub holders: u32,
    /// How many closures were replaced.
    pub closures: u32,
}

/// A function of a text that lives in this VM.
#[derive(Clone, Debug)]
pub struct Code {
    /// Number of the text.
    pub file: usize,
    /// The text.
    pub chunk: Arc<Chunk>,
    /// Number of the function in the text's code.
    pub function: usize,
}

/// Every closure of one function is replaced by one of another.
#[derive(Clone, Debug)]
pub struct Swap {
    /// Number of its group.
    pub group: usize,
    /// The text of the old closures.
    pub old: Code,
    /// Number of the text that the old function's variables are told by: its own, or a version of the file in which it is the same.
    pub version: usize,
    /// The text of the new ones.
    pub new: Code,
    /// Where each upvalue of a new one is found.
    pub joins: Arc<[Join]>,
    /// The loaded file whose variables the joins mean.
    pub activation: Option<usize>,
    /// Place (in the list of what was made) of the closure whose upvalues [`Join::Outer`] means; 0: the file's main function.
    pub outer: i64,
    /// If it is a closure: the prototypes of the old one. Where several of them live it cannot be told which of them made what.
    pub makers: Vec<Proto>,
}

/// What has to be known to take a patch back. Its objects lie in the patch's list in `Slot::Undo`.
pub struct Undo {
    /// The patch.
    pub patch: Arc<Patch>,
    /// The functions that it exchanged.
    pub groups: Vec<Group>,
    /// The closures that it replaced.
    pub replaced: Vec<Replaced>,
    /// Places (in the list) of the functions that the patch made, by their places among what was made then.
    pub kept: HashMap<i64, i64>,
    /// Single places that hold another function now, or something that was not there.
    pub spots: Vec<Spot>,
    /// The literals that it updated, and where: the loaded file, the variable.
    pub literals: Vec<(usize, variables::Cell, Literal)>,
    /// How many fields, locals and metatables hold other data since.
    pub data: u32,
    /// The files that got a new version.
    pub revisions: Vec<Revised>,
    /// Whether the service took no patches before, if this one has changed that.
    pub locked: Option<bool>,
    /// What was known of outdated functions before.
    pub outdated: Vec<(Origin, Option<Origin>)>,
}

/// One closure that was replaced: places in the patch's list.
#[derive(Clone, Copy, Debug)]
pub struct Replaced {
    /// Number of its group.
    pub group: usize,
    /// The old closure.
    pub old: i64,
    /// The new one.
    pub new: i64,
    /// The new function was made by the patch's own statements.
    pub direct: bool,
}

/// A single place.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// Which place of the object.
    pub place: Place,
    /// First of four places in the patch's list: object, key, value before, value now.
    pub at: i64,
}

/// A file that got a new version.
#[derive(Clone, Debug)]
pub struct Revised {
    /// Number of the file as it was loaded.
    pub activation: usize,
    /// Number of the version before.
    pub old_version: usize,
    /// Number of the new version.
    pub revision: usize,
    /// Functions that are the same in both: what they really come from, what they stood for, what they stand for since.
    pub unchanged: Vec<(Origin, Origin, Origin)>,
    /// Functions of the revision that took the place of another patch's.
    pub superseding: Vec<Origin>,
}

/// Coroutines that were in old bodies when a patch was applied.
pub struct Watch {
    /// The patch.
    pub patch: u64,
    /// How closures of the old code are exchanged. What is around them is a place in the patch's list in `Slot::Undo`.
    pub swaps: Vec<Swap>,
    /// Numbers in `swaps`, by old prototype.
    pub by_proto: FxHashMap<Proto, usize>,
    /// Later patches that replaced some of these functions themselves, and which: what this patch would put in their places is outdated.
    pub shadows: Vec<(u64, FxHashSet<Proto>)>,
    /// Places in `Slot::InFlight` of a coroutine, which the function follows.
    pub frames: Vec<i64>,
}

/// All of it.
#[derive(Default)]
pub struct Applied {
    /// Patches that are live here, in the order in which they were applied.
    pub live: RefCell<Vec<Arc<Patch>>>,
    /// Saves of dev mode that cannot be taken back any more.
    pub settled: RefCell<BTreeSet<u64>>,
    /// How many texts of the past there may be before it is looked whether they are needed.
    pub compact_at: Cell<usize>,
    /// How each is taken back.
    pub undo: RefCell<BTreeMap<u64, Undo>>,
    /// How many functions each wants to be called when it goes; they lie in `Slot::Unload`.
    pub unloads: RefCell<HashMap<u64, i64>>,
    /// Who is in the middle of an old body.
    pub in_flight: RefCell<Vec<Watch>>,
    /// Length of the list in `Slot::InFlight`.
    pub in_flight_length: Cell<i64>,
    /// The variables of each version of a file, by the version's number.
    pub variables: RefCell<HashMap<usize, Arc<variables::Variables>>>,
    /// The service takes no patches.
    pub locked: Cell<bool>,
}
