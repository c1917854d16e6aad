//! Where there is no read lease (everything but Linux): no file ever gets an answer, and stamps decide.

use std::fs::File;

/// The answer to the request for a lease, in the shape that it has on Linux.
#[expect(dead_code, reason = "only Linux ever gives the first two answers")]
pub(super) enum Lease<'file> {
    /// Nobody writes.
    Granted(&'file File),
    /// Somebody has the file open for writing.
    Writer,
    /// No answer for this file.
    Unavailable,
}

/// Asks for a read lease.
pub(super) fn take(_: &File) -> Lease<'_> {
    Lease::Unavailable
}

/// Without leases there is no signal to ignore.
pub fn ignore_lease_signal() {}
