//! Lua files, read once and compiled once per process: the same text under the same name is the same chunk, for every VM.
//!
//! A file is compiled with a probe: its last statement hands a closure over all its file-level locals to the VM, so that a patch
//! finds the very variables later, even those that no function of the file captures. (The price: such a value lives as long as its
//! instance.) The probe stands on existing lines, so no line number moves.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod words;

use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use mlua::ffi::{self, lua_State};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

pub use crate::lua::chunks::words::{explain, full_label};
use crate::lua::libs::Libraries;
use crate::lua::values;
use crate::patch::bytecode::Code;
use crate::patch::compare::Side;
use crate::patch::source::Source;
use crate::patch::syntax::{Outline, too_much};

/// One compiled file.
#[derive(Debug)]
pub struct Chunk {
    /// As error messages name it.
    pub label: String,
    /// The text that was compiled (without the probe).
    pub text: Arc<[u8]>,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
    /// What its syntax tree tells.
    pub outline: Arc<Outline>,
    /// What stands around it.
    pub frame: Frame,
    /// What of Lua's own it may use.
    pub libraries: Libraries,
    bytecode: Vec<u8>,
    code: OnceLock<Result<Code, String>>,
}

/// How a text was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// As it is.
    Bare,
    /// With a probe, which hands its locals to the VM.
    Probed,
    /// The same, inside of a function: a text that has as many locals itself as a function may have.
    ProbedInside,
    /// As a patch: as the body of the innermost of so many functions in each other, whose locals are what the text may mean.
    Bound(usize),
}

impl Frame {
    /// How many functions lie between the one that is loaded and the text's own.
    pub fn depth(self) -> usize {
        match self {
            Frame::Bare | Frame::Probed => 0,
            Frame::ProbedInside => 1,
            Frame::Bound(depth) => depth,
        }
    }

    /// The number of the text's own function in [`Chunk::code`].
    pub fn text_base(self) -> usize {
        match self {
            Frame::Bound(depth) => depth,
            _ => 0,
        }
    }

    /// Whether the text hands its locals to the VM.
    pub fn is_probed(self) -> bool {
        matches!(self, Frame::Probed | Frame::ProbedInside)
    }
}

/// The global through which the probe gets the function it calls (the boot code puts it there); it takes it away at once.
const KEEPER: &str = "__hotlua_keep";

/// How the names of files of the built-in library begin.
pub const BUILTIN: &str = "hotlua:";

/// Locals per probe: one function may have 255 upvalues and about as many registers.
pub const PROBE_WIDTH: usize = 200;

/// The chunks of all files that were read.
#[derive(Default)]
pub struct Chunks {
    /// By label and content. A text lives as long as some VM, or its file on the disk, has it.
    known: Mutex<HashMap<(String, String), Weak<Chunk>>>,
    builtins: Mutex<HashMap<String, Arc<Chunk>>>,
    files: Mutex<HashMap<PathBuf, Seen>>,
}

/// A file that was read, and what its directory entry said then.
struct Seen {
    modified: SystemTime,
    length: u64,
    chunk: Arc<Chunk>,
}

/// How long after its last change a file's time stamp is not trusted: two saves within one tick of the file system's clock look alike.
const RACY: Duration = Duration::from_secs(2);

impl Chunks {
    /// Reads and compiles a file, or gives what it gave before if the file has not changed.
    ///
    /// # Errors
    /// The compiler's message with file and line, or why the file cannot be read.
    ///
    /// # Safety
    /// `l` is live, with room for a few values, inside a protected call.
    pub unsafe fn file(&self, l: *mut lua_State, path: &Path, label: &str) -> Result<Arc<Chunk>, String> {
        let describe = |e: std::io::Error| format!("cannot open {label}: {e}");
        let metadata = std::fs::metadata(path).map_err(describe)?;
        if let Some(chunk) = self.unchanged(path, &metadata) {
            return Ok(chunk);
        }
        let bytes = std::fs::read(path).map_err(describe)?;
        let chunk = self.text(l, &bytes, label)?;
        if let Ok(modified) = metadata.modified()
            && SystemTime::now().duration_since(modified).is_ok_and(|age| age > RACY)
        {
            let seen = Seen {
                modified,
                length: metadata.len(),
                chunk: chunk.clone(),
            };
            self.files.lock().insert(path.to_owned(), seen);
        }
        Ok(chunk)
    }

    fn unchanged(&self, path: &Path, now: &Metadata) -> Option<Arc<Chunk>> {
        let files = self.files.lock();
        let seen = files.get(path)?;
        (now.len() == seen.length && now.modified().ok()? == seen.modified).then(|| seen.chunk.clone())
    }

    /// Compiles a text, or gives the chunk that the same text under the same label gave before.
    ///
    /// # Errors
    /// The compiler's message with file and line.
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn text(&self, l: *mut lua_State, bytes: &[u8], label: &str) -> Result<Arc<Chunk>, String> {
        let key = (label.to_owned(), hex::encode(Sha256::digest(bytes)));
        if let Some(chunk) = self.find(&key) {
            return Ok(chunk);
        }
        let source = Source::new(bytes).map_err(|why| format!("{label}: {why}"))?;
        let chunk = compile(l, &source, label, key.1.clone())?;
        Ok(self.keep(key, chunk))
    }

    /// The same for a text whose outline may be known.
    ///
    /// # Errors
    /// As [`Chunks::text`].
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn source(&self, l: *mut lua_State, source: &Source, label: &str) -> Result<Arc<Chunk>, String> {
        let key = (label.to_owned(), hex::encode(Sha256::digest(source.bytes())));
        if let Some(chunk) = self.find(&key) {
            return Ok(chunk);
        }
        let chunk = compile(l, source, label, key.1.clone())?;
        Ok(self.keep(key, chunk))
    }

    /// A file of the built-in library, compiled; not searched for and without probe.
    ///
    /// # Errors
    /// As [`Chunks::text`].
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn builtin(&self, l: *mut lua_State, text: &'static str, name: &str) -> Result<Arc<Chunk>, String> {
        let label = format!("{BUILTIN}{}.lua", name.replace('.', "/"));
        if let Some(chunk) = self.builtins.lock().get(&label) {
            return Ok(chunk.clone());
        }
        let chunk = compile(l, &Source::new(text.as_bytes())?, &label, String::new())?;
        // Nobody asks for the names of our own variables, and they take memory in every VM.
        let bytecode = chunk.code(l)?.encode_without_names();
        let chunk = Arc::new(Chunk { bytecode, ..chunk });
        // If another VM was faster, its chunk is the one that lasts.
        Ok(self.builtins.lock().entry(label).or_insert(chunk).clone())
    }

    /// Compiles a patch, or gives the chunk that the same text within the same names gave before. The names stand on the first line, in
    /// functions around the text; `declarations` are those of each function, from the outermost.
    ///
    /// # Errors
    /// The compiler's message with file and line.
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn bound(
        &self,
        l: *mut lua_State,
        source: &Source,
        label: &str,
        declarations: &[String],
    ) -> Result<Arc<Chunk>, String> {
        let mut around = declarations.join("return function(...) ");
        around.push_str("return function(...) ");
        let text = [
            around.as_bytes(),
            source.bytes(),
            b"\n",
            "end ".repeat(declarations.len()).as_bytes(),
        ]
        .concat();
        let key = (label.to_owned(), hex::encode(Sha256::digest(&text)));
        if let Some(chunk) = self.find(&key) {
            return Ok(chunk);
        }
        let chunk = compile_bound(l, source, label, declarations, text)?;
        Ok(self.keep(key, chunk))
    }

    fn find(&self, key: &(String, String)) -> Option<Arc<Chunk>> {
        self.known.lock().get(key)?.upgrade()
    }

    fn keep(&self, key: (String, String), chunk: Chunk) -> Arc<Chunk> {
        let chunk = Arc::new(chunk);
        let mut known = self.known.lock();
        // Now and then what nobody has any more is forgotten.
        if known.len() == known.capacity() {
            known.retain(|_, chunk| chunk.strong_count() > 0);
        }
        known.insert(key, Arc::downgrade(&chunk));
        chunk
    }

    /// Forgets what directory entries said, so that every file is read again. Chunks of equal text stay shared.
    pub fn distrust_stamps(&self) {
        self.files.lock().clear();
    }
}

impl Chunk {
    /// Pushes the main function of this chunk, ready to be called in this VM; false with an error message pushed if there is no memory.
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn push(&self, l: *mut lua_State) -> bool {
        load(l, &self.bytecode, &self.label, c"b")
    }

    /// The same, but code, lines and long strings stay where they are, for all VMs: nobody may write to them.
    ///
    /// # Safety
    /// As [`Chunks::file`]; the chunk outlives the VM.
    pub unsafe fn push_in_place(&self, l: *mut lua_State) -> bool {
        // They must lie as they would in memory of Lua's own.
        if self.bytecode.as_ptr().align_offset(align_of::<u64>()) != 0 {
            return self.push(l);
        }
        load(l, &self.bytecode, &self.label, c"B")
    }

    /// What [`Chunk::push_in_place`] leaves where it is.
    pub fn bytecode(&self) -> &[u8] {
        &self.bytecode
    }

    /// How many functions of the probe stand before the text's final `return`.
    pub fn probes(&self) -> usize {
        if self.frame.is_probed() {
            self.outline.locals.len().div_ceil(PROBE_WIDTH)
        } else {
            0
        }
    }

    /// What the compiler made of the text; of a file without its probe.
    ///
    /// # Errors
    /// When the compiler's output makes no sense to us, as a sentence.
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn code(&self, l: *mut lua_State) -> Result<&Code, String> {
        let code = self.code.get_or_init(|| {
            let bytecode = match self.frame {
                Frame::Bare | Frame::Bound(_) => &self.bytecode,
                // SAFETY: see above.
                Frame::Probed | Frame::ProbedInside => &unsafe {
                    load(l, &self.text, &self.label, c"t");
                    dump(l)
                },
            };
            Code::parse(bytecode).map_err(|why| format!("{}: {why}", self.label))
        });
        code.as_ref().map_err(Clone::clone)
    }

    /// The text as one side of a comparison.
    ///
    /// # Errors
    /// As [`Chunk::code`].
    ///
    /// # Safety
    /// As [`Chunks::file`].
    pub unsafe fn side(&self, l: *mut lua_State) -> Result<Side<'_>, String> {
        Ok(Side {
            outline: &self.outline,
            code: self.code(l)?,
            base: self.frame.text_base(),
        })
    }
}

/// Pushes the function that `text` is, or the compiler's message; true if it is a function. `mode` as for `luaL_loadbufferx`.
///
/// # Safety
/// `l` is live, with room for a few values.
pub unsafe fn load(l: *mut lua_State, text: &[u8], label: &str, mode: &std::ffi::CStr) -> bool {
    let name = CString::new(format!("@{}", label.replace('\0', "?"))).unwrap_or_default();
    ffi::luaL_loadbufferx(l, text.as_ptr().cast(), text.len(), name.as_ptr(), mode.as_ptr()) == ffi::LUA_OK
}

unsafe fn compile(l: *mut lua_State, source: &Source, label: &str, sha256: String) -> Result<Chunk, String> {
    if !load(l, source.bytes(), label, c"t") {
        let message = values::text(l, -1).unwrap_or_default();
        ffi::lua_pop(l, 1);
        return Err(explain(source, label, message));
    }
    let (mut outline_of, mut frame) = (Arc::default(), Frame::Bare);
    if !label.starts_with(BUILTIN) {
        outline_of = source.outline().clone();
        // Where the probe does not fit (a label at the very end) the file runs without it.
        let probes = [Frame::Probed, Frame::ProbedInside].into_iter();
        let mut probes = probes.map(|frame| (frame, with_probe(source.bytes(), &outline_of, frame)));
        frame = probes
            .find(|(_, text)| replace_top(l, load(l, text, label, c"t")))
            .map_or(Frame::Bare, |(frame, _)| frame);
    }
    let bytecode = dump(l);
    Ok(Chunk {
        label: label.to_owned(),
        text: source.bytes().into(),
        sha256,
        outline: outline_of,
        frame,
        libraries: if label.starts_with(BUILTIN) {
            Libraries::named_in(source.bytes())
        } else {
            Libraries::of(source.bytes())
        },
        bytecode,
        code: OnceLock::new(),
    })
}

/// Of the two values on top, lets the upper one take the place of the other if it is what was wanted, and drops it otherwise.
unsafe fn replace_top(l: *mut lua_State, wanted: bool) -> bool {
    ffi::lua_remove(l, if wanted { -2 } else { -1 });
    wanted
}

unsafe fn compile_bound(
    l: *mut lua_State,
    source: &Source,
    label: &str,
    declarations: &[String],
    text: Vec<u8>,
) -> Result<Chunk, String> {
    let message = |l| {
        let message = values::text(l, -1).unwrap_or_default();
        ffi::lua_pop(l, 1);
        explain(source, label, full_label(&message, label))
    };
    if let Some(line) = too_much(source.bytes()) {
        return Err(format!(
            "{label}:{line}: an expression is too long, or nested too deep, for a patch; split it up"
        ));
    }
    // The text alone first, so that a stray `end` is refused in the compiler's own words. (With very many names it has no room for them.)
    if let [all] = declarations {
        if !load(l, &[all.as_bytes(), source.bytes()].concat(), label, c"t") {
            return Err(message(l));
        }
        ffi::lua_pop(l, 1);
    }
    if !load(l, &text, label, c"t") {
        return Err(message(l));
    }
    let chunk = Chunk {
        label: label.to_owned(),
        text: source.bytes().into(),
        sha256: String::new(),
        outline: source.outline().clone(),
        frame: Frame::Bound(declarations.len()),
        libraries: Libraries::of(source.bytes()),
        bytecode: dump(l),
        code: OnceLock::new(),
    };
    let code = chunk.code(l)?;
    if code.functions[..declarations.len()]
        .iter()
        .any(|function| function.children.len() != 1)
    {
        return Err(format!("{label}: it has an `end` too many"));
    }
    Ok(chunk)
}

/// The bytecode of the function on top of the stack (popped), with names and lines: patches need them.
unsafe fn dump(l: *mut lua_State) -> Vec<u8> {
    let mut bytecode: Vec<u8> = Vec::new();
    ffi::lua_dump(l, append, (&raw mut bytecode).cast(), 0);
    ffi::lua_pop(l, 1);
    bytecode
}

unsafe extern "C-unwind" fn append(_l: *mut lua_State, part: *const c_void, length: usize, to: *mut c_void) -> c_int {
    // The dump ends with an empty part without address.
    if length == 0 {
        return 0;
    }
    // SAFETY: `to` is the vector that `dump` passes, and `part` is `length` bytes of Lua's.
    let to = &mut *to.cast::<Vec<u8>>();
    to.extend_from_slice(std::slice::from_raw_parts(part.cast::<u8>(), length));
    0
}

fn with_probe(text: &[u8], outline: &Outline, frame: Frame) -> Vec<u8> {
    let mut probed = format!("local __keep=_ENV[{KEEPER:?}];_ENV[{KEEPER:?}]=nil;").into_bytes();
    if frame == Frame::ProbedInside {
        probed.extend_from_slice(b"return(function(...)");
    }
    probed.extend_from_slice(&text[..outline.tail]);
    if !outline.returns {
        // The text may end in a comment.
        probed.push(b'\n');
    }
    let names: Vec<&str> = outline.locals.iter().map(|local| local.name.as_str()).collect();
    for group in names.chunks(PROBE_WIDTH) {
        probed.extend_from_slice(format!("__keep(function()return {} end)", group.join(",")).as_bytes());
    }
    probed.push(b' ');
    probed.extend_from_slice(&text[outline.tail..]);
    if frame == Frame::ProbedInside {
        probed.extend_from_slice(b"\nend)(...)");
    }
    probed
}

#[cfg(test)]
mod tests {
    use super::{Frame, with_probe};
    use crate::patch::syntax::outline;

    fn probed(text: &str, frame: Frame) -> String {
        String::from_utf8(with_probe(text.as_bytes(), &outline(text.as_bytes()), frame)).unwrap()
    }

    #[test]
    fn the_probe_moves_no_line() {
        let head = "local __keep=_ENV[\"__hotlua_keep\"];_ENV[\"__hotlua_keep\"]=nil;";
        let text = "local a = 1\nlocal b\nreturn a -- x";
        let probe = "local a = 1\nlocal b\n__keep(function()return a,b end) return a -- x";
        assert_eq!(probed(text, Frame::Probed), format!("{head}{probe}"));
        assert_eq!(
            probed(text, Frame::ProbedInside),
            format!("{head}return(function(...){probe}\nend)(...)")
        );
        assert_eq!(
            probed("local a -- x", Frame::Probed),
            format!("{head}local a -- x\n__keep(function()return a end) ")
        );
        assert_eq!(probed("return 1", Frame::Probed), format!("{head} return 1"));
    }
}
