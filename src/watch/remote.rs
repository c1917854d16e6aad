//! Which file systems can change behind this machine's back: events miss what others write there, and a lease proves nothing.

use std::fs::File;

/// The file system's name if `file` lies on one that other machines (or a user-space process) can change.
#[cfg(target_os = "linux")]
pub(super) fn kind(file: &File) -> Option<&'static str> {
    // The numbers are the `*_SUPER_MAGIC` values of statfs(2) and linux/magic.h.
    const REMOTE: [(u32, &str); 8] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB2"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9p"),
        (0x00C3_6400, "Ceph"),
        (0x5346_414F, "AFS"),
    ];
    let status = rustix::fs::fstatfs(file).ok()?;
    // The field's width and sign differ between architectures; the magic numbers are 32 bits wide.
    let magic = status.f_type as u32;
    REMOTE
        .iter()
        .find(|(number, _)| *number == magic)
        .map(|(_, name)| *name)
}

/// The file system's name if `file` lies on one that other machines can change: not asked here, `poll` is the user's choice.
#[cfg(not(target_os = "linux"))]
pub(super) fn kind(_: &File) -> Option<&'static str> {
    None
}
