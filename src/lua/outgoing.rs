//! What leaves an instance: messages and timers. While a patch runs they are withheld, and leave when it is committed.

use std::fmt;

use bytesize::ByteSize;

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::lua::context::Context;

/// Why a message was not sent. Nothing in it has to be dropped: it is raised out of.
#[derive(Clone, Copy)]
pub enum Undelivered {
    /// Nobody lives there.
    Nobody,
    /// Too much waits there already.
    Full {
        /// Where.
        handle: Handle,
        /// How many messages.
        count: usize,
        /// Their memory, in bytes.
        memory: usize,
    },
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undelivered::Nobody => f.write_str("nobody lives there"),
            Undelivered::Full { handle, count, memory } => {
                let memory = ByteSize(*memory as u64);
                write!(
                    f,
                    "the mailbox of {handle} is full: {count} messages ({memory}) wait there"
                )
            }
        }
    }
}

/// Sends, or withholds the message until the patch that sends it is committed. One that is too much to withhold is dropped: the patch has
/// broken its limit and will be undone.
///
/// # Errors
/// Why it is not sent. Answers are never refused for lack of room: somebody waits for them, and there are no more than there were requests.
pub fn post(context: &Context, to: Handle, message: Message) -> Result<(), Undelivered> {
    let node = &context.host.node;
    let instance = node.registry().get(to).ok_or(Undelivered::Nobody)?;
    let is_answer = matches!(message.kind, kind::RESPONSE | kind::ERROR);
    let memory = instance.mailbox.memory();
    if !is_answer && memory >= context.host.config.mailbox_limit {
        let (handle, count) = (to, instance.mailbox.waiting());
        return Err(Undelivered::Full { handle, count, memory });
    }
    if !context.on_trial() {
        return node.post(&instance, message).map_err(|_| Undelivered::Nobody);
    }
    if context.withhold(size_of::<Message>() + message.data.len())
        && let Some(trial) = context.trial.borrow_mut().as_mut()
    {
        trial.messages.push((instance, message));
    }
    Ok(())
}

/// Tells whoever asked, and waits, that no answer will come.
pub fn post_error(context: &Context, source: Option<Handle>, session: u32) {
    if let (Some(to), 1..) = (source, session) {
        let error = Message {
            source: Some(context.handle()),
            session,
            kind: kind::ERROR,
            data: Box::default(),
        };
        // Whoever has ended meanwhile waits no more.
        let _ = post(context, to, error);
    }
}

/// Sets a timer of this instance; one that is due at once goes to the end of its own queue.
pub fn set_timer(context: &Context, delay: u64, session: u32) {
    let node = &context.host.node;
    if delay > 0 {
        node.set_timer(delay, context.handle(), session);
        return;
    }
    let message = Message {
        source: None,
        session,
        kind: kind::RESPONSE,
        data: Box::default(),
    };
    // A service that is ending has no use for its timers.
    let _ = node.post(&context.instance, message);
}
