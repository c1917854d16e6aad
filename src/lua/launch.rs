//! How an instance of a Lua service comes into being.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Instance};
use crate::actor::message::{Message, kind};
use crate::actor::node::Spawn;
use crate::lua::codec;
use crate::lua::host::Host;
use crate::lua::service::Service;

/// Called once with how the start went: the handle, or the reason of the failure.
pub type Started = Box<dyn FnOnce(Result<Option<Handle>, String>) + Send>;

/// Who waits for the start function of a new instance to return.
pub enum Parent {
    /// An instance, in `newservice`.
    Instance {
        /// Its handle.
        handle: Handle,
        /// Its session.
        session: u32,
    },
    /// Rust code.
    Caller(Started),
}

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
        let instance = self.node.spawn(spawn, |_| Box::new(Service::new()) as Box<dyn Actor>);
        let handle = instance.identity.handle;
        let begin = Begin { host: self.clone(), instance: instance.clone(), parent: launch.parent };
        // A mailbox that was made just now is open, unless somebody killed its owner already, who then never begins.
        let _ = self.node.post_job(&instance, Box::new(begin));
        handle
    }
}

impl Parent {
    /// Tells that the start function has returned: with the handle, or without if the instance has ended by itself.
    pub fn succeed(self, host: &Host, child: Handle, alive: bool) {
        match self {
            Parent::Instance { handle, session } => {
                let data = codec::handle_or_nil(alive.then_some(child));
                let answer = Message { source: Some(child), session, kind: kind::RESPONSE, data };
                // The parent may have ended meanwhile.
                let _ = host.node.send(handle, answer);
            }
            Parent::Caller(started) => started(Ok(alive.then_some(child))),
        }
    }

    /// Tells that the start failed.
    pub fn fail(self, host: &Host, child: Handle, why: String) {
        match self {
            Parent::Instance { handle, session } => {
                let error = Message { source: Some(child), session, kind: kind::ERROR, data: Box::default() };
                // As above.
                let _ = host.node.send(handle, error);
            }
            Parent::Caller(started) => started(Err(why)),
        }
    }
}
