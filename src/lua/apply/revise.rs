//! A new version of a whole file, in one VM: compared with the version that runs here, its new variables made, what is run once bound.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod hidden;
pub mod literals;

use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use super::bind::{self, Name, Unbound};
use super::slots::Scope;
use super::{FUNCTIONS, Program, RETURNED, SLOTS, Step, Work, get};
use crate::lua::changes::push_marked;
use crate::lua::chunks::Chunk;
use crate::lua::context::Context;
use crate::lua::files::{Kind, Origin};
use crate::lua::functions::lua_functions;
use crate::lua::guard;
use crate::lua::heap::record;
use crate::lua::values;
use crate::lua::variables::{self, Cell};
use crate::patch::order::PatchText;
use crate::patch::revision::Revision;
use crate::patch::source::Source;
use crate::patch::syntax::{Kind as Statement, Value, WholeFile};

/// One loaded file that gets a new version.
pub struct Revising {
    /// Number of the file as it was loaded.
    pub activation: usize,
    /// Number of the version that runs.
    pub old_version: usize,
    /// Number of the new one.
    pub revision: usize,
    /// The text that runs.
    pub old: Arc<Chunk>,
    /// The new text.
    pub new: Arc<Chunk>,
    /// What differs.
    pub plan: Arc<Revision>,
    /// Functions that are the same in both: what they really come from, what they stood for, what they stand for from now on.
    pub unchanged: Vec<(Origin, Origin, Origin)>,
    /// Functions that were in the place of replaced ones before, and what takes their place now, if one of them is alive.
    pub earlier: Vec<(Origin, Origin)>,
    /// Patches whose functions the new version replaces.
    pub superseded: Vec<u64>,
}

impl Revising {
    /// Whether a function of the new code is one that the text hands to the module `hotfix`.
    pub fn is_hook(&self, function: usize) -> bool {
        let number = function.checked_sub(self.new.frame.text_base() + 1);
        number.is_some_and(|number| self.plan.program.functions.contains(&number))
    }

    /// Notes that a function that another patch has put there goes.
    pub fn supersede(&mut self, context: &Context, was: Origin) {
        if let Some(Kind::Patch { patch }) = context.files.borrow().get(was.file).map(|file| &file.kind)
            && !self.superseded.contains(patch)
        {
            self.superseded.push(*patch);
        }
    }
}

/// Compiles a new version and compares it with each copy of the file that is loaded here.
///
/// # Errors
/// The compiler's message, or that there is no such file here (a saved source file that is not loaded here is passed over).
///
/// # Safety
/// `l` is the main thread inside a protected call.
pub unsafe fn prepare(l: *mut lua_State, work: &mut Work<'_>, text: &PatchText, whole: &WholeFile) -> Step {
    let context = work.context;
    let loaded: Vec<usize> = match whole {
        WholeFile::Script => context.script.get().into_iter().collect(),
        WholeFile::Loaded(label) => context.files.borrow().scripts(|file| file.chunk.label == *label),
        WholeFile::Module(name) => {
            let is_it = |kind: &Kind| matches!(kind, Kind::Script { module: Some(module) } if module == name);
            context.files.borrow().scripts(|file| is_it(&file.kind))
        }
    };
    if loaded.is_empty() {
        return Err(match whole {
            WholeFile::Script => "the service has no script that could be replaced".to_owned(),
            WholeFile::Module(name) => format!("the module {name} is not loaded here"),
            WholeFile::Loaded(_) => return Ok(()),
        });
    }
    let new = context.host.chunks.source(l, &text.source, &text.label)?;
    guard::open(l, new.libraries);
    for activation in loaded {
        let revising = compare(l, work, activation, new.clone())?;
        bind_program(l, work, &revising)?;
        work.revisions.push(revising);
    }
    Ok(())
}

unsafe fn compare(
    l: *mut lua_State,
    work: &mut Work<'_>,
    activation: usize,
    new: Arc<Chunk>,
) -> Result<Revising, String> {
    let context = work.context;
    let old_version = context.files.borrow().current(activation);
    let Some(old) = context.files.borrow().get(old_version).map(|file| file.chunk.clone()) else {
        return Err("the file that runs is not known".into());
    };
    let plan = context.host.plans.between(l, &old, &new)?;
    let revision = context
        .files
        .borrow_mut()
        .add_revision(new.clone(), activation, work.patch.id);
    let had = bind::variables_of(l, context, old_version)?;
    let earlier: Vec<(Arc<Chunk>, usize)> = {
        let files = context.files.borrow();
        files
            .versions(activation)
            .skip(1)
            .filter_map(|v| Some((files.get(v)?.chunk.clone(), v)))
            .collect()
    };
    let mut dropped = Vec::new();
    for (_, name) in &plan.added {
        if let Some(cell) = find_dropped(l, context, &earlier, name)? {
            dropped.push((name.clone(), cell));
        }
    }
    let find = |name: &str| {
        dropped
            .iter()
            .find(|(dropped, _)| dropped == name)
            .map(|(_, cell)| *cell)
    };
    let mut variables = variables::revised(l, activation, &plan, &had, find);
    hidden::find_needed(l, context, &plan, (activation, old_version, &old), &mut variables)?;
    context
        .applied
        .variables
        .borrow_mut()
        .insert(revision, Arc::new(variables));
    for (name, cell) in dropped {
        if !is_function(&new, &name) {
            work.report
                .notes
                .push(format!("local `{name}` is back, with the value that it had"));
            work.returned.push((activation, cell));
        }
    }
    Ok(Revising {
        activation,
        old_version,
        revision,
        old,
        new,
        plan,
        unchanged: Vec::new(),
        earlier: Vec::new(),
        superseded: Vec::new(),
    })
}

/// Whether the file's variable of this name is a function from its beginning.
fn is_function(chunk: &Chunk, name: &str) -> bool {
    let body = &chunk.outline.bodies[0];
    let declared = body.declarations.iter().rfind(|declared| declared.name == name);
    declared.is_some_and(|declared| {
        let statement = declared.statement.map(|number| &body.statements[number].kind);
        let value = declared.initial.as_ref().map(|initial| &initial.value);
        matches!(statement, Some(Statement::LocalFunction { .. })) || matches!(value, Some(Value::Function(_)))
    })
}

/// Notes the values of variables that are back, or gives them those again: their initialisers have run meanwhile.
pub unsafe fn keep_returned(l: *mut lua_State, work: &mut Work<'_>, restore: bool) {
    get(l, RETURNED);
    let list = ffi::lua_gettop(l);
    for (place, (activation, cell)) in (1..).zip(work.returned.iter().copied()) {
        variables::push_keeper(l, activation, cell);
        if restore {
            record::push_noted(l, list, place);
            ffi::lua_setupvalue(l, -2, cell.upvalue);
        } else {
            ffi::lua_getupvalue(l, -1, cell.upvalue);
            push_marked(l);
            ffi::lua_rawseti(l, list, place);
        }
        ffi::lua_settop(l, list);
    }
    ffi::lua_settop(l, list - 1);
}

/// The cell of a variable of the file that only earlier versions had.
unsafe fn find_dropped(
    l: *mut lua_State,
    context: &Context,
    earlier: &[(Arc<Chunk>, usize)],
    name: &str,
) -> Result<Option<Cell>, String> {
    for (chunk, version) in earlier {
        let side = chunk.side(l)?;
        let variables = bind::variables_of(l, context, *version)?;
        let found = side
            .variables(side.base)
            .filter(|variable| side.name(*variable) == name);
        if let Some(cell) = found.filter_map(|variable| variables.get(&variable.local)).last() {
            return Ok(Some(*cell));
        }
    }
    Ok(None)
}

/// Compiles and binds what is run once.
unsafe fn bind_program(l: *mut lua_State, work: &mut Work<'_>, revising: &Revising) -> Step {
    let context = work.context;
    let plan = &revising.plan.program;
    if plan.text.is_empty() {
        return Ok(());
    }
    let text = Source::new(&plan.text)?;
    let variables = bind::variables_of(l, context, revising.revision)?;
    let mut names = bind::names(l, &revising.new, &variables, text.bytes())?;
    for name in &mut names {
        name.fixed &= !revising.plan.added.iter().any(|(_, added)| *added == name.name);
    }
    let unbound = Unbound {
        source: &text,
        label: &revising.new.label,
        activation: Some(revising.activation),
        names: &names,
        kind: Kind::Program {
            revision: revising.revision,
            functions: plan.functions.clone(),
        },
    };
    let file = bind::compile(l, context, unbound)?;
    add_program(l, work, file, Some(revising.activation), names);
    Ok(())
}

/// Takes the function on top of the stack as something to run.
pub unsafe fn add_program(
    l: *mut lua_State,
    work: &mut Work<'_>,
    file: usize,
    activation: Option<usize>,
    names: Vec<Name>,
) {
    get(l, FUNCTIONS);
    ffi::lua_insert(l, -2);
    ffi::lua_rawseti(l, -2, work.programs.len() as i64 + 1);
    ffi::lua_pop(l, 1);
    let chunk = work.context.files.borrow().get(file).map(|file| file.chunk.clone());
    if let Some(chunk) = &chunk {
        get(l, SLOTS);
        let list = ffi::lua_gettop(l);
        work.slots.find(
            l,
            list,
            &Scope {
                chunk,
                names: &names,
                activation,
            },
        );
        ffi::lua_settop(l, list - 1);
    }
    work.programs.push(Program {
        file,
        activation,
        names,
    });
}

lua_functions! {
    /// `absent(place, table, key, …)`: whether the last key may be added to the table that the others lead to: it is a table, has no such
    /// key, and nothing of the program's runs when it is set.
    pub fn absent(l, context) {
        let count = ffi::lua_gettop(l);
        ffi::lua_pushvalue(l, 2);
        for key in 3..=count {
            if ffi::lua_type(l, -1) != ffi::LUA_TTABLE {
                break;
            }
            if key == count && ffi::luaL_getmetafield(l, -1, c"__newindex".as_ptr()) != ffi::LUA_TNIL {
                ffi::lua_pushboolean(l, 0);
                break;
            }
            ffi::lua_pushvalue(l, key);
            ffi::lua_rawget(l, -2);
        }
        let absent = ffi::lua_type(l, -1) == ffi::LUA_TNIL;
        if !absent && let Some(trial) = context.trial.borrow_mut().as_mut() {
            trial.occupied.push(values::describe(l, 1));
        }
        ffi::lua_pushboolean(l, absent.into());
        1
    }
}

/// What is told of a plan whatever happens, and of functions that are gone from the new text.
pub fn remarks(work: &mut Work<'_>) {
    for number in 0..work.revisions.len() {
        let revising = &work.revisions[number];
        let (plan, superseded) = (revising.plan.clone(), revising.superseded.clone());
        work.report.notes.extend(plan.notes.iter().cloned());
        work.report.restarts.extend(plan.restarts.iter().cloned());
        for patch in superseded {
            let live = work.context.applied.live.borrow();
            let name = live
                .iter()
                .find(|other| other.id == patch)
                .map_or("?", |other| other.name.as_str());
            work.report
                .notes
                .push(format!("it supersedes functions of patch {patch} ({name})"));
        }
        for (_, name) in &plan.dropped {
            work.report.notes.push(format!(
                "local `{name}` is gone from the new text; its value is kept in case it comes back"
            ));
        }
    }
}
