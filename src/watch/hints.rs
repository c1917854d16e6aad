//! What the operating system says about the directories, reduced to hints; the only file that knows `notify`.
//! A hint is never believed: it only says where to look.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::watch::SourceRoot;

/// Only inotify says when a writer closes a file; elsewhere every change is a reason to look.
const CLOSE_IS_REPORTED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Why a file or directory is looked at. Of several reasons the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hint {
    /// Permissions or times changed.
    Attributes,
    /// Nothing in particular happened: the regular sweep.
    Sweep,
    /// A file that was not ready is due for another look.
    Timer,
    /// Something was removed or renamed away.
    Left,
    /// Something was made, renamed or (where closes are not reported) changed.
    Appeared,
    /// The directory is new or events were lost: believe nothing that was known.
    Scan,
    /// A writer has just closed the file.
    Closed,
}

/// What wakes the doorkeeper's thread.
#[derive(Debug)]
pub(super) enum Signal {
    /// Something happened to this path.
    Touched(PathBuf, Hint),
    /// Events were lost, for the reason given.
    Lost(String),
    /// Offer this file again.
    Recheck(PathBuf),
    /// This file was taken away.
    Forget(PathBuf),
    /// The next save of this file is news, whatever its bytes.
    Renew(PathBuf),
    /// Watch this source tree as well.
    AddSource(SourceRoot),
    /// The end.
    Stop,
}

/// Why a directory cannot be watched.
#[derive(Debug)]
pub(super) enum Blind {
    /// The limit on watches is reached.
    Limit,
    /// Anything else; usually the directory went away meanwhile.
    Other,
}

/// The set of watched directories, each without its subdirectories.
pub(super) struct Eyes {
    signals: Sender<Signal>,
    watcher: Option<RecommendedWatcher>,
    /// Which directory is watched under each path, and for how many: the one above the drop folder may be one of the sources.
    watching: HashMap<PathBuf, ((u64, u64), usize)>,
}

impl Eyes {
    /// Closed eyes: nothing is watched before [`open`](Self::open).
    pub(super) fn new(signals: Sender<Signal>) -> Self {
        Self {
            signals,
            watcher: None,
            watching: HashMap::new(),
        }
    }

    /// Begins anew, with nothing watched.
    pub(super) fn open(&mut self) -> Result<(), String> {
        // The old one goes first: the number of inotify instances is limited.
        self.watcher = None;
        self.watching.clear();
        let signals = self.signals.clone();
        let pass_on = move |event| translate(event, &signals);
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(pass_on, config).map_err(|error| error.to_string())?;
        self.watcher = Some(watcher);
        Ok(())
    }

    /// Whether there is anything that could watch.
    pub(super) fn are_open(&self) -> bool {
        self.watcher.is_some()
    }

    /// Watches the directory with this number at this (canonical) path, whatever was watched under that path before.
    pub(super) fn watch(&mut self, path: &Path, id: (u64, u64)) -> Result<(), Blind> {
        let Some(watcher) = &mut self.watcher else {
            return Err(Blind::Other);
        };
        match self.watching.get_mut(path) {
            // Watching it anew would lose what it has to tell the others.
            Some((known, number)) if *known == id => {
                *number += 1;
                return Ok(());
            }
            Some(_) => {
                let _ = watcher.unwatch(path);
            }
            None => {}
        }
        self.watching.remove(path);
        watcher
            .watch(path, RecursiveMode::NonRecursive)
            .map_err(|error| match error.kind {
                ErrorKind::MaxFilesWatch => Blind::Limit,
                _ => Blind::Other,
            })?;
        self.watching.insert(path.to_owned(), (id, 1));
        Ok(())
    }

    /// Stops watching the directory with this number at this path, unless somebody else watches it, too.
    pub(super) fn unwatch(&mut self, path: &Path, id: (u64, u64)) {
        let Some((_, number)) = self.watching.get_mut(path).filter(|(known, _)| *known == id) else {
            return;
        };
        *number -= 1;
        if *number > 0 {
            return;
        }
        self.watching.remove(path);
        if let Some(watcher) = &mut self.watcher {
            // Most often the watch has already ended with its directory; both is well.
            let _ = watcher.unwatch(path);
        }
    }
}

/// Names the limit on watches with its present value, where the system tells.
pub(super) fn limit_on_watches() -> String {
    let limits = [
        ("fs.inotify.max_user_watches", "/proc/sys/fs/inotify/max_user_watches"),
        ("user.max_inotify_watches", "/proc/sys/user/max_inotify_watches"),
    ];
    let known: Vec<String> = limits
        .iter()
        .filter_map(|(name, path)| Some(format!("{name} = {}", fs::read_to_string(path).ok()?.trim())))
        .collect();
    if known.is_empty() {
        "the system's limit".to_owned()
    } else {
        known.join(", ")
    }
}

/// Runs on notify's own thread: it only sends, so that the kernel's queue never fills because of us.
fn translate(event: notify::Result<notify::Event>, signals: &Sender<Signal>) {
    // A failed send means that the doorkeeper is gone, and this watcher with it.
    match event {
        Err(error) => {
            let _ = signals.send(Signal::Lost(error.to_string()));
        }
        Ok(event) if event.need_rescan() => {
            let _ = signals.send(Signal::Lost(
                "more happened at once than the system's queue holds".to_owned(),
            ));
        }
        Ok(event) => {
            if let Some(hint) = hint_of(&event.kind) {
                for path in event.paths {
                    let _ = signals.send(Signal::Touched(path, hint));
                }
            }
        }
    }
}

/// Our own reading makes Open events: those must not become work, or the doorkeeper would wake itself for ever.
fn hint_of(kind: &EventKind) -> Option<Hint> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Hint::Closed),
        EventKind::Access(_) => None,
        EventKind::Create(_) => Some(Hint::Appeared),
        EventKind::Remove(_) => Some(Hint::Left),
        // Both halves have been reported by themselves.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Some(Hint::Left),
        EventKind::Modify(ModifyKind::Name(_)) => Some(Hint::Appeared),
        EventKind::Modify(ModifyKind::Metadata(_)) => Some(Hint::Attributes),
        _ if CLOSE_IS_REPORTED => None,
        _ => Some(Hint::Appeared),
    }
}

#[cfg(test)]
mod tests {
    use super::{Hint, Signal, hint_of, limit_on_watches, translate};
    use notify::event::{AccessKind, AccessMode, CreateKind, Flag, ModifyKind, RenameMode};
    use notify::{Event, EventKind};
    use std::sync::mpsc::channel;

    #[test]
    fn what_counts_as_a_hint() {
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        for (kind, hint) in [
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                Some(Hint::Closed),
            ),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (EventKind::Create(CreateKind::File), Some(Hint::Appeared)),
            (name(RenameMode::To), Some(Hint::Appeared)),
            (name(RenameMode::From), Some(Hint::Left)),
            (name(RenameMode::Both), None),
        ] {
            assert_eq!(hint_of(&kind), hint, "{kind:?}");
        }
    }

    #[test]
    fn an_overflow_is_a_loss() {
        let (sender, receiver) = channel();
        translate(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), &sender);
        assert!(matches!(receiver.try_recv(), Ok(Signal::Lost(_))));
        translate(Err(notify::Error::generic("broken")), &sender);
        assert!(matches!(receiver.try_recv(), Ok(Signal::Lost(why)) if why.contains("broken")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_limit_has_a_name() {
        assert!(limit_on_watches().contains("max_user_watches = "));
    }
}
