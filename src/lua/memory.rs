//! The allocator of one VM: it counts, and it can refuse.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// In use.
    pub bytes: usize,
    /// So much more once that was not enough: each refused block makes Lua collect everything, and whoever broke the limit is to come to
    /// its end soon.
    pub grace: usize,
}

impl Limit {
    /// None.
    pub const NONE: Limit = Limit {
        bytes: usize::MAX,
        grace: 0,
    };
}

/// What a VM has and may have. Lives as long as its VM, at a fixed address.
pub struct Memory {
    /// Read by other threads, too, whatever the VM does; written by the one that runs it alone, so nothing has to be locked.
    used: Arc<AtomicUsize>,
    limit: Cell<Limit>,
    refused: Cell<bool>,
}

impl Default for Memory {
    /// Nothing in use, no limit.
    fn default() -> Memory {
        Memory {
            used: Arc::default(),
            limit: Cell::new(Limit::NONE),
            refused: Cell::new(false),
        }
    }
}

impl Memory {
    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Where the bytes in use are counted, for other threads to read.
    pub fn count(&self) -> Arc<AtomicUsize> {
        self.used.clone()
    }

    /// Sets how much there may be; more is refused, which Lua raises as `not enough memory`. Returns the limit before.
    pub fn set_limit(&self, limit: Limit) -> Limit {
        self.limit.replace(limit)
    }

    /// Whether something was refused since the last call.
    pub fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    /// The same, without forgetting it.
    pub fn was_refused(&self) -> bool {
        self.refused.get()
    }

    /// Counts what lies outside of the heap for this VM; false if that is too much.
    pub fn charge(&self, bytes: usize) -> bool {
        self.admit(0, bytes)
    }

    /// Takes back what was charged.
    pub fn discharge(&self, bytes: usize) {
        self.admit(bytes, 0);
    }

    /// Counts a change of size; false if that is too much.
    fn admit(&self, old: usize, new: usize) -> bool {
        let wanted = self.used().saturating_sub(old).saturating_add(new);
        let limit = self.limit.get();
        if new > old && wanted > limit.bytes {
            // The first refusal has made Lua collect what it could.
            if self.refused.replace(true) {
                self.limit.set(Limit {
                    bytes: limit.bytes.saturating_add(limit.grace),
                    grace: 0,
                });
            }
            return false;
        }
        self.used.store(wanted, Ordering::Relaxed);
        true
    }
}

/// The function that Lua calls for every block, see `lua_Alloc` in the reference manual; `data` is the VM's [`Memory`].
///
/// # Safety
/// Called by Lua alone: `data` is what the VM was made with, `block` one of its blocks or null.
pub unsafe extern "C" fn allocate(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: `data` is the address that the VM was made with; its Memory outlives the VM, and one thread at a time runs a VM.
    let memory = unsafe { &*data.cast::<Memory>() };
    // For a new block Lua passes the kind of the object as the old size.
    let old = if block.is_null() { 0 } else { old };
    if !memory.admit(old, new) {
        return std::ptr::null_mut();
    }
    // SAFETY: `block` is null or came from realloc below, and Lua gives each block back once.
    unsafe {
        if new == 0 {
            libmimalloc_sys::mi_free(block);
            return std::ptr::null_mut();
        }
        let moved = libmimalloc_sys::mi_realloc(block, new);
        if moved.is_null() {
            memory.admit(new, old);
        }
        moved
    }
}
