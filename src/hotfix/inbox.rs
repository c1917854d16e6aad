//! Dropped files, as the watcher hands them over: each service's in their order, and services beside each other.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use crate::hotfix::asker::Asker;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::Parcel;
use crate::hotfix::record::{self, Origin, Target, Withdrawn};
use crate::watch::{self, Event, Settled};

/// How soon a file is offered again that could not be written into the history.
const RETRY: Duration = Duration::from_secs(5);

/// The inbox: what came.
pub struct Inbox {
    office: Arc<Office>,
    /// One queue per service, emptied by a task of its own.
    queues: HashMap<String, UnboundedSender<Letter>>,
    /// Takes what concerns source files, in dev mode.
    sources: Option<UnboundedSender<Event>>,
}

/// What a service's queue carries.
enum Letter {
    /// A file came.
    Came(Settled),
    /// The file of this name is gone.
    Left(String),
}

impl Inbox {
    /// An empty inbox. `sources`: takes what concerns source files, in dev mode.
    pub fn new(office: Arc<Office>, sources: Option<UnboundedSender<Event>>) -> Inbox {
        Inbox {
            office,
            queues: HashMap::new(),
            sources,
        }
    }

    /// Takes what the watcher reports until it stops.
    pub async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.take(event),
                    None => return,
                },
                () = self.office.node.instance_changes() => self.offer_waiting(),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Settled(file) => self.queue(file),
            Event::Refused { path, why } => info!("[hotfix] refused: {path} {why}"),
            Event::Gone { service, name } => {
                self.office.waiting.forget(service.clone(), name.clone());
                if let Some(queue) = self.queues.get(&service) {
                    // As below.
                    let _ = queue.send(Letter::Left(name));
                }
            }
            Event::Notice(text) => info!("[hotfix] {text}"),
            Event::Scanned => {}
            Event::Source(_) | Event::SourceGone { .. } | Event::SourcesScanned => {
                if let Some(sources) = &self.sources {
                    // Dev mode ends with the node.
                    let _ = sources.send(event);
                }
            }
        }
    }

    fn queue(&mut self, file: Settled) {
        let queue = self.queues.entry(file.service.clone()).or_insert_with(|| {
            let (queue, files) = unbounded_channel();
            tokio::spawn(serve(self.office.clone(), files));
            queue
        });
        // The task ends only with its queue.
        let _ = queue.send(Letter::Came(file));
    }

    /// Offers the files again that wait for nothing any more, in name order.
    fn offer_waiting(&self) {
        let Some(watcher) = self.office.watcher() else { return };
        let is_ready = |service: &str| self.office.reason_to_wait(service).is_none();
        for path in self.office.waiting.take(is_ready) {
            watcher.recheck(&path);
        }
    }
}

/// Delivers the files of one service, one after the other.
async fn serve(office: Arc<Office>, mut letters: UnboundedReceiver<Letter>) {
    let mut queue: VecDeque<Letter> = VecDeque::new();
    // Files that were handled and stay where they are, by name: which file, with which content.
    let mut handled: HashMap<String, ((u64, u64), String)> = HashMap::new();
    loop {
        if queue.is_empty() {
            let Some(letter) = letters.recv().await else { return };
            queue.push_back(letter);
        }
        while let Ok(letter) = letters.try_recv() {
            queue.push_back(letter);
        }
        let file = match queue.pop_front() {
            Some(Letter::Came(file)) => file,
            Some(Letter::Left(name)) => {
                // The next one is another, though a disk may give it the same number.
                handled.remove(&name);
                continue;
            }
            None => continue,
        };
        // Saved again already: what was saved last is what its author wants.
        let is_later = |letter: &Letter| matches!(letter, Letter::Came(later) if later.path == file.path);
        if queue.iter().any(is_later) {
            continue;
        }
        let turn = office.turn(&file.service).await;
        let here = watch::stamp(&file.path);
        // Taken back by its owner, or filed away with the version before it, which it was saved over.
        if matches!(&here, Err(error) if error.kind() == ErrorKind::NotFound) {
            handled.remove(&file.name);
            continue;
        }
        let identity = (file.stamp.id(), file.sha256.clone());
        let is_done = match office.withdrawn(&file) {
            None => handled.get(&file.name) == Some(&identity),
            Some((when, why)) => stays_withdrawn(&office, &file, when, why),
        };
        if is_done {
            continue;
        }
        let (name, path) = (file.name.clone(), file.path.clone());
        if handle(&office, file).await && path.exists() {
            handled.insert(name, identity);
        } else {
            handled.remove(&name);
        }
        drop(turn);
    }
}

/// Whether a file with the bytes of a patch that was rolled back or retired is that patch's own, left there before: applied again only once
/// it is saved anew.
fn stays_withdrawn(office: &Office, file: &Settled, when: Timestamp, why: Withdrawn) -> bool {
    let changed = i128::from(file.stamp.mtime_ns.max(file.stamp.ctime_ns));
    // Within one run the doorkeeper knows what was saved; the clocks of disks are not that exact.
    let is_left = changed < office.began.as_nanosecond() && changed <= when.as_nanosecond();
    if is_left {
        info!(
            "[hotfix] {} stays where it is: its patch was {}; save it anew to apply it again",
            file.display,
            why.word()
        );
        if let Some(watcher) = office.watcher() {
            watcher.renew(&file.path);
        }
    }
    is_left
}

/// Delivers one file; false if it has to come again.
async fn handle(office: &Arc<Office>, file: Settled) -> bool {
    let instances = office.node.registry().of_service(&file.service);
    if let Some(why) = office.reason_to_wait(&file.service) {
        wait(office, file, &why);
        return false;
    }
    let (path, label) = (file.path.clone(), file.display.clone());
    let Err(error) = office.deliver(parcel(file), instances).await else {
        return true;
    };
    warn!(
        "[hotfix] {label} is not applied: {error}; it is tried again in {} s",
        RETRY.as_secs()
    );
    let office = office.clone();
    tokio::spawn(async move {
        tokio::time::sleep(RETRY).await;
        if let Some(watcher) = office.watcher() {
            watcher.recheck(&path);
        }
    });
    false
}

/// The file waits where it is.
fn wait(office: &Office, file: Settled, why: &str) {
    let (service, name) = (file.service.clone(), file.name.clone());
    if office.waiting.hold(file, why) {
        info!("[hotfix] {service}/{name} waiting: {why}");
    }
    // That may have changed between the look and the note.
    if office.reason_to_wait(&service).is_none() {
        office.node.announce();
    }
}

fn parcel(file: Settled) -> Parcel {
    Parcel {
        service: file.service,
        name: file.name,
        label: file.display,
        bytes: file.bytes,
        args: Vec::new(),
        by: Asker::patient(record::owner(file.owner)),
        origin: Origin::Dropped,
        target: Target::All,
        path: Some(file.path),
        saved: Vec::new(),
    }
}
