//! Whom a file or a folder is open to: who may write to what the node runs, may run code in it.
//!
//! Which users and groups may is what those decide who set the rights. That everybody may is hardly ever meant.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{StatVfs, StatVfsMountFlags, fstatvfs, statvfs};

/// What is wrong with what is open to everybody, as a clause.
pub const OPEN: &str = "may be written to by everybody";
/// What ends it.
pub const REMEDY: &str = "chmod o-w";

/// Whether everybody may write to the file or folder behind this path; a link counts as what it leads to. What is not there is open to nobody.
pub fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| judge(&metadata, || statvfs(path)))
}

/// The same for an open file.
pub fn is_open_file(file: &File, metadata: &Metadata) -> bool {
    judge(metadata, || fstatvfs(file))
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

fn judge(metadata: &Metadata, file_system: impl FnOnce() -> rustix::io::Result<StatVfs>) -> bool {
    const ALL_WRITE: u32 = 0o002;
    // Where nobody can write, nobody can: a ConfigMap is mounted read-only, with rights for everybody.
    let is_fixed = || file_system().is_ok_and(|is| is.f_flag.contains(StatVfsMountFlags::RDONLY));
    metadata.mode() & ALL_WRITE != 0 && !is_fixed()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{is_open, is_open_file, name_in};

    #[test]
    fn what_everybody_may_write_is_open_and_a_link_is_judged_by_its_target() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "").expect("written");
        symlink(&file, &link).expect("made");
        for (mode, expected) in [(0o644, false), (0o664, false), (0o666, true), (0o602, true)] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set");
            assert_eq!(is_open(&file), expected, "{mode:o}");
            assert_eq!(is_open(&link), expected, "{mode:o}");
            let opened = File::open(&file).expect("opened");
            let metadata = opened.metadata().expect("metadata");
            assert_eq!(is_open_file(&opened, &metadata), expected, "{mode:o}");
        }
        assert!(!is_open(&folder.path().join("none")));
    }

    #[test]
    fn accounts_are_found_by_number() {
        let accounts = "root:x:0:0::/root:/bin/sh\n# comment\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_in(accounts, 1000).as_deref(), Some("alice"));
        assert_eq!(name_in(accounts, 0).as_deref(), Some("root"));
        assert_eq!(name_in(accounts, 7), None);
    }
}
