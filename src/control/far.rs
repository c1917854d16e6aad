//! Sockets far down: the system takes paths of about a hundred bytes only, and a project may lie deeper.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The longest path of a socket, in bytes, with its final zero.
const LONGEST: usize = 108;

/// Calls `then` with a path of that socket that is short enough.
///
/// # Errors
/// Those of opening its folder, and those of `then`.
pub fn with_short_path<T>(path: &Path, then: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() < LONGEST {
        return then(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return then(path);
    };
    let opened = rustix::fs::open(
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    then(&PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::with_short_path;

    #[test]
    fn a_socket_may_lie_deep() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).expect("made");
        let path = deep.join("s");
        let _listener = with_short_path(&path, |short| UnixListener::bind(short)).expect("bound");
        with_short_path(&path, |short| UnixStream::connect(short)).expect("connected");
    }
}
