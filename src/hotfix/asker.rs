//! Who asks the post room for something, and where it is told how far that is.

use tokio::sync::mpsc::UnboundedSender;

/// See the module.
#[derive(Clone, Debug)]
pub struct Asker {
    /// As log and archive name it.
    pub name: String,
    /// Takes word of how far long work is, if anybody wants it.
    pub progress: Option<UnboundedSender<Advance>>,
}

/// How far long work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// What it is about: `simpledb/x.lua`.
    pub what: String,
    /// How many instances have answered.
    pub done: usize,
    /// How many there are.
    pub all: usize,
}

impl Asker {
    /// One that waits for the end alone.
    pub fn patient(name: impl Into<String>) -> Asker {
        Asker {
            name: name.into(),
            progress: None,
        }
    }

    /// Tells how far it is.
    pub(super) fn tell(&self, advance: Advance) {
        if let Some(progress) = &self.progress {
            // Whoever has hung up misses it.
            let _ = progress.send(advance);
        }
    }
}
