//! What each name means at the place that a walk through a file has reached.

use rustc_hash::FxHashMap;

use crate::patch::syntax::literal::Constant;

/// The names that the blocks around a place declare.
#[derive(Default)]
pub struct Names {
    /// What each means, the innermost last.
    meanings: FxHashMap<String, Vec<Meaning>>,
    /// All in order of declaration.
    order: Vec<String>,
    /// How many there were when each block began.
    blocks: Vec<usize>,
}

/// What a name means.
pub enum Meaning {
    /// A declaration, by body and number, and its value if it is a compile-time constant.
    Local(usize, usize, Option<Constant>),
    /// A global that is declared.
    Global,
}

impl Names {
    /// A block begins.
    pub fn open(&mut self) {
        self.blocks.push(self.order.len());
    }

    /// It ends, and what it declares.
    pub fn close(&mut self) {
        let before = self.blocks.pop().unwrap_or_default();
        for name in self.order.drain(before..) {
            self.meanings.get_mut(&name).and_then(Vec::pop);
        }
    }

    /// How many blocks are open in the file's own.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Declares a name.
    pub fn mean(&mut self, name: String, meaning: Meaning) {
        self.meanings.entry(name.clone()).or_default().push(meaning);
        self.order.push(name);
    }

    /// What a name means; `None` if it is free.
    pub fn meaning(&self, name: &str) -> Option<&Meaning> {
        self.meanings.get(name)?.last()
    }
}
