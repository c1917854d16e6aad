//! What a survey finds, what a journal switches and takes back: in VMs of their own, with and without a look at tables in memory.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

mod deep;
mod holders;
mod memory;
mod record;
mod writes;

use crate::lua::heap::survey::{SiteSlot, Survey};
use crate::lua::probe::heap::{JOURNAL, LIST, NEW, OLD, Vm};
use crate::lua::switch::Lists;
use crate::lua::values::Slot;

impl Vm {
    /// Switches every site to `new`; how many there were, or `None` if it raised.
    fn switch(&mut self, survey: &Survey) -> Option<usize> {
        let mut switched = 0;
        let whole = self.protected(|l, vm| {
            for &site in &survey.sites {
                let lists = Lists {
                    survey: LIST,
                    journal: JOURNAL,
                };
                // SAFETY: this is the protected call, and nothing in its frames needs dropping.
                switched += usize::from(unsafe { vm.journal.switch(l, lists, survey, site, NEW) });
            }
        });
        whole.then_some(switched)
    }

    fn undo(&mut self) -> bool {
        self.protected(|l, vm| {
            // SAFETY: as above.
            unsafe { vm.journal.undo(l, JOURNAL) };
        })
    }
}

/// What holds a function, in short.
fn kinds(survey: &Survey) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = survey
        .sites
        .iter()
        .map(|site| match site.slot {
            SiteSlot::Field { .. } => "field",
            SiteSlot::Key => "key",
            SiteSlot::Cell { .. } => "cell",
            SiteSlot::UserValue(_) => "user value",
            SiteSlot::Stack { level: -1, .. } => "start",
            SiteSlot::Stack { local, .. } if local < 0 => "vararg",
            SiteSlot::Stack { .. } => "stack",
        })
        .collect();
    kinds.sort_unstable();
    kinds
}

/// A slot that the tests use for what is not the program's.
const OWN: Slot = Slot::Work;
