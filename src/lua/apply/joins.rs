//! New closures in the place of old ones: made of the new text's code, each joined to the variables that the old one had, or that it finds
//! elsewhere in the same activation.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::collections::{HashMap, HashSet};
use std::ffi::c_int;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use super::activations::{Activations, Mark, Sharing};
use super::bind;
use super::exchange::{Exchange, Tables};
use super::slots;
use crate::lua::applied::{Code, Swap};
use crate::lua::chunks;
use crate::lua::context::Context;
use crate::lua::files::Origin;
use crate::lua::values::{self, Slot};
use crate::lua::variables::{self, Variables};
use crate::patch::bytecode::{Binding, Declaration};
use crate::patch::compare::{Join, Side};

/// Makes the new closures of one exchange.
pub struct Maker<'a> {
    context: &'a Context,
    exchange: &'a mut Exchange,
    tables: Tables,
    /// Place of the maker of each swap's closures.
    makers: HashMap<usize, i64>,
    /// Place of a closure that has the cell of a new local, per activation.
    fresh: HashMap<(usize, Declaration), i64>,
    variables: HashMap<usize, Arc<Variables>>,
    activations: HashMap<(usize, usize), Activations>,
    /// Which closures share a new local, per version of the text.
    shared: HashMap<(usize, Declaration), Sharing>,
}

impl<'a> Maker<'a> {
    /// For one exchange whose survey is done.
    pub fn new(context: &'a Context, exchange: &'a mut Exchange, tables: Tables) -> Maker<'a> {
        Maker {
            context,
            exchange,
            tables,
            makers: HashMap::new(),
            fresh: HashMap::new(),
            variables: HashMap::new(),
            activations: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    /// Makes every new closure.
    ///
    /// # Errors
    /// Which variable cannot be found, as a sentence that names the function.
    ///
    /// # Safety
    /// `l` is the main thread inside a protected call; the collector is stopped.
    pub unsafe fn make_all(&mut self, l: *mut lua_State) -> Result<(), String> {
        let top = ffi::lua_gettop(l);
        self.exchange.made = vec![0; self.exchange.survey.closures.len()];
        let swaps = self.exchange.swaps.iter();
        let ambiguous: Vec<bool> = swaps.map(|swap| self.exchange.is_ambiguous(swap)).collect();
        for closure in 0..self.exchange.survey.closures.len() {
            let found = self.exchange.survey.closures[closure];
            if let Some(direct) = self.exchange.direct.get(&found.address) {
                self.exchange.made[closure] = direct.new;
            } else if let Some(swap) = found
                .proto
                .and_then(|proto| self.exchange.by_proto.get(&proto).copied())
            {
                if ambiguous[swap] {
                    self.exchange.left.insert(self.exchange.swaps[swap].group);
                } else {
                    self.exchange.made[closure] = self.make(l, closure, swap)?;
                }
            }
            ffi::lua_settop(l, top);
        }
        Ok(())
    }

    unsafe fn make(&mut self, l: *mut lua_State, closure: usize, number: usize) -> Result<i64, String> {
        let swap = self.exchange.swaps[number].clone();
        self.push_new(l, number, &swap)?;
        let new = ffi::lua_gettop(l);
        ffi::lua_rawgeti(l, self.tables.found, self.exchange.survey.closures[closure].place);
        let old = new + 1;
        for (upvalue, join) in swap.joins.iter().enumerate() {
            let upvalue = upvalue as c_int + 1;
            self.join(l, closure, &swap, (old, new, upvalue), join)
                .map_err(|why| format!("`{}` cannot be exchanged: {why}", self.exchange.groups[swap.group].name))?;
            ffi::lua_settop(l, old);
        }
        ffi::lua_settop(l, new);
        Ok(self.keep(l))
    }

    /// Takes the value on top; its place in the list of what was made.
    unsafe fn keep(&mut self, l: *mut lua_State) -> i64 {
        self.exchange.length += 1;
        ffi::lua_rawseti(l, self.tables.made, self.exchange.length);
        self.exchange.length
    }

    /// Pushes a new closure whose upvalues mean nothing yet.
    unsafe fn push_new(&mut self, l: *mut lua_State, number: usize, swap: &Swap) -> Result<(), String> {
        if let Some(&maker) = self.makers.get(&number) {
            ffi::lua_rawgeti(l, self.tables.made, maker);
            ffi::lua_call(l, 0, 1);
            return Ok(());
        }
        let Code { file, chunk, function } = &swap.new;
        let side = chunk.side(l)?;
        if !chunks::load(l, &side.code.maker(*function), &chunk.label, c"b") {
            return Err(values::text(l, -1).unwrap_or_default());
        }
        ffi::lua_call(l, 0, 1);
        ffi::lua_pushvalue(l, -1);
        let maker = self.keep(l);
        self.makers.insert(number, maker);
        ffi::lua_call(l, 0, 1);
        self.context
            .files
            .borrow_mut()
            .register(l, -1, *file, side.code, side.base, *function);
        Ok(())
    }

    /// Lets upvalue `upvalue` of the new closure be the variable that the join means. `at` is old closure, new closure, upvalue.
    unsafe fn join(
        &mut self,
        l: *mut lua_State,
        closure: usize,
        swap: &Swap,
        at: (c_int, c_int, c_int),
        join: &Join,
    ) -> Result<(), String> {
        let (old, new, upvalue) = at;
        match join {
            Join::Own(own) => ffi::lua_upvaluejoin(l, new, upvalue, old, *own as c_int + 1),
            Join::Outer(outer) => {
                self.push_outer(l, swap)?;
                ffi::lua_upvaluejoin(l, new, upvalue, -1, *outer as c_int + 1);
            }
            Join::Variable(local, before) => {
                if !self.join_variable(l, swap, (new, upvalue), *local)? {
                    let Some(before) = before else {
                        return Err("its variable does not exist".into());
                    };
                    self.join_elsewhere(l, closure, swap, (new, upvalue), *before)?;
                }
            }
            Join::Elsewhere(before) => self.join_elsewhere(l, closure, swap, (new, upvalue), *before)?,
            Join::Fresh(variable) => self.join_fresh(l, closure, swap, (new, upvalue), *variable)?,
            Join::Refused(why) => return Err(why.clone()),
        }
        Ok(())
    }

    /// Pushes the closure whose upvalues are what is around the compared function.
    unsafe fn push_outer(&mut self, l: *mut lua_State, swap: &Swap) -> Result<(), String> {
        if swap.outer != 0 {
            ffi::lua_rawgeti(l, self.tables.made, swap.outer);
            return Ok(());
        }
        let main = swap
            .activation
            .and_then(|activation| self.context.files.borrow().main(activation));
        let Some(main) = main else {
            return Err("what is around it is not known".into());
        };
        values::slot(l, Slot::Mains);
        ffi::lua_rawgeti(l, -1, main);
        Ok(())
    }

    unsafe fn join_variable(
        &mut self,
        l: *mut lua_State,
        swap: &Swap,
        to: (c_int, c_int),
        local: usize,
    ) -> Result<bool, String> {
        let Some(activation) = swap.activation else {
            return Ok(false);
        };
        let version = swap.new.file;
        if !self.variables.contains_key(&version) {
            self.variables
                .insert(version, bind::variables_of(l, self.context, version)?);
        }
        let Some(cell) = self.variables[&version].get(&local).copied() else {
            return Ok(false);
        };
        variables::push_keeper(l, activation, cell);
        ffi::lua_upvaluejoin(l, to.0, to.1, -1, cell.upvalue);
        Ok(true)
    }

    /// A variable that some other function of the same activation has.
    unsafe fn join_elsewhere(
        &mut self,
        l: *mut lua_State,
        closure: usize,
        swap: &Swap,
        to: (c_int, c_int),
        variable: Declaration,
    ) -> Result<(), String> {
        let name = swap.old.chunk.side(l)?.name(variable);
        let activations = self.activations_of(l, swap, variable.function)?;
        let Some((holder, upvalue)) = activations.find(closure, variable) else {
            return Err(match activations.holders.contains_key(&variable) {
                true => format!(
                    "which of several variables `{name}` is its own cannot be told (nothing that is alive links it to one)"
                ),
                false => format!("nothing that is alive has its variable `{name}` any more"),
            });
        };
        ffi::lua_rawgeti(l, self.tables.found, self.exchange.survey.closures[holder].place);
        ffi::lua_upvaluejoin(l, to.0, to.1, -1, upvalue);
        Ok(())
    }

    /// A variable that is new in an activation: one cell for all its functions, with the literal that it begins with.
    unsafe fn join_fresh(
        &mut self,
        l: *mut lua_State,
        closure: usize,
        swap: &Swap,
        to: (c_int, c_int),
        variable: Declaration,
    ) -> Result<(), String> {
        let activation = match old_function(l, swap, variable.function)? {
            Some(function) => self.sharing(l, closure, swap, function, variable)?,
            None => closure,
        };
        let key = (activation, variable);
        if !self.fresh.contains_key(&key) {
            let side = swap.new.chunk.side(l)?;
            let initial = side.declared(variable).and_then(|declared| declared.initial.as_ref());
            let text = initial.map_or("nil", |initial| initial.text.as_str());
            variables::push_cell(l);
            if !slots::push_literal(l, text) {
                return Err(format!("the value of `{}` cannot be computed", side.name(variable)));
            }
            ffi::lua_setupvalue(l, -2, 1);
            let place = self.keep(l);
            self.fresh.insert(key, place);
        }
        ffi::lua_rawgeti(l, self.tables.made, self.fresh[&key]);
        ffi::lua_upvaluejoin(l, to.0, to.1, -1, 1);
        Ok(())
    }

    /// The closure that stands for all that have the same new variable of an activation of (the old) `function` as a closure has.
    unsafe fn sharing(
        &mut self,
        l: *mut lua_State,
        closure: usize,
        swap: &Swap,
        function: usize,
        variable: Declaration,
    ) -> Result<usize, String> {
        self.activations_of(l, swap, function)?;
        let version = swap.version;
        let key = (version, variable);
        if !self.shared.contains_key(&key) {
            let side = swap.new.chunk.side(l)?;
            let activations = &self.activations[&(swap.version, function)];
            // What nothing assigns is the same in whatever cell.
            let shared = if side.declared(variable).is_some_and(|declared| declared.assigned) {
                let is_user = |closure: &usize| {
                    let swap = self.exchange.swap_of(*closure);
                    swap.is_some_and(|user| user.version == version && user.joins.contains(&Join::Fresh(variable)))
                };
                activations.sharing((0..self.exchange.survey.closures.len()).filter(is_user).collect())
            } else {
                Sharing::Own
            };
            self.shared.insert(key, shared);
        }
        match self.shared[&key] {
            Sharing::Own => Ok(self.activations[&(swap.version, function)].root(closure)),
            Sharing::One(all) => Ok(all),
            Sharing::Doubtful => Err(format!(
                "`{}` is a new local, and which functions share it cannot be told (nothing that is alive links them)",
                swap.new.chunk.side(l)?.name(variable)
            )),
        }
    }

    /// Which closures of the survey come from which activation of function `function` of a swap's old text.
    unsafe fn activations_of(
        &mut self,
        l: *mut lua_State,
        swap: &Swap,
        function: usize,
    ) -> Result<&Activations, String> {
        let key = (swap.version, function);
        if !self.activations.contains_key(&key) {
            let found = self.link(l, swap, function)?;
            self.activations.insert(key, found);
        }
        Ok(&self.activations[&key])
    }

    unsafe fn link(&self, l: *mut lua_State, swap: &Swap, function: usize) -> Result<Activations, String> {
        let side = swap.old.chunk.side(l)?;
        let mut inside: HashSet<usize> = HashSet::from([function]);
        if function != side.base {
            for (number, proto) in side.code.functions.iter().enumerate() {
                if proto.parent.is_some_and(|parent| inside.contains(&parent)) {
                    inside.insert(number);
                }
            }
        }
        let mut found = Activations::new(self.exchange.survey.closures.len());
        let mut numbers = HashMap::new();
        for closure in 0..self.exchange.survey.closures.len() {
            ffi::lua_rawgeti(l, self.tables.found, self.exchange.survey.closures[closure].place);
            let origin = self.context.files.borrow_mut().origin(l, -1);
            let number =
                origin.and_then(|origin| *numbers.entry(origin).or_insert_with(|| self.number_in(swap, origin)));
            if let Some(number) = number {
                found.functions.insert(closure, number);
                for (upvalue, binding) in (1..).zip(side.code.bindings(number)) {
                    if let Some(Binding::Local(variable)) = binding
                        && inside.contains(&variable.function)
                    {
                        let cell = ffi::lua_upvalueid(l, -1, upvalue) as usize;
                        found.note(closure, variable, cell, upvalue);
                        let declared = side.declared(variable);
                        if variable.function == function && declared.is_some_and(|declared| declared.outermost) {
                            found.had.push((closure, Mark::Variable(variable)));
                        }
                    }
                }
                if is_made_once(side, number, function) {
                    found.had.push((closure, Mark::Function(number)));
                }
            }
            ffi::lua_pop(l, 1);
        }
        if function != side.base {
            found.mark();
        }
        Ok(found)
    }

    /// The number that a function of this origin has in the code of a swap's old text, or would have, being the same there.
    fn number_in(&self, swap: &Swap, origin: Origin) -> Option<usize> {
        let versions = self.context.files.borrow().alike(origin);
        let there = versions.into_iter().find(|origin| origin.file == swap.version);
        let number = there.and_then(|origin| origin.function);
        number.map(|function| swap.old.chunk.frame.text_base() + 1 + function)
    }
}

/// The old function in whose place a new one stands that is around a swap's new function (by their numbers in the codes): what is around
/// matched functions matches.
unsafe fn old_function(l: *mut lua_State, swap: &Swap, around: usize) -> Result<Option<usize>, String> {
    let (old, new) = (swap.old.chunk.side(l)?, swap.new.chunk.side(l)?);
    let (mut was, mut is) = (swap.old.function, swap.new.function);
    while is != around {
        let parents = (old.code.functions[was].parent, new.code.functions[is].parent);
        let (Some(before), Some(now)) = parents else {
            return Ok(None);
        };
        (was, is) = (before, now);
    }
    Ok(Some(was))
}

/// Whether one run of `around` makes one closure of a function at most.
fn is_made_once(side: Side<'_>, function: usize, around: usize) -> bool {
    let proto = &side.code.functions[function];
    let body = side.outline.bodies.get(around.wrapping_sub(side.base));
    let in_loop = |&(first, last): &(u32, u32)| first <= proto.line && proto.line <= last;
    proto.parent == Some(around) && body.is_some_and(|body| !body.loops.iter().any(in_loop))
}
