//! The file systems that a scenario is played on: that of the temporary directory, tmpfs, and overlayfs (which is what a container's files lie on).
//!
//! What has to be mounted for it is mounted in a mount namespace, by a child process that is this test binary again with one test: so nothing
//! of it is left behind, and who is not root gets it by way of a user namespace. What is not possible on a machine is skipped, and said.

use std::any::type_name;
use std::env;
use std::fmt;
use std::fs;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

/// Names the ground to the child process that is to play a scenario on it.
const GROUND: &str = "HOTLUA_TEST_GROUND";

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Temporary,
    Tmpfs,
    Overlay,
}

/// Why a scenario cannot be played here.
struct Skip(String);

/// Ends a scenario that cannot be played on this machine; the reason is printed behind its name.
pub fn skip(why: impl Into<String>) -> ! {
    // Not a panic: nothing went wrong.
    resume_unwind(Box::new(Skip(why.into())))
}

/// Skips the scenario if this program is not installed.
pub fn needs(program: &str) {
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        skip(format!("{program} is not installed"));
    }
}

/// Plays a scenario on every file system at once, each time in an empty directory.
#[track_caller]
pub fn on_every_file_system<S: Fn(&Path) + Sync>(scenario: S) {
    play(&scenario, &Ground::ALL, Ground::is_mounted_for_it);
}

/// The same for a scenario that mounts something itself.
#[track_caller]
pub fn on_every_file_system_with_mounts<S: Fn(&Path) + Sync>(scenario: S) {
    play(&scenario, &Ground::ALL, |_| true);
}

/// Plays a scenario that mounts something itself, in an empty temporary directory.
#[track_caller]
pub fn with_mounts<S: Fn(&Path) + Sync>(scenario: S) {
    play(&scenario, &[Ground::Temporary], |_| true);
}

fn play<S: Fn(&Path) + Sync>(scenario: &S, grounds: &[Ground], by_child: fn(Ground) -> bool) {
    // A closure in the test function: it is called after it, without the crate's name and its own.
    let path = type_name::<S>().trim_end_matches("::{{closure}}");
    let (_, name) = path.split_once("::").expect("a path with the crate's name");
    if let Ok(wanted) = env::var(GROUND) {
        let ground = Ground::ALL.into_iter().find(|ground| ground.to_string() == wanted);
        return ground.expect("a ground").play_inside(name, scenario);
    }
    let failed: Vec<String> = thread::scope(|scope| {
        let plays = grounds.iter().map(|&ground| {
            let thread = thread::Builder::new().name(format!("{name} on {ground}"));
            let played = thread.spawn_scoped(scope, move || match by_child(ground) {
                true => ground.play_by_child(name),
                false => ground.play_here(scenario),
            });
            (ground, played.expect("a thread"))
        });
        let plays: Vec<_> = plays.collect();
        let failed = plays.into_iter().filter_map(|(ground, played)| {
            let failure = played.join().err()?;
            has_failed(name, ground, &*failure).then(|| ground.to_string())
        });
        failed.collect()
    });
    assert!(failed.is_empty(), "{name} failed on {}", failed.join(" and on "));
}

/// Whether this is a failure, and not the reason for which a scenario was skipped, which is said.
fn has_failed(name: &str, ground: Ground, failure: &(dyn std::any::Any + Send)) -> bool {
    let Some(Skip(why)) = failure.downcast_ref() else {
        return true;
    };
    say(&format!("{SKIPPED}{name} on {ground}: {why}"));
    false
}

const SKIPPED: &str = "skipped: ";

/// Past the harness of the tests, which swallows what successful tests print.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error");
}

impl Ground {
    const ALL: [Ground; 3] = [Ground::Temporary, Ground::Tmpfs, Ground::Overlay];

    /// Whether there is such a file system only if one mounts it.
    fn is_mounted_for_it(self) -> bool {
        match self {
            Ground::Temporary => false,
            Ground::Tmpfs => !has_shared_memory(),
            Ground::Overlay => true,
        }
    }

    fn play_here(self, scenario: &dyn Fn(&Path)) {
        let base = match self {
            Ground::Tmpfs => tempfile::tempdir_in(SHARED_MEMORY),
            _ => tempfile::tempdir(),
        };
        scenario(base.expect("a temporary directory").path());
    }

    /// In the child process, whose mounts are its own.
    fn play_inside(self, name: &str, scenario: &(dyn Fn(&Path) + Sync)) {
        let play = || {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let mount = match self {
                Ground::Temporary => None,
                Ground::Tmpfs => Some(Mount::new(&folder, &["-t", "tmpfs", "tmpfs"])),
                Ground::Overlay => Some(overlay(&folder)),
            };
            let base = mount.as_ref().map_or(folder.path(), |mount| &mount.0);
            scenario(base);
        };
        let thread = thread::Builder::new().name(format!("{name} on {self}"));
        let played = thread::scope(|scope| thread.spawn_scoped(scope, play).expect("a thread").join());
        if let Err(failure) = played {
            assert!(!has_failed(name, self, &*failure), "{name} failed on {self}");
        }
    }

    fn play_by_child(self, name: &str) {
        let own = env::current_exe().expect("this test binary");
        let played = in_namespaces()
            .arg(own)
            .args(["--exact", name, "--nocapture", "--include-ignored"])
            .env(GROUND, self.to_string())
            .output()
            .expect("the child starts");
        let errors = String::from_utf8_lossy(&played.stderr);
        let said = String::from_utf8_lossy(&played.stdout);
        assert!(played.status.success(), "{said}\n{errors}");
        assert!(said.contains("1 passed"), "it was not played: {said}");
        errors.lines().filter(|line| line.starts_with(SKIPPED)).for_each(say);
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ground::Temporary => "the temporary directory",
            Ground::Tmpfs => "tmpfs",
            Ground::Overlay => "overlayfs",
        })
    }
}

/// The command that runs what follows it in a mount namespace of its own: as it is for root, otherwise with a user namespace.
fn in_namespaces() -> Command {
    needs("unshare");
    let mut refusal = String::new();
    for options in [&["--mount"][..], &["--mount", "--user", "--map-root-user"]] {
        let mut command = Command::new("unshare");
        command.args(options).arg("--");
        let tried = Command::new("unshare").args(options).arg("true").output();
        match tried.expect("unshare starts") {
            tried if tried.status.success() => return command,
            tried => refusal = String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
        }
    }
    skip(format!("nothing can be mounted ({refusal})"));
}

/// The usual place of a tmpfs.
const SHARED_MEMORY: &str = "/dev/shm";

/// Whether it is there, and may be used.
fn has_shared_memory() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_one = |line: &str| line.split(' ').nth(1) == Some(SHARED_MEMORY) && line.split(' ').nth(2) == Some("tmpfs");
    mounts.lines().any(is_one) && tempfile::tempdir_in(SHARED_MEMORY).is_ok()
}

/// An empty overlayfs, with its layers on the same file system or, where they cannot be there (it may be an overlayfs itself), on a tmpfs.
fn overlay(folder: &TempDir) -> Mount {
    try_overlay(folder.path()).unwrap_or_else(|_| {
        let layers = folder.path().join("layers");
        fs::create_dir(&layers).expect("a folder for the layers");
        // It goes with the namespace.
        std::mem::forget(Mount::new(&layers, &["-t", "tmpfs", "tmpfs"]));
        try_overlay(&layers).unwrap_or_else(|why| skip(why))
    })
}

fn try_overlay(folder: &Path) -> Result<Mount, String> {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| folder.join(name));
    for folder in [&lower, &upper, &work, &merged] {
        fs::create_dir_all(folder).expect("a folder of the overlay");
    }
    let [lower, upper, work] = [lower, upper, work].map(|path| path.display().to_string());
    let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let mount = |options: &str| Mount::try_new(merged.clone(), &["-t", "overlay", "overlay", "-o", options]);
    // Who is root in a user namespace only may not write the attributes that root's overlays use.
    mount(&layers).or_else(|_| mount(&format!("{layers},userxattr")))
}

/// What is mounted on a directory, until this is dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts, by the `mount` command with these arguments and the directory.
    pub fn new(on: impl AsRef<Path>, arguments: &[&str]) -> Self {
        Self::try_new(on.as_ref().to_owned(), arguments).unwrap_or_else(|why| skip(why))
    }

    fn try_new(on: PathBuf, arguments: &[&str]) -> Result<Self, String> {
        needs("mount");
        let mounted = Command::new("mount").args(arguments).arg(&on).output();
        match mounted.expect("mount starts") {
            mounted if mounted.status.success() => Ok(Self(on)),
            mounted => Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned()),
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a failed scenario may have left something open. If even that fails, it goes with the namespace.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
