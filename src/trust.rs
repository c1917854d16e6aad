//! Whom a file or a folder is open to: who may write to what the node runs, may run code in it.
//!
//! Root and the user who runs the node decide what runs. The node's own group counts as the user: many systems give everybody a group of
//! their own, and files that this group may write to. Any other group, and of course everybody, are strangers.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{getegid, geteuid};

/// Who may change something besides those who should. As text: what is wrong, as a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It belongs to this user.
    Owner(u32),
    /// This group may write.
    Group(u32),
    /// All may write.
    Everybody,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stranger::Owner(uid) => write!(f, "belongs to {}", owner(*uid)),
            Stranger::Group(gid) => write!(f, "may be written to by the group {gid}"),
            Stranger::Everybody => f.write_str("may be written to by everybody"),
        }
    }
}

impl Stranger {
    /// What takes the right away.
    pub fn remedy(&self) -> &'static str {
        match self {
            Stranger::Owner(_) => "chown",
            Stranger::Group(_) => "chmod g-w",
            Stranger::Everybody => "chmod o-w",
        }
    }
}

/// Who runs this process.
#[derive(Clone, Copy, Debug)]
struct Me {
    user: u32,
    group: u32,
}

/// The stranger to whom the file or folder behind this path is open, if there is one. A link counts as what it leads to, and must not be a
/// stranger's itself. What is not there is open to nobody.
pub fn stranger_at(path: &Path) -> Option<Stranger> {
    let own = fs::symlink_metadata(path).ok()?;
    let by_link = own.is_symlink().then(|| owned(own.uid(), me())).flatten();
    by_link.or_else(|| {
        let metadata = fs::metadata(path).ok()?;
        judged(&metadata, || statvfs(path))
    })
}

/// The same for an open file.
pub fn stranger_of(file: &fs::File, metadata: &Metadata) -> Option<Stranger> {
    judged(metadata, || rustix::fs::fstatvfs(file))
}

/// The account that this user number has in `/etc/passwd`; `uid N` if it has none there.
pub fn owner(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&accounts, uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// Lines are `name:password:uid:…`, see passwd(5).
fn name_in(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn me() -> Me {
    Me {
        user: geteuid().as_raw(),
        group: getegid().as_raw(),
    }
}

fn judged(
    metadata: &Metadata,
    file_system: impl FnOnce() -> rustix::io::Result<rustix::fs::StatVfs>,
) -> Option<Stranger> {
    let stranger = judge(metadata.uid(), metadata.gid(), metadata.mode(), me())?;
    // Where nobody can write, nobody can: a ConfigMap is mounted read-only, with rights for everybody.
    let is_fixed = file_system().is_ok_and(|is| is.f_flag.contains(StatVfsMountFlags::RDONLY));
    (!is_fixed).then_some(stranger)
}

fn judge(uid: u32, gid: u32, mode: u32, me: Me) -> Option<Stranger> {
    const GROUP_WRITES: u32 = 0o020;
    const ALL_WRITE: u32 = 0o002;
    if mode & ALL_WRITE != 0 {
        return Some(Stranger::Everybody);
    }
    let by_group = mode & GROUP_WRITES != 0 && gid != 0 && gid != me.group;
    owned(uid, me).or_else(|| by_group.then_some(Stranger::Group(gid)))
}

fn owned(uid: u32, me: Me) -> Option<Stranger> {
    (uid != 0 && uid != me.user).then_some(Stranger::Owner(uid))
}

#[cfg(test)]
mod tests {
    use super::{Me, Stranger, judge, name_in, stranger_at};

    #[test]
    fn only_root_the_nodes_user_and_its_group_may_write() {
        let me = Me {
            user: 1000,
            group: 1000,
        };
        for (uid, gid, mode, stranger) in [
            (1000, 1000, 0o755, None),
            (1000, 1000, 0o775, None),
            (0, 0, 0o775, None),
            (0, 1000, 0o2775, None),
            (1000, 100, 0o755, None),
            (1000, 100, 0o775, Some(Stranger::Group(100))),
            (1000, 1000, 0o777, Some(Stranger::Everybody)),
            (0, 0, 0o1777, Some(Stranger::Everybody)),
            (1001, 1000, 0o755, Some(Stranger::Owner(1001))),
            (1001, 1000, 0o600, Some(Stranger::Owner(1001))),
        ] {
            assert_eq!(judge(uid, gid, mode, me), stranger, "{uid} {gid} {mode:o}");
        }
    }

    #[test]
    fn a_link_is_judged_by_its_target() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (open, link) = (folder.path().join("open"), folder.path().join("link"));
        fs::create_dir(&open).expect("made");
        symlink(&open, &link).expect("made");
        assert_eq!(stranger_at(&link), None);
        fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("set");
        assert_eq!(stranger_at(&link), Some(Stranger::Everybody));
        assert_eq!(stranger_at(&folder.path().join("none")), None);
    }

    #[test]
    fn accounts_are_found_by_number() {
        let accounts = "root:x:0:0::/root:/bin/sh\n# comment\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_in(accounts, 1000).as_deref(), Some("alice"));
        assert_eq!(name_in(accounts, 0).as_deref(), Some("root"));
        assert_eq!(name_in(accounts, 7), None);
    }
}
