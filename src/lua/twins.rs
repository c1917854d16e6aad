//! Functions of several texts that are the same code.

use std::collections::HashMap;
use std::hash::Hash;

/// Functions in classes: those of one class do the same, with variables that are found alike.
pub struct Twins<Function> {
    class: HashMap<Function, usize>,
    members: Vec<Vec<Function>>,
}

impl<Function> Default for Twins<Function> {
    fn default() -> Self {
        Self {
            class: HashMap::new(),
            members: Vec::new(),
        }
    }
}

impl<Function: Copy + Eq + Hash> Twins<Function> {
    /// Notes that two are the same.
    pub fn join(&mut self, one: Function, other: Function) {
        let (one, other) = (self.class_of(one), self.class_of(other));
        if one == other {
            return;
        }
        let (into, from) = if self.members[one].len() < self.members[other].len() {
            (other, one)
        } else {
            (one, other)
        };
        let moved = std::mem::take(&mut self.members[from]);
        for function in &moved {
            self.class.insert(*function, into);
        }
        self.members[into].extend(moved);
    }

    /// Those that are the same as one, with that one; `None` if none was ever noted.
    pub fn of(&self, function: Function) -> Option<&[Function]> {
        self.class.get(&function).map(|class| &self.members[*class][..])
    }

    fn class_of(&mut self, function: Function) -> usize {
        *self.class.entry(function).or_insert_with(|| {
            self.members.push(vec![function]);
            self.members.len() - 1
        })
    }
}
