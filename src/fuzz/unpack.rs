//! A packed message, as another service or a library has made it.

use std::cell::RefCell;

use crate::lua::probe::Unpacker;

/// It is refused, or it is values, in memory that the bytes pay for. Whether it is values.
pub fn examine(bytes: &[u8]) -> bool {
    thread_local! {
        static UNPACKER: RefCell<Unpacker> = RefCell::new(Unpacker::new());
    }
    UNPACKER.with_borrow(|unpacker| unpacker.values(bytes).is_some())
}
