//! Who is alive: handles and names. Handles are given out as skynet does, because people type them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::actor::message::Message;

/// The living instances by handle, and the names that they go by.
pub struct Registry {
    inner: RwLock<Inner>,
}

struct Inner {
    /// A power of two of slots; a handle lives in slot `handle % len`.
    slots: Vec<Option<Arc<Instance>>>,
    next: u32,
    count: usize,
    names: HashMap<String, Handle>,
    /// Messages for names that nobody has yet.
    parked: HashMap<String, Vec<Message>>,
    /// The names of each handle that has any.
    named: HashMap<Handle, Vec<String>>,
    /// The listed instances of each service, by folder name.
    services: HashMap<String, BTreeMap<Handle, Arc<Instance>>>,
}

/// Handles are 24 bits, as in skynet (the byte above is the harbor).
const LARGEST: u32 = 0x00ff_ffff;
/// Messages that wait for one name at most.
const MOST_PARKED: usize = 1024;

impl Registry {
    /// An empty registry whose first handle is `first`.
    pub fn new(first: u32) -> Registry {
        Registry {
            inner: RwLock::new(Inner {
                slots: vec![None; 16],
                next: first,
                count: 0,
                names: HashMap::new(),
                parked: HashMap::new(),
                named: HashMap::new(),
                services: HashMap::new(),
            }),
        }
    }

    /// Enters a new instance under the next free handle, or under `wanted`, which must be free.
    pub fn enter(&self, wanted: Option<Handle>, make: impl FnOnce(Handle) -> Arc<Instance>) -> Arc<Instance> {
        let mut inner = self.inner.write();
        if inner.count + 1 > inner.slots.len() / 2 {
            inner.grow();
        }
        let handle = wanted.unwrap_or_else(|| inner.free_handle());
        let instance = make(handle);
        let slot = inner.slot(handle);
        inner.slots[slot] = Some(instance.clone());
        inner.count += 1;
        if instance.identity.listed {
            inner
                .services
                .entry(instance.identity.folder())
                .or_default()
                .insert(handle, instance.clone());
        }
        instance
    }

    /// The instance with this handle, if it lives.
    pub fn get(&self, handle: Handle) -> Option<Arc<Instance>> {
        let inner = self.inner.read();
        let instance = inner.slots[inner.slot(handle)].as_ref()?;
        (instance.identity.handle == handle).then(|| instance.clone())
    }

    /// Takes an instance out, with every name that it has.
    pub fn remove(&self, handle: Handle) {
        let mut inner = self.inner.write();
        let slot = inner.slot(handle);
        let Some(instance) = inner.slots[slot].take_if(|i| i.identity.handle == handle) else {
            return;
        };
        inner.count -= 1;
        for name in inner.named.remove(&handle).unwrap_or_default() {
            inner.names.remove(&name);
        }
        let folder = instance.identity.folder();
        if let Some(peers) = inner.services.get_mut(&folder) {
            peers.remove(&handle);
            if peers.is_empty() {
                inner.services.remove(&folder);
            }
        }
    }

    /// Every living instance, by rising handle.
    pub fn all(&self) -> Vec<Arc<Instance>> {
        let mut all: Vec<_> = self.inner.read().slots.iter().flatten().cloned().collect();
        all.sort_by_key(|instance| instance.identity.handle);
        all
    }

    /// The living, listed instances of the service with this folder name (see [`Identity::folder`]), by rising handle.
    ///
    /// [`Identity::folder`]: crate::actor::instance::Identity::folder
    pub fn of_service(&self, service: &str) -> Vec<Arc<Instance>> {
        self.inner
            .read()
            .services
            .get(service)
            .map(|peers| peers.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Gives a name (`.db`, `SIMPLEDB`) to a living instance, and posts what was parked for that name: the instance, and how many
    /// messages it got. `None` if nobody has that handle, or if the name is taken, which keeps its first owner.
    pub fn name(&self, name: &str, handle: Handle) -> Option<(Arc<Instance>, usize)> {
        let mut inner = self.inner.write();
        let instance = inner.slots[inner.slot(handle)].clone();
        let instance = instance.filter(|instance| instance.identity.handle == handle)?;
        if inner.names.contains_key(name) {
            return None;
        }
        inner.names.insert(name.to_owned(), handle);
        inner.named.entry(handle).or_default().push(name.to_owned());
        // Before anybody finds the name: messages of one sender keep their order.
        let parked = inner.parked.remove(name).unwrap_or_default();
        let posted = parked
            .into_iter()
            .filter_map(|message| instance.mailbox.post(message).ok())
            .count();
        Some((instance, posted))
    }

    /// The handle behind a name that the whole network would share (one without a dot), or else keeps the message until somebody
    /// takes that name. Gives it back if too many wait already.
    pub fn find_or_park(&self, name: &str, message: Message) -> Result<Option<(Handle, Message)>, Message> {
        let mut inner = self.inner.write();
        if let Some(handle) = inner.names.get(name) {
            return Ok(Some((*handle, message)));
        }
        let parked = inner.parked.entry(name.to_owned()).or_default();
        if parked.len() >= MOST_PARKED {
            return Err(message);
        }
        parked.push(message);
        Ok(None)
    }

    /// The handle behind a name.
    pub fn find(&self, name: &str) -> Option<Handle> {
        self.inner.read().names.get(name).copied()
    }
}

impl Inner {
    fn slot(&self, handle: Handle) -> usize {
        handle.0 as usize & (self.slots.len() - 1)
    }

    fn free_handle(&mut self) -> Handle {
        loop {
            let handle = Handle(self.next);
            self.next = if self.next >= LARGEST { 1 } else { self.next + 1 };
            if self.slots[self.slot(handle)].is_none() {
                return handle;
            }
        }
    }

    fn grow(&mut self) {
        let mut slots = vec![None; self.slots.len() * 2];
        let mask = slots.len() - 1;
        for instance in self.slots.drain(..).flatten() {
            let slot = instance.identity.handle.0 as usize & mask;
            slots[slot] = Some(instance);
        }
        self.slots = slots;
    }
}
