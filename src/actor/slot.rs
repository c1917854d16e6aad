//! The place beside each worker for the instance that its turn has woken last. Whoever was just sent something usually runs next, on the same
//! core, where message and mailbox are in the cache, and no other worker is woken for what is over in a microsecond. What waits there while
//! its worker is long at something else is taken by others, see [`crate::actor::queue`].

use std::cell::RefCell;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::actor::instance::Instance;

/// One worker's place.
#[derive(Default)]
pub(super) struct Slot {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    instance: Option<Arc<Instance>>,
    /// Counts what was ever put here.
    stamp: u64,
}

/// What was seen in a slot, see [`Slot::look`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// Something waits there.
    pub occupied: bool,
    stamp: u64,
}

thread_local! {
    /// The slot of this thread, if it is a worker.
    static OWN: RefCell<Option<Arc<Slot>>> = const { RefCell::new(None) };
}

/// Makes this thread the worker whose slot this is.
pub(super) fn sit_down(slot: Arc<Slot>) {
    OWN.set(Some(slot));
}

/// What became of an instance that was to be put into this thread's slot.
pub(super) enum Put {
    /// It waits there.
    There,
    /// It waits there, and another one that did is given back.
    InPlaceOf(Arc<Instance>),
    /// This thread has none.
    Refused(Arc<Instance>),
}

/// Puts an instance into this thread's slot.
pub(super) fn put(instance: Arc<Instance>) -> Put {
    OWN.with_borrow(|own| match own {
        None => Put::Refused(instance),
        Some(slot) => {
            let mut held = slot.held.lock();
            held.stamp += 1;
            held.instance.replace(instance).map_or(Put::There, Put::InPlaceOf)
        }
    })
}

/// Puts an instance into this thread's slot if nothing waits there; gives it back otherwise.
pub(super) fn put_if_free(instance: Arc<Instance>) -> Option<Arc<Instance>> {
    OWN.with_borrow(|own| {
        let Some(slot) = own else { return Some(instance) };
        let mut held = slot.held.lock();
        if held.instance.is_some() {
            return Some(instance);
        }
        held.stamp += 1;
        held.instance = Some(instance);
        None
    })
}

/// Takes an instance out of this thread's slot, if it is that one which waits there.
pub(super) fn take_out(instance: &Arc<Instance>) -> Option<Arc<Instance>> {
    OWN.with_borrow(|own| {
        let mut held = own.as_ref()?.held.lock();
        held.instance.take_if(|held| Arc::ptr_eq(held, instance))
    })
}

impl Slot {
    /// Takes what waits here.
    pub(super) fn take(&self) -> Option<Arc<Instance>> {
        self.held.lock().instance.take()
    }

    /// Takes what waits here and did so already when it was looked at.
    pub(super) fn take_if_still(&self, sight: Sight) -> Option<Arc<Instance>> {
        let mut held = self.held.lock();
        if held.stamp == sight.stamp {
            held.instance.take()
        } else {
            None
        }
    }

    /// What is to be seen here.
    pub(super) fn look(&self) -> Sight {
        let held = self.held.lock();
        Sight {
            occupied: held.instance.is_some(),
            stamp: held.stamp,
        }
    }
}
