//! How an instance of a Lua service comes into being.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Actor;
use crate::actor::node::Spawn;
use crate::lua::host::Host;
use crate::lua::parent::Parent;
use crate::lua::service::{Begin, Service};

/// What is to be launched.
pub struct Launch {
    /// The script's name.
    pub service: String,
    /// Its arguments, split on white space by the service.
    pub args: String,
    /// Who waits; nobody if `None`.
    pub parent: Option<Parent>,
    /// A part of the node itself: fixed handle, not in `list`, from the built-in library.
    pub own: Option<Handle>,
}

impl Host {
    /// Launches an instance. It begins on a worker thread; its parent is told when its start function has returned.
    pub fn launch(self: &Arc<Self>, launch: Launch) -> Handle {
        let spawn = Spawn {
            handle: launch.own,
            service: launch.service,
            args: launch.args,
            listed: launch.own.is_none(),
        };
        let instance = self.node.spawn(spawn, |_| Box::new(Service::new()) as Box<dyn Actor>);
        let handle = instance.identity.handle;
        let begin = Begin {
            host: self.clone(),
            instance: instance.clone(),
            parent: launch.parent,
        };
        // A mailbox that was made just now is open, unless somebody killed its owner already, who then never begins.
        let _ = self.node.post_job(&instance, Box::new(begin));
        handle
    }
}
