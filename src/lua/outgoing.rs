//! What leaves an instance: messages and timers. While a patch runs they are withheld, and leave when it is committed.

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::lua::context::Context;

/// Sends, or withholds the message until the patch that sends it is committed; false if nobody lives there. One that is too much to
/// withhold is dropped: the patch has broken its limit and will be undone.
pub fn post(context: &Context, to: Handle, message: Message) -> bool {
    let Some(instance) = context.host.node.registry().get(to) else {
        return false;
    };
    if !context.on_trial() {
        return context.host.node.post(&instance, message).is_ok();
    }
    if context.withhold(size_of::<Message>() + message.data.len())
        && let Some(trial) = context.trial.borrow_mut().as_mut()
    {
        trial.messages.push((instance, message));
    }
    true
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
        post(context, to, error);
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
