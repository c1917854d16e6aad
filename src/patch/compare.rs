//! Two versions of a function with everything nested in it: which function of the new text is which of the old, which of their
//! variables are the same, what changed, and where the variables of each new closure are found.
//!
//! Functions are matched by their keys, variables by name and by the functions that use them, never by line or number. What cannot be
//! matched without doubt is said to be doubtful; whether that matters depends on what is alive.

mod functions;
mod variables;

use std::collections::HashMap;

use crate::patch::bytecode::{Binding, Code, Declaration};
use crate::patch::syntax::{Outline, Value};

/// One version of a text: what the tree tells, and what the compiler made.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// What the syntax tree tells.
    pub outline: &'a Outline,
    /// What the compiler made of it.
    pub code: &'a Code,
    /// Number in `code` of the function whose body the text is: 0 for a file, more where the text was compiled inside of others.
    pub base: usize,
}

impl Side<'_> {
    /// The outline's number of a function of the code; `None` for the body of the text itself, and outside of it.
    pub fn function(&self, code: usize) -> Option<usize> {
        code.checked_sub(self.base + 1)
    }

    /// The path of a function, for people.
    pub fn path(&self, code: usize) -> &str {
        self.function(code)
            .and_then(|number| self.outline.functions.get(number))
            .map_or("main chunk", |function| function.path.as_str())
    }

    /// What the tree tells of a variable; `None` outside of the text.
    pub fn declared(&self, at: Declaration) -> Option<&crate::patch::syntax::Declaration> {
        let body = self.outline.bodies.get(at.function.checked_sub(self.base)?)?;
        let place = self.ordinal(at)?;
        body.declarations.iter().filter(|d| !d.folded).nth(place)
    }

    /// Whether the end of the text sees a variable of it: it is declared in no block, and no later one has its name.
    pub fn is_visible(&self, variable: Declaration) -> bool {
        let outermost = |other: &Declaration| self.declared(*other).is_some_and(|declared| declared.outermost);
        let mut later = self.variables(self.base).filter(|other| other.local > variable.local);
        let name = self.name(variable);
        variable.function == self.base
            && outermost(&variable)
            && !later.any(|other| outermost(&other) && self.name(other) == name)
    }

    /// The place of a variable among those that the author declared in its function.
    fn ordinal(&self, at: Declaration) -> Option<usize> {
        let locals = &self.code.functions.get(at.function)?.locals;
        is_named(&locals.get(at.local)?.name).then(|| locals[..at.local].iter().filter(|l| is_named(&l.name)).count())
    }

    /// A variable's name.
    pub fn name(&self, at: Declaration) -> String {
        let local = self
            .code
            .functions
            .get(at.function)
            .and_then(|f| f.locals.get(at.local));
        local.map_or_else(String::new, |local| String::from_utf8_lossy(&local.name).into_owned())
    }

    /// The variables that the author declared in one function, in order.
    pub fn variables(&self, function: usize) -> impl Iterator<Item = Declaration> + '_ {
        let locals = self.code.functions.get(function).map_or(&[][..], |f| &f.locals);
        locals
            .iter()
            .enumerate()
            .filter(|(_, local)| is_named(&local.name))
            .map(move |(local, _)| Declaration { function, local })
    }
}

/// The compiler's own variables are called `(for state)` and the like.
fn is_named(name: &[u8]) -> bool {
    !name.starts_with(b"(")
}

/// Where an upvalue of a new closure is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Join {
    /// It is upvalue `n` (from 0) of the closure that is replaced.
    Own(usize),
    /// It is upvalue `n` (from 0) of the function that is compared as a whole: its environment, or what is around it.
    Outer(usize),
    /// It is a variable of the file: the number of its declaration in the new main function. (One that is the old file's, too, may also
    /// be found as the old declaration.)
    Variable(usize, Option<Declaration>),
    /// It is a variable of the old text that the replaced closure does not have: some other function of the same activation has it.
    Elsewhere(Declaration),
    /// It is a new variable inside a function that has run already; its value is a literal.
    Fresh(Declaration),
    /// It cannot be found: why.
    Refused(String),
}

/// What became of a function that both versions have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its number in the old code.
    pub old: usize,
    /// Its number in the new code.
    pub new: usize,
    /// It does something else now: itself, a function nested in it, or through a variable that it is bound to.
    pub changed: bool,
    /// Its own statements are others, not only those of functions nested in it.
    pub own_changed: bool,
    /// For a changed one: where each upvalue of its new closures is found.
    pub joins: Vec<Join>,
}

/// The comparison of two functions.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Functions that both have, in the order of the old text; the compared ones themselves come first.
    pub pairs: Vec<Pair>,
    /// Functions (of the new code) that only the new one has; what is nested in them is not listed.
    pub added: Vec<usize>,
    /// Functions (of the old code) that only the old one has, likewise.
    pub removed: Vec<usize>,
    /// Functions (of the old code) that could be several of the new ones.
    pub doubtful: Vec<usize>,
    /// Variables that both have: new → old.
    pub variables: HashMap<Declaration, Declaration>,
}

/// How variables outside of the two compared functions are matched: by old and new declaration.
pub type SameOutside<'a> = &'a dyn Fn(Declaration, Declaration) -> bool;

/// Compares function `old_root` of the old code with `new_root` of the new one.
pub fn compare(old: Side<'_>, old_root: usize, new: Side<'_>, new_root: usize, outside: SameOutside<'_>) -> Comparison {
    let matched = functions::matched(old, old_root, new, new_root);
    let aligned = variables::aligned(old, new, &matched.pairs);
    let mut compared = Comparing {
        old,
        new,
        roots: (old_root, new_root),
        partner: matched.pairs.iter().copied().collect(),
        variables: &aligned,
        outside,
        same: HashMap::new(),
    };
    let pairs = matched.pairs.iter().map(|&(of, nf)| compared.pair(of, nf)).collect();
    Comparison {
        pairs,
        added: matched.added,
        removed: matched.removed,
        doubtful: matched.doubtful,
        variables: aligned.same,
    }
}

struct Comparing<'a> {
    old: Side<'a>,
    new: Side<'a>,
    roots: (usize, usize),
    /// Old function → new function.
    partner: HashMap<usize, usize>,
    variables: &'a variables::Aligned,
    outside: SameOutside<'a>,
    same: HashMap<usize, bool>,
}

impl Comparing<'_> {
    fn pair(&mut self, old: usize, new: usize) -> Pair {
        let changed = !self.is_same(old, new);
        Pair {
            old,
            new,
            changed,
            own_changed: changed && !self.is_same_itself(old, new),
            joins: if changed { self.joins(old, new) } else { Vec::new() },
        }
    }

    /// Whether a closure of the new function would do just what one of the old function does.
    fn is_same(&mut self, old: usize, new: usize) -> bool {
        if let Some(&known) = self.same.get(&old) {
            return known;
        }
        let (was, is) = (
            &self.old.code.functions[old].children,
            &self.new.code.functions[new].children,
        );
        let nested: Vec<(usize, usize)> = was.iter().copied().zip(is.iter().copied()).collect();
        let same = self.is_same_itself(old, new)
            && nested
                .into_iter()
                .all(|(a, b)| self.partner.get(&a) == Some(&b) && self.is_same(a, b));
        self.same.insert(old, same);
        same
    }

    fn is_same_itself(&self, old: usize, new: usize) -> bool {
        self.old.code.same_body(old, self.new.code, new) && self.is_bound_alike(old, new)
    }

    fn is_bound_alike(&self, old: usize, new: usize) -> bool {
        // The compared functions themselves: what they are bound to is the business of whoever compares them.
        if (old, new) == self.roots && old == self.old.base {
            return true;
        }
        let (was, is) = (self.old.code.bindings(old), self.new.code.bindings(new));
        was.len() == is.len() && was.iter().zip(&is).all(|(was, is)| self.is_same_variable(*was, *is))
    }

    fn is_same_variable(&self, was: Option<Binding>, is: Option<Binding>) -> bool {
        match (was, is) {
            (Some(Binding::Main(_)), Some(Binding::Main(_))) => true,
            (Some(Binding::Local(was)), Some(Binding::Local(is))) => {
                if self.is_inside(is.function) {
                    self.variables.same.get(&is) == Some(&was)
                } else {
                    (self.outside)(was, is)
                }
            }
            _ => false,
        }
    }

    /// Whether a function of the new code is the compared one or lies in it.
    fn is_inside(&self, function: usize) -> bool {
        let mut at = Some(function);
        while let Some(number) = at {
            if number == self.roots.1 {
                return true;
            }
            at = self.new.code.functions[number].parent;
        }
        false
    }

    fn joins(&self, old: usize, new: usize) -> Vec<Join> {
        let own = self.old.code.bindings(old);
        let bindings = self.new.code.bindings(new);
        bindings
            .into_iter()
            .enumerate()
            .map(|(upvalue, binding)| self.join(&own, new, upvalue, binding))
            .collect()
    }

    fn join(&self, own: &[Option<Binding>], new: usize, upvalue: usize, binding: Option<Binding>) -> Join {
        let variable = match binding {
            Some(Binding::Local(variable)) if self.is_inside(variable.function) => variable,
            Some(around) => {
                // Its own, which the program may have exchanged (an environment, say), before that of whoever is around.
                let place = own
                    .iter()
                    .position(|before| self.is_same_variable(*before, Some(around)));
                return place.map_or_else(|| self.outer(new, upvalue), Join::Own);
            }
            None => return Join::Refused("its variables cannot be told apart".into()),
        };
        let name = self.new.name(variable);
        if self.variables.doubtful.contains(&variable) {
            return Join::Refused(format!(
                "`{name}` is declared more than once, and which is which is not certain"
            ));
        }
        let before = self.variables.same.get(&variable).copied();
        let place = before.and_then(|before| own.iter().position(|b| *b == Some(Binding::Local(before))));
        if let Some(place) = place {
            return Join::Own(place);
        }
        let of_file = variable.function == self.new.base && self.roots == (self.old.base, self.new.base);
        match before {
            _ if of_file => Join::Variable(variable.local, before),
            Some(before) => Join::Elsewhere(before),
            None => self.fresh(variable, &name),
        }
    }

    /// A new variable inside of a function that has run already.
    fn fresh(&self, variable: Declaration, name: &str) -> Join {
        let initial = self
            .new
            .declared(variable)
            .and_then(|declared| declared.initial.as_ref());
        match initial.map(|initial| &initial.value) {
            Some(Value::Literal) => Join::Fresh(variable),
            _ => Join::Refused(format!(
                "`{name}` is a new local of `{}`, which has run already, and its value is not a literal",
                self.new.path(variable.function)
            )),
        }
    }

    /// The upvalue of the compared new function through which a nested one gets what is around both.
    fn outer(&self, mut function: usize, mut upvalue: usize) -> Join {
        while function != self.roots.1 {
            let found = &self.new.code.functions[function].upvalues[upvalue];
            let Some(parent) = self.new.code.functions[function].parent.filter(|_| !found.in_stack) else {
                return Join::Refused("what it is bound to lies outside of the patch".into());
            };
            (function, upvalue) = (parent, usize::from(found.index));
        }
        Join::Outer(upvalue)
    }
}
