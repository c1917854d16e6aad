//! Files that were saved together: everything that the doorkeeper reports until it has been quiet for a moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::watch::{Event, Source};

/// How long it must be quiet: editors that format on save, and programs that write several files, pause less than this between two.
const QUIET: Duration = Duration::from_millis(40);
/// What goes on for ever is acted upon anyway, so often.
const LONGEST: Duration = Duration::from_secs(1);
/// git holds its lock while it writes a work tree; a lock older than this was left behind by a git that was killed.
const LONGEST_GIT: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub struct Batch {
    /// By path.
    pub saved: BTreeMap<PathBuf, Source>,
    /// Files that are gone: how messages name them.
    pub gone: BTreeMap<PathBuf, String>,
    /// When the first and the last of it came.
    times: Option<(Instant, Instant)>,
}

impl Batch {
    /// Takes what the doorkeeper reports.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Source(source) => {
                self.gone.remove(&source.path);
                self.saved.insert(source.path.clone(), source);
            }
            Event::SourceGone { path, display } => {
                self.saved.remove(&path);
                self.gone.insert(path, display);
            }
            _ => return,
        }
        let now = Instant::now();
        let began = self.times.map_or(now, |(began, _)| began);
        self.times = Some((began, now));
    }

    /// When it is to be looked at again whether it is complete; `None` while it is empty.
    pub fn due(&self) -> Option<Instant> {
        self.times.map(|(began, last)| (last + QUIET).min(began + LONGEST))
    }

    /// Whether git is in the middle of writing the work tree: then more is to come.
    pub fn wait_for_git(&mut self, lock: Option<&Path>) -> bool {
        let is_held = lock.is_some_and(is_fresh);
        if is_held {
            let now = Instant::now();
            self.times = Some((now, now));
        }
        is_held
    }
}

/// Where git's lock is, if the project's directory lies in a work tree.
pub fn git_lock(base: &Path) -> Option<PathBuf> {
    let git = base.ancestors().map(|folder| folder.join(".git"));
    git.into_iter()
        .find(|git| git.is_dir())
        .map(|git| git.join("index.lock"))
}

fn is_fresh(lock: &Path) -> bool {
    let Ok(modified) = std::fs::metadata(lock).and_then(|metadata| metadata.modified()) else {
        return false;
    };
    // The clocks of disks are not that exact; one that is far ahead tells nothing.
    let age = SystemTime::now()
        .duration_since(modified)
        .unwrap_or_else(|ahead| ahead.duration());
    age < LONGEST_GIT
}

#[cfg(test)]
mod tests {
    use super::{Batch, git_lock};
    use crate::watch::Event;

    #[test]
    fn what_is_gone_and_there_again_is_a_save_and_the_other_way_round() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.lua");
        std::fs::write(&path, "return 1").expect("written");
        let gone = || Event::SourceGone {
            path: path.clone(),
            display: "x.lua".into(),
        };
        let source = crate::watch::Source {
            path: path.clone(),
            display: "x.lua".into(),
            bytes: b"return 1".to_vec(),
            stamp: crate::watch::stamp(&path).expect("is there"),
        };
        let mut batch = Batch::default();
        assert_eq!(batch.due(), None);
        batch.take(Event::SourcesScanned);
        assert_eq!(batch.due(), None, "nothing of ours");
        batch.take(gone());
        batch.take(Event::Source(source));
        assert_eq!((batch.saved.len(), batch.gone.len()), (1, 0));
        assert!(batch.due().is_some());
        batch.take(gone());
        assert_eq!((batch.saved.len(), batch.gone.len()), (0, 1));
    }

    #[test]
    fn a_lock_of_git_holds_the_batch_back_while_it_is_young() {
        let folder = tempfile::tempdir().expect("a folder");
        let (git, project) = (folder.path().join(".git"), folder.path().join("a/b"));
        std::fs::create_dir_all(&git).expect("made");
        std::fs::create_dir_all(&project).expect("made");
        let lock = git_lock(&project).expect("in a work tree");
        let mut batch = Batch::default();
        assert!(!batch.wait_for_git(Some(&lock)));
        std::fs::write(&lock, "").expect("written");
        assert!(batch.wait_for_git(Some(&lock)));
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        std::fs::File::options()
            .write(true)
            .open(&lock)
            .and_then(|file| file.set_modified(old))
            .expect("aged");
        assert!(!batch.wait_for_git(Some(&lock)));
        assert!(!batch.wait_for_git(None));
    }
}
