//! What travels between instances.

use crate::actor::address::Handle;

/// The kind of a message: skynet's PTYPE numbers, 0 to 255, of which these have a meaning here.
pub mod kind {
    /// Plain text.
    pub const TEXT: u8 = 0;
    /// The answer to a request, and the end of a timer (then from handle 0).
    pub const RESPONSE: u8 = 1;
    /// The answer to a request that failed, or whose receiver is gone.
    pub const ERROR: u8 = 7;
    /// The debug protocol (`PING`, `STAT`, `RUN`, …).
    pub const DEBUG: u8 = 9;
    /// Packed Lua values.
    pub const LUA: u8 = 10;
}

/// One message. It is moved, never shared: the receiver owns the bytes.
#[derive(Debug)]
pub struct Message {
    /// Who sent it; `None` is the node itself (timers).
    pub source: Option<Handle>,
    /// 0 if no answer is wanted; else the number that the answer carries back.
    pub session: u32,
    /// See [`kind`].
    pub kind: u8,
    /// The content, as its kind defines it.
    pub data: Box<[u8]>,
}

impl Message {
    /// Whether the sender waits for an answer to this message.
    pub fn wants_answer(&self) -> bool {
        self.session != 0 && self.kind != kind::RESPONSE && self.kind != kind::ERROR
    }
}
