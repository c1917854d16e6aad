//! The dropped files of one service, one after the other.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{info, warn};

use crate::failpoint::failpoint;
use crate::hotfix::asker::Asker;
use crate::hotfix::bookkeeping::is_unchanged_since;
use crate::hotfix::books::RETRY;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::Parcel;
use crate::hotfix::record::{Origin, Target, Withdrawn};
use crate::patch::outcome::Status;
use crate::trust;
use crate::watch::{self, Settled, read_settled};

/// What lies in a tray.
pub enum Letter {
    /// A file came.
    Came(Settled),
    /// The file of this name, at this path, is gone.
    Left(String, PathBuf),
}

/// See the module.
pub struct Tray {
    office: Arc<Office>,
    letters: VecDeque<Letter>,
    /// How many letters say of a name that its file came.
    coming: HashMap<String, usize>,
    /// Files that were handled and stay where they are, by name: which file, with which content.
    handled: HashMap<String, ((u64, u64), String)>,
    /// Why a file could not be written down, as it was said last.
    troubles: HashMap<String, String>,
}

impl Tray {
    /// An empty one.
    pub fn new(office: Arc<Office>) -> Tray {
        Tray {
            office,
            letters: VecDeque::new(),
            coming: HashMap::new(),
            handled: HashMap::new(),
            troubles: HashMap::new(),
        }
    }

    /// Delivers what comes, until nothing can come any more.
    pub async fn serve(mut self, mut incoming: UnboundedReceiver<Letter>) {
        loop {
            if self.letters.is_empty() {
                let Some(letter) = incoming.recv().await else { return };
                self.put(letter);
            }
            while let Ok(letter) = incoming.try_recv() {
                self.put(letter);
            }
            match self.letters.pop_front() {
                Some(Letter::Came(file)) => self.open(file).await,
                // The next one is another, though a disk may give it the same number.
                Some(Letter::Left(name, path)) if !self.is_back(&name, &path) => self.forget(&name),
                Some(Letter::Left(..)) | None => {}
            }
        }
    }

    fn put(&mut self, letter: Letter) {
        if let Letter::Came(file) = &letter {
            *self.coming.entry(file.name.clone()).or_default() += 1;
        }
        self.letters.push_back(letter);
    }

    /// Whether the file that was handled is there after all: claimed for the archive, and given back since it had been saved over.
    fn is_back(&self, name: &str, path: &Path) -> bool {
        let known = self.handled.get(name);
        known.is_some_and(|(id, _)| watch::stamp(path).is_ok_and(|stamp| stamp.id() == *id))
    }

    fn forget(&mut self, name: &str) {
        self.handled.remove(name);
        self.troubles.remove(name);
    }

    async fn open(&mut self, file: Settled) {
        if self.comes_again(&file.name) {
            // What was saved last is what its author wants.
            return;
        }
        let turn = self.office.turn(&file.service).await;
        let here = watch::stamp(&file.path);
        // Taken back by its owner, or filed away with the version before it, which it was saved over.
        if matches!(&here, Err(error) if error.kind() == ErrorKind::NotFound) {
            self.forget(&file.name);
            return;
        }
        if self.is_done(&file) {
            return;
        }
        let (name, path) = (file.name.clone(), file.path.clone());
        let identity = (file.stamp.id(), file.sha256.clone());
        self.handled.remove(&name);
        if self.handle(file).await && path.exists() {
            self.handled.insert(name, identity);
        }
        drop(turn);
    }

    /// Whether another letter says of this name that its file came; the one in hand is counted out.
    fn comes_again(&mut self, name: &str) -> bool {
        let Some(count) = self.coming.get_mut(name) else {
            return false;
        };
        *count -= 1;
        let comes_again = *count > 0;
        if !comes_again {
            self.coming.remove(name);
        }
        comes_again
    }

    fn is_done(&self, file: &Settled) -> bool {
        if let Some((when, why)) = self.office.withdrawn(file) {
            return stays_withdrawn(&self.office, file, when, why);
        }
        let known = self.handled.get(&file.name);
        let is_known = known.is_some_and(|(id, sha256)| *id == file.stamp.id() && *sha256 == file.sha256);
        is_known || self.office.was_handled_before(file)
    }

    /// Delivers one file; false if it has to come again.
    async fn handle(&mut self, file: Settled) -> bool {
        failpoint!("read");
        let instances = self.office.node.registry().of_service(&file.service);
        if let Some(why) = self.office.reason_to_wait(&file.service) {
            wait(&self.office, file, &why);
            return false;
        }
        let (name, path, label) = (file.name.clone(), file.path.clone(), file.display.clone());
        let Some(bytes) = self.bytes(&file) else {
            self.office.look_again(&path);
            return false;
        };
        let error = match self.office.deliver(parcel(file, bytes), instances).await {
            Err(error) => error,
            Ok(told) => {
                self.troubles.remove(&name);
                // What has reached nobody comes again, if all that it is pending in end.
                return told.status != Some(Status::TimedOut);
            }
        };
        let why = error.to_string();
        if self.troubles.get(&name) != Some(&why) {
            warn!(
                "[hotfix] {label} is not applied: {why}; it is tried again every {} s",
                RETRY.as_secs()
            );
            self.troubles.insert(name, why);
        }
        self.retry(path);
        false
    }

    /// The file's content, read again: thousands may lie in a tray, so they do not lie there with their bytes. Nothing if it is another now.
    fn bytes(&self, file: &Settled) -> Option<Vec<u8>> {
        let limit = self.office.config.max_size;
        let read = tokio::task::block_in_place(|| read_settled(&file.path, limit)).ok()?;
        (hex::encode(read.sha256) == file.sha256).then_some(read.bytes)
    }

    fn retry(&self, path: PathBuf) {
        let office = self.office.clone();
        tokio::spawn(async move {
            tokio::time::sleep(RETRY).await;
            office.look_again(&path);
        });
    }
}

/// Whether a file with the bytes of a patch that was rolled back or retired is that patch's own, left there before: applied again only once
/// it is saved anew.
fn stays_withdrawn(office: &Office, file: &Settled, when: Timestamp, why: Withdrawn) -> bool {
    // Within one run the doorkeeper knows what was saved; the clocks of disks are not that exact.
    let is_left = [office.began, when]
        .into_iter()
        .all(|when| is_unchanged_since(file, when));
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

fn parcel(file: Settled, bytes: Vec<u8>) -> Parcel {
    Parcel {
        service: file.service,
        name: file.name,
        label: file.display,
        bytes,
        args: Vec::new(),
        by: Asker::patient(trust::owner(file.owner)),
        origin: Origin::Dropped,
        target: Target::All,
        path: Some(file.path),
        saved: Vec::new(),
    }
}
