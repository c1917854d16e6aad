//! A place in the hall for Rust code: it can ask instances and gets their answers as futures.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Instance, Next};
use crate::actor::mailbox::Job;
use crate::actor::message::{Message, kind};
use crate::actor::node::{Node, Spawn};

/// An address of the node's own, by which it takes part in the exchange of messages.
pub struct Port {
    node: Arc<Node>,
    instance: Arc<Instance>,
    pending: Arc<Mutex<Pending>>,
}

/// Why a question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is no instance with that address.
    #[error("call to invalid address {0}")]
    NoInstance(Handle),
    /// The instance failed, or ended before it answered.
    #[error("call failed")]
    Failed,
}

/// The bytes of an answer, or why there is none.
type Answer = Result<Box<[u8]>, AskError>;

#[derive(Default)]
struct Pending {
    last: u32,
    waiting: HashMap<u32, oneshot::Sender<Answer>>,
}

struct Answers(Arc<Mutex<Pending>>);

impl Port {
    /// Opens a port.
    pub fn open(node: &Arc<Node>) -> Port {
        let pending = Arc::new(Mutex::new(Pending::default()));
        let answers = Answers(pending.clone());
        let spawn = Spawn {
            handle: None,
            service: "port".into(),
            args: String::new(),
            listed: false,
        };
        let instance = node.spawn(spawn, |_| Box::new(answers));
        Port {
            node: node.clone(),
            instance,
            pending,
        }
    }

    /// Sends a request and waits for its answer, without limit: the caller puts a time on it if it needs one.
    ///
    /// # Errors
    /// When the address is dead, or the instance fails or ends before it has answered.
    pub async fn ask(&self, to: Handle, kind: u8, data: Box<[u8]>) -> Answer {
        let (sender, answer) = oneshot::channel();
        let session = {
            let mut pending = self.pending.lock();
            pending.last = pending.last.checked_add(1).unwrap_or(1);
            let session = pending.last;
            pending.waiting.insert(session, sender);
            session
        };
        let message = Message {
            source: Some(self.instance.identity.handle),
            session,
            kind,
            data,
        };
        if !self.instance.mailbox.is_open() {
            self.pending.lock().waiting.remove(&session);
            return Err(AskError::Failed);
        }
        if self.node.send(to, message).is_err() {
            self.pending.lock().waiting.remove(&session);
            return Err(AskError::NoInstance(to));
        }
        answer.await.unwrap_or(Err(AskError::Failed))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.node.kill(self.instance.identity.handle);
    }
}

impl Actor for Answers {
    fn message(&mut self, message: Message) -> Next {
        if let Some(waiting) = self.0.lock().waiting.remove(&message.session) {
            let answer = if message.kind == kind::RESPONSE {
                Ok(message.data)
            } else {
                Err(AskError::Failed)
            };
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(answer);
        }
        Next::Continue
    }

    fn job(&mut self, _job: Job) -> Next {
        Next::Continue
    }

    fn end(&mut self) -> Vec<(Handle, u32)> {
        // Whoever still waits learns that no answer will come.
        self.0.lock().waiting.clear();
        Vec::new()
    }
}
