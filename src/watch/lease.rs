//! The one unsafe file of the doorkeeper (Linux): the read lease, which says for certain whether a writer has a file open.
//!
//! `fcntl(F_SETLEASE, F_RDLCK)` is granted only while nobody has the file open (or mapped) for writing, and a writer that comes
//! later is held up until the lease is given back: what is read meanwhile is one consistent state of the file (fcntl(2)).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The kernel's answer to the request for a lease.
pub(super) enum Lease<'file> {
    /// Nobody writes, and nobody can begin to until this is dropped.
    Granted(Held<'file>),
    /// Somebody has the file open for writing.
    Writer,
    /// No answer for this file: it belongs to another user, or its file system has no leases.
    Unavailable,
}

/// A granted lease, given back when dropped.
pub(super) struct Held<'file>(&'file File);

/// Asks for a read lease on a file that is open for reading only.
pub(super) fn take(file: &File) -> Lease<'_> {
    if set_lease(file, libc::F_RDLCK) {
        return Lease::Granted(Held(file));
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Lease::Writer,
        _ => Lease::Unavailable,
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // A failure leaves the lease to the close of the file, which follows at once.
        set_lease(self.0, libc::F_UNLCK);
    }
}

fn set_lease(file: &File, kind: libc::c_int) -> bool {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and F_SETLEASE takes an integer, no pointer.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) == 0 }
}

/// Makes the process ignore SIGIO. The kernel sends it when a writer opens a file that is being read under a lease, and its
/// default action is to end the process. To be called first in `main`; [`start`](super::start) calls it again for safety.
pub fn ignore_lease_signal() {
    // SAFETY: SIG_IGN installs no handler, so no code of ours ever runs in signal context; SIGIO is a valid signal that can be ignored.
    unsafe {
        libc::signal(libc::SIGIO, libc::SIG_IGN);
    }
}
