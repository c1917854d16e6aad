//! What has been said about each file, so that everything is said once: offered, refused, waited for, gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::watch::hints::Hint;
use crate::watch::read::{self, Contents, Entry, Look, Rules};
use crate::watch::stamp::Stamp;
use crate::watch::waiting::Waiting;
use crate::watch::{Event, Settled, Source};

/// A change that the sweep sees within this time may still be announced by an event that is on its way.
const EVENT_MAY_BE_LATE: Duration = Duration::from_millis(100);

/// Service folder and file name.
pub(super) type Key = (String, String);

/// Where a file is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Service folder and file name.
    pub key: Key,
    /// The service folder with every link resolved: where it is read.
    pub home: PathBuf,
    /// The path as the configuration spells it: what others are told.
    pub path: PathBuf,
    /// The path as people are told.
    pub display: String,
}

/// What was last offered under a name.
#[derive(Clone, Copy, Debug)]
struct Offered {
    id: (u64, u64),
    stamp: Stamp,
    sha256: [u8; 32],
    /// What was offered counts no more: the next save is news.
    renewed: bool,
}

impl Offered {
    /// Whether the same bytes in a file of this state are news.
    fn is_saved_anew(&self, stamp: &Stamp) -> bool {
        self.renewed && self.stamp.mtime_ns != stamp.mtime_ns
    }
}

/// What the files of a ledger are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Patches in the drop folder.
    Patches,
    /// Source files.
    Sources,
}

/// The doorkeeper's memory, and the only sender of its events about files.
pub(super) struct Ledger {
    files: Files,
    rules: Rules,
    events: UnboundedSender<Event>,
    halt: Arc<AtomicBool>,
    /// Names that were offered and not yet reported gone; `None` once the offer is to be repeated.
    offered: BTreeMap<Key, Option<Offered>>,
    waiting: BTreeMap<Key, Waiting>,
    /// Of source files that were offered: how others are told where they are.
    places: BTreeMap<Key, (PathBuf, String)>,
    /// By path relative to the root, because a refused name need not be text.
    refused: BTreeMap<PathBuf, (Stamp, String)>,
    /// During the first scan: offers held back until they can go out in the order of their names.
    held: Option<BTreeMap<Key, Settled>>,
    finds: Vec<String>,
}

impl Ledger {
    /// An empty memory. Patches are held back until [`release`](Self::release).
    pub(super) fn new(files: Files, rules: Rules, events: UnboundedSender<Event>, halt: Arc<AtomicBool>) -> Self {
        Self {
            files,
            places: BTreeMap::new(),
            rules,
            events,
            halt,
            offered: BTreeMap::new(),
            waiting: BTreeMap::new(),
            refused: BTreeMap::new(),
            held: (files == Files::Patches).then(BTreeMap::new),
            finds: Vec::new(),
        }
    }

    /// Looks at one file and says what is new about it; where the file is that it leads to, if it is a link.
    pub(super) fn look(&mut self, place: &Place, hint: Hint) -> Option<PathBuf> {
        let relative = Path::new(&place.key.0).join(&place.key.1);
        if hint == Hint::Attributes && !self.refused.contains_key(&relative) {
            // Only a refusal can be cured by new permissions; a touched file is closed as well.
            return None;
        }
        let entry = match read::entry(&place.home, &place.key.1, &self.rules) {
            Ok(entry) => entry,
            Err(look) => {
                self.conclude(place, &relative, None, look, hint);
                return None;
            }
        };
        let target = entry.link_target();
        if hint == Hint::Sweep && self.is_old_news(&place.key, &relative, &entry) {
            return target;
        }
        let steady = self.waiting.get(&place.key).and_then(Waiting::steady);
        let look = read::contents(&entry, &self.rules, hint == Hint::Closed, steady);
        self.conclude(place, &relative, Some(&entry), look, hint);
        target
    }

    /// Forgets what was offered of this file, so that the next look offers it again.
    pub(super) fn recheck(&mut self, key: &Key) {
        self.refused.remove(&Path::new(&key.0).join(&key.1));
        if let Some(offered) = self.offered.get_mut(key) {
            *offered = None;
        }
    }

    /// The file that was offered has been taken away by the post room. What has been offered since is another file.
    /// `home`: its service folder, if that is still there.
    pub(super) fn forget(&mut self, key: &Key, home: Option<&Path>) {
        let entry = home.and_then(|home| read::entry(home, &key.1, &self.rules).ok());
        let is_there =
            |offered: &Option<Offered>| offered.is_some_and(|it| entry.is_some_and(|entry| entry.id == it.id));
        if !self.offered.get(key).is_some_and(is_there) {
            self.offered.remove(key);
        }
    }

    /// Every source file that was there has been offered.
    pub(super) fn sources_scanned(&self) {
        self.say(Event::SourcesScanned);
    }

    /// The next save of this file is news, whatever its bytes.
    pub(super) fn renew(&mut self, key: &Key) {
        if let Some(Some(offered)) = self.offered.get_mut(key) {
            offered.renewed = true;
        }
    }

    /// Refuses a path (relative to the root): once for this file and this reason. That it grows or is touched is no news.
    pub(super) fn refuse(&mut self, relative: PathBuf, display: &str, stamp: Stamp, why: &str) {
        let is_known = |(known, reason): &(Stamp, String)| known.id() == stamp.id() && reason == why;
        let is_news = !self.refused.get(&relative).is_some_and(is_known);
        self.refused.insert(relative, (stamp, why.to_owned()));
        if is_news {
            self.say_refused(display, why.to_owned());
        }
    }

    /// Says that a path is refused; whoever calls this remembers that it was said.
    pub(super) fn say_refused(&self, display: &str, why: String) {
        let path = display.to_owned();
        self.say(Event::Refused { path, why });
    }

    /// Whether this path was refused.
    pub(super) fn is_refused(&self, relative: &Path) -> bool {
        self.refused.contains_key(relative)
    }

    /// What was refused there is well, or not there any more.
    pub(super) fn accept(&mut self, relative: &Path) {
        self.refused.remove(relative);
    }

    /// Forgets the refusals in one directory (relative to the root) of names that are no longer there.
    pub(super) fn forget_refusals(&mut self, directory: &Path, present: &BTreeSet<OsString>) {
        self.refused.retain(|path, _| {
            path.parent() != Some(directory) || path.file_name().is_some_and(|name| present.contains(name))
        });
    }

    /// The file is not there (any more).
    pub(super) fn gone(&mut self, key: &Key) {
        self.waiting.remove(key);
        self.refused.remove(&Path::new(&key.0).join(&key.1));
        let was_offered = self.offered.remove(key).is_some();
        let was_held = self.held.as_mut().is_some_and(|held| held.remove(key).is_some());
        if !was_offered || was_held {
            return;
        }
        if let Some((path, display)) = self.places.remove(key) {
            return self.say(Event::SourceGone { path, display });
        }
        let (service, name) = key.clone();
        self.say(Event::Gone { service, name });
    }

    /// Nothing of this service is there any more.
    pub(super) fn service_gone(&mut self, service: &str) {
        for name in self.names(service) {
            self.gone(&(service.to_owned(), name));
        }
        self.refused.retain(|path, _| path.parent() != Some(Path::new(service)));
    }

    /// The services of which something is remembered.
    pub(super) fn services(&self) -> BTreeSet<String> {
        self.offered
            .keys()
            .chain(self.waiting.keys())
            .map(|(service, _)| service.clone())
            .collect()
    }

    /// The names in one service of which something is remembered.
    pub(super) fn names(&self, service: &str) -> BTreeSet<String> {
        let from = (service.to_owned(), String::new());
        let offered = self.offered.range(&from..).map(|(key, _)| key);
        let offered = offered.take_while(|key| key.0 == service);
        let waiting = self.waiting.range(&from..).map(|(key, _)| key);
        let waiting = waiting.take_while(|key| key.0 == service);
        offered.chain(waiting).map(|key| key.1.clone()).collect()
    }

    /// The files in one folder and those below it of which something is remembered.
    pub(super) fn keys_below(&self, folder: &str) -> BTreeSet<Key> {
        let from = (folder.to_owned(), String::new());
        let offered = self.offered.range(&from..).map(|(key, _)| key);
        let offered = offered.take_while(|key| key.0.starts_with(folder));
        let waiting = self.waiting.range(&from..).map(|(key, _)| key);
        let waiting = waiting.take_while(|key| key.0.starts_with(folder));
        let is_below = |key: &&Key| Path::new(&key.0).starts_with(folder);
        offered.chain(waiting).filter(is_below).cloned().collect()
    }

    /// When the next file is due for another look.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().filter_map(Waiting::due).min()
    }

    /// The files that are due for another look now.
    pub(super) fn due_now(&self) -> Vec<Key> {
        let now = Instant::now();
        let due = |(_, waiting): &(&Key, &Waiting)| waiting.due().is_some_and(|due| due <= now);
        self.waiting.iter().filter(due).map(|(key, _)| key.clone()).collect()
    }

    /// Whether a file that may well be ready is only waiting for its stamp to prove steady.
    pub(super) fn is_steadying(&self) -> bool {
        self.waiting.values().any(Waiting::is_steadying)
    }

    /// Ends the first scan: what was held back goes out in order. Later calls do nothing.
    pub(super) fn release(&mut self) {
        if let Some(held) = self.held.take() {
            for settled in held.into_values() {
                self.say(Event::Settled(settled));
            }
            self.say(Event::Scanned);
        }
    }

    /// Whether the first scan is still going on.
    pub(super) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Files that a sweep offered although no event had announced them, since the last call.
    pub(super) fn take_finds(&mut self) -> Vec<String> {
        std::mem::take(&mut self.finds)
    }

    /// Says something for the log.
    pub(super) fn notice(&self, text: String) {
        self.say(Event::Notice(text));
    }

    /// Whether everything is to stop: the owner has left, or nobody listens any more.
    pub(super) fn is_halted(&self) -> bool {
        self.halt.load(Ordering::Relaxed) || self.events.is_closed()
    }

    fn is_old_news(&self, key: &Key, relative: &Path, entry: &Entry) -> bool {
        let is_offered =
            |offered: &Option<Offered>| offered.is_some_and(|it| it.id == entry.id && it.stamp == entry.stamp);
        let is_refused = |(stamp, _): &(Stamp, String)| *stamp == entry.stamp;
        self.offered.get(key).is_some_and(is_offered) || self.refused.get(relative).is_some_and(is_refused)
    }

    fn conclude(&mut self, place: &Place, relative: &Path, entry: Option<&Entry>, look: Look, hint: Hint) {
        let is_nowhere = entry.is_none() && matches!(look, Look::Missing | Look::Refused { .. });
        match look {
            _ if is_nowhere && self.may_come_back(&place.key) => self.wait(place, &Look::Missing),
            Look::Missing => self.gone(&place.key),
            Look::Refused { why, stamp } => {
                self.waiting.remove(&place.key);
                let now = entry.map(|entry| entry.id);
                let is_other = |offered: &Option<Offered>| offered.is_none_or(|offered| now != Some(offered.id));
                if self.offered.get(&place.key).is_some_and(is_other) {
                    self.gone(&place.key);
                }
                self.refuse(relative.to_owned(), &place.display, stamp, &why);
            }
            Look::Settled(contents) => {
                self.waiting.remove(&place.key);
                self.refused.remove(relative);
                let id = entry.map_or(contents.stamp.id(), |entry| entry.id);
                self.offer(place, id, contents, hint);
            }
            look => self.wait(place, &look),
        }
    }

    /// Some programs save a file by removing it first: so a source file is said to be gone only if it stays so for a moment.
    fn may_come_back(&self, key: &Key) -> bool {
        let is_over = |waiting: &Waiting| waiting.is_away_for_good(Instant::now());
        self.files == Files::Sources && self.offered.contains_key(key) && !self.waiting.get(key).is_some_and(is_over)
    }

    fn wait(&mut self, place: &Place, look: &Look) {
        let now = Instant::now();
        let waiting = Waiting::next(self.waiting.remove(&place.key), look, now);
        if let Some(mut waiting) = waiting {
            if let Some(text) = waiting.notice(&place.display, now) {
                self.notice(text);
            }
            self.waiting.insert(place.key.clone(), waiting);
        }
    }

    fn offer(&mut self, place: &Place, id: (u64, u64), contents: Contents, hint: Hint) {
        let Contents {
            bytes,
            sha256,
            owner,
            stamp,
        } = contents;
        let last = self.offered.get(&place.key).copied().flatten();
        // Another file of a patch's name is another patch; a source file is what it says.
        let is_same = |last: &Offered| last.id == id || self.files == Files::Sources;
        let known = last.filter(|last| is_same(last) && last.sha256 == sha256 && !last.is_saved_anew(&stamp));
        let offered = Offered {
            id,
            stamp,
            sha256,
            renewed: known.is_some_and(|known| known.renewed),
        };
        self.offered.insert(place.key.clone(), Some(offered));
        if known.is_some() {
            return;
        }
        if hint == Hint::Sweep && stamp.age() > EVENT_MAY_BE_LATE {
            self.finds.push(place.display.clone());
        }
        if self.files == Files::Sources {
            let (path, display) = (place.path.clone(), place.display.clone());
            self.places.insert(place.key.clone(), (path.clone(), display.clone()));
            return self.say(Event::Source(Source {
                path,
                display,
                bytes,
                stamp,
            }));
        }
        let (service, name) = place.key.clone();
        let settled = Settled {
            service,
            name,
            path: place.path.clone(),
            display: place.display.clone(),
            sha256: hex::encode(sha256),
            owner,
            stamp,
        };
        match &mut self.held {
            Some(held) => {
                held.insert(place.key.clone(), settled);
            }
            None => self.say(Event::Settled(settled)),
        }
    }

    fn say(&self, event: Event) {
        // Nobody listening is the end, which `is_halted` tells the thread.
        let _ = self.events.send(event);
    }
}
