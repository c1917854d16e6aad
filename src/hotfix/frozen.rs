//! What is frozen just now.

use parking_lot::RwLock;

use crate::hotfix::record::Freeze;

/// The freezes that hold: of services, and of the whole node.
#[derive(Default)]
pub(super) struct Freezes(RwLock<Vec<Freeze>>);

impl Freezes {
    /// Those that the history tells of.
    pub fn new(freezes: Vec<Freeze>) -> Freezes {
        Freezes(RwLock::new(freezes))
    }

    /// That of a service, or that of the node.
    pub fn of(&self, service: Option<&str>) -> Option<Freeze> {
        let freezes = self.0.read();
        freezes
            .iter()
            .find(|freeze| freeze.service.as_deref() == service)
            .cloned()
    }

    /// All.
    pub fn all(&self) -> Vec<Freeze> {
        self.0.read().clone()
    }

    /// One more holds; false if there is one of that service, or of the node, already.
    pub fn begin(&self, freeze: &Freeze) -> bool {
        let mut freezes = self.0.write();
        let is_new = freezes.iter().all(|held| held.service != freeze.service);
        if is_new {
            freezes.push(freeze.clone());
        }
        is_new
    }

    /// One holds no more.
    pub fn end(&self, service: Option<&str>) {
        self.0.write().retain(|freeze| freeze.service.as_deref() != service);
    }
}
