//! How an instance of a Lua service comes into being.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::actor::mailbox::Job;
use crate::actor::node::Spawn;
use crate::lua::host::Host;
use crate::lua::parent::Parent;

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

/// The first job of a new instance: everything it needs to begin.
pub struct Begin {
    /// What all instances share.
    pub host: Arc<Host>,
    /// The instance itself.
    pub instance: Arc<Instance>,
    /// Who waits for it.
    pub parent: Option<Parent>,
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
        let first = |instance: &Arc<Instance>| {
            let begin = Begin {
                host: self.clone(),
                instance: instance.clone(),
                parent: launch.parent,
            };
            Box::new(begin) as Job
        };
        self.node
            .spawn_with(spawn, |_| (self.make_actor)(), first)
            .identity
            .handle
    }
}
