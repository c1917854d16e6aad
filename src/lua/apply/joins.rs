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
use crate::patch::compare::Join;

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
        for closure in 0..self.exchange.survey.closures.len() {
            let found = self.exchange.survey.closures[closure];
            if let Some(direct) = self.exchange.direct.get(&found.address) {
                self.exchange.made[closure] = direct.new;
            } else if let Some(swap) = found
                .proto
                .and_then(|proto| self.exchange.by_proto.get(&proto).copied())
            {
                self.exchange.made[closure] = self.make(l, closure, swap)?;
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
        let old_function = self.old_function(swap, variable.function);
        let activation = match old_function {
            Some(function) => self.activations_of(l, swap, function)?.root(closure),
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

    /// The old function that a new one (both by their numbers in the codes) takes the place of.
    fn old_function(&self, swap: &Swap, new: usize) -> Option<usize> {
        let same = |other: &&Swap| {
            other.new.file == swap.new.file && other.version == swap.version && other.new.function == new
        };
        self.exchange.swaps.iter().find(same).map(|swap| swap.old.function)
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
        for closure in 0..self.exchange.survey.closures.len() {
            ffi::lua_rawgeti(l, self.tables.found, self.exchange.survey.closures[closure].place);
            let origin = self.context.files.borrow_mut().origin(l, -1);
            if let Some(number) = origin.and_then(|origin| self.number_in(swap, origin)) {
                found.functions.insert(closure, number);
                for (upvalue, binding) in (1..).zip(side.code.bindings(number)) {
                    if let Some(Binding::Local(variable)) = binding
                        && inside.contains(&variable.function)
                    {
                        let cell = ffi::lua_upvalueid(l, -1, upvalue) as usize;
                        found.note(closure, variable, cell, upvalue);
                    }
                }
            }
            ffi::lua_pop(l, 1);
        }
        Ok(found)
    }

    /// The number that a function of this origin has in the code of a swap's old text, or would have, being the same there.
    fn number_in(&self, swap: &Swap, origin: Origin) -> Option<usize> {
        let files = self.context.files.borrow();
        let logical = files.stands_for(origin);
        let function = if origin.file == swap.version {
            origin.function
        } else if logical.file == swap.version && files.activation(origin.file).is_some() {
            logical.function
        } else {
            files.twin_in(swap.version, origin)?.function
        };
        function.map(|function| swap.old.chunk.frame.text_base() + 1 + function)
    }
}

/// Closures by the activation of one function that they come from, as far as cells that they share tell.
struct Activations {
    /// Closure → another of its activation, in the end the one that stands for all of them.
    parent: Vec<usize>,
    /// Cell → the first closure that was found to have it.
    cells: HashMap<usize, usize>,
    /// Variable → its cells: a closure that has it, the upvalue, the cell.
    holders: HashMap<Declaration, Vec<(usize, c_int, usize)>>,
    /// Closure → its function.
    functions: HashMap<usize, usize>,
}

impl Activations {
    fn new(closures: usize) -> Activations {
        Activations {
            parent: (0..closures).collect(),
            cells: HashMap::new(),
            holders: HashMap::new(),
            functions: HashMap::new(),
        }
    }

    fn note(&mut self, closure: usize, variable: Declaration, cell: usize, upvalue: c_int) {
        match self.cells.get(&cell) {
            Some(&other) => {
                let (one, two) = (self.root(closure), self.root(other));
                self.parent[one] = two;
            }
            None => {
                self.cells.insert(cell, closure);
                self.holders.entry(variable).or_default().push((closure, upvalue, cell));
            }
        }
    }

    fn root(&self, mut closure: usize) -> usize {
        while self.parent[closure] != closure {
            closure = self.parent[closure];
        }
        closure
    }

    /// The closure, and its upvalue, that has a closure's variable.
    fn find(&self, closure: usize, variable: Declaration) -> Option<(usize, c_int)> {
        let holders = self.holders.get(&variable)?;
        let own = self.root(closure);
        let mut linked = holders.iter().filter(|(holder, ..)| self.root(*holder) == own);
        if let (Some((holder, upvalue, _)), None) = (linked.next(), linked.next()) {
            return Some((*holder, *upvalue));
        }
        // Without a link there is no doubt only where there is one of each.
        let function = self.functions.get(&closure);
        let alone = self
            .functions
            .iter()
            .filter(|(_, other)| Some(*other) == function)
            .count()
            <= 1;
        match holders[..] {
            [(holder, upvalue, _)] if alone => Some((holder, upvalue)),
            _ => None,
        }
    }
}
