//! Who waits for a new instance, and how it is told.

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::actor::node::Node;
use crate::lua::wire;

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

impl Parent {
    /// Tells that the start function has returned: with the handle, or without if the instance has ended by itself.
    pub fn succeed(self, node: &Node, child: Handle, alive: bool) {
        match self {
            Parent::Instance { handle, session } => {
                let data = wire::handle_or_nil(alive.then_some(child));
                let answer = Message {
                    source: Some(child),
                    session,
                    kind: kind::RESPONSE,
                    data,
                };
                // The parent may have ended meanwhile.
                let _ = node.send(handle, answer);
            }
            Parent::Caller(started) => started(Ok(alive.then_some(child))),
        }
    }

    /// Tells that the start failed.
    pub fn fail(self, node: &Node, child: Handle, why: String) {
        match self {
            Parent::Instance { handle, session } => {
                let error = Message {
                    source: Some(child),
                    session,
                    kind: kind::ERROR,
                    data: why.into_bytes().into(),
                };
                // As above.
                let _ = node.send(handle, error);
            }
            Parent::Caller(started) => started(Err(why)),
        }
    }
}
