//! Which closures come from the same run of a function, as far as the cells that they share tell.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::c_int;

use crate::patch::bytecode::Declaration;

/// Which closures share a new local of a function that has run already.
#[derive(Clone, Copy)]
pub enum Sharing {
    /// Those that are linked.
    Own,
    /// All: this one stands for them.
    One(usize),
    /// That cannot be told.
    Doubtful,
}

/// What one activation has only one of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// A variable.
    Variable(Declaration),
    /// A closure of a function.
    Function(usize),
}

/// Closures by the activation of one function that they come from, as far as cells that they share tell.
pub struct Activations {
    /// Closure → another of its activation, in the end the one that stands for all of them.
    parent: Vec<usize>,
    /// Cell → the first closure that was found to have it.
    cells: HashMap<usize, usize>,
    /// Variable → its cells: a closure that has it, the upvalue, the cell.
    pub holders: HashMap<Declaration, Vec<(usize, c_int, usize)>>,
    /// Closure → its function.
    pub functions: HashMap<usize, usize>,
    /// Closures and what they have of which there is one per activation.
    pub had: Vec<(usize, Mark)>,
    /// The same by the closures that stand for activations.
    marks: HashMap<usize, HashSet<Mark>>,
}

impl Activations {
    /// For so many closures, of which nothing is known.
    pub fn new(closures: usize) -> Activations {
        Activations {
            parent: (0..closures).collect(),
            cells: HashMap::new(),
            holders: HashMap::new(),
            functions: HashMap::new(),
            had: Vec::new(),
            marks: HashMap::new(),
        }
    }

    /// Notes a variable that a closure has.
    pub fn note(&mut self, closure: usize, variable: Declaration, cell: usize, upvalue: c_int) {
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

    /// The closure that stands for all of a closure's activation.
    pub fn root(&self, mut closure: usize) -> usize {
        while self.parent[closure] != closure {
            closure = self.parent[closure];
        }
        closure
    }

    /// Notes of what each activation has one, when all links are known.
    pub fn mark(&mut self) {
        for (closure, mark) in std::mem::take(&mut self.had) {
            let root = self.root(closure);
            self.marks.entry(root).or_default().insert(mark);
        }
    }

    /// Whether two that are not linked are surely of different activations: each has its own of what an activation has one.
    fn apart(&self, one: usize, other: usize) -> bool {
        let marks = self.marks.get(&one).zip(self.marks.get(&other));
        marks.is_some_and(|(one, other)| !one.is_disjoint(other))
    }

    /// Which of some closures share a variable that none of them has yet.
    pub fn sharing(&self, users: Vec<usize>) -> Sharing {
        let roots: Vec<usize> = users
            .iter()
            .map(|user| self.root(*user))
            .collect::<BTreeSet<usize>>()
            .into_iter()
            .collect();
        let mut common = roots
            .first()
            .and_then(|root| self.marks.get(root))
            .cloned()
            .unwrap_or_default();
        common.retain(|mark| {
            roots
                .iter()
                .all(|root| self.marks.get(root).is_some_and(|marks| marks.contains(mark)))
        });
        if roots.len() <= 1 || !common.is_empty() {
            return Sharing::Own;
        }
        let rivals = |one: &usize| {
            roots
                .iter()
                .filter(|other| *other > one && !self.apart(*one, **other))
                .count()
        };
        let (pairs, doubts) = (
            roots.len() * (roots.len() - 1) / 2,
            roots.iter().map(rivals).sum::<usize>(),
        );
        let mut functions = HashSet::new();
        let one_of_each = users.iter().all(|user| functions.insert(self.functions.get(user)));
        match doubts {
            0 => Sharing::Own,
            // Without a link there is no doubt only where there is one of each.
            _ if doubts == pairs && one_of_each => Sharing::One(roots[0]),
            _ => Sharing::Doubtful,
        }
    }

    /// The closure, and its upvalue, that has a closure's variable.
    pub fn find(&self, closure: usize, variable: Declaration) -> Option<(usize, c_int)> {
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
            [(holder, upvalue, _)] if alone && !self.apart(own, self.root(holder)) => Some((holder, upvalue)),
            _ => None,
        }
    }
}
