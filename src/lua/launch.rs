//! How an instance of a Lua service comes into being.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Instance};
use crate::actor::mailbox::Job;
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
        let actor = |_| Box::new(Service::new()) as Box<dyn Actor>;
        let first = |instance: &Arc<Instance>| {
            let begin = Begin {
                host: self.clone(),
                instance: instance.clone(),
                parent: launch.parent,
            };
            Box::new(begin) as Job
        };
        self.node.spawn_with(spawn, actor, first).identity.handle
    }
}
