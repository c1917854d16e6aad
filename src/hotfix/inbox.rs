//! Dropped files, as the watcher hands them over: each service's in their order, and services beside each other.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::info;

use crate::hotfix::office::Office;
use crate::hotfix::tray::{Letter, Tray};
use crate::watch::Event;

/// The inbox: what came.
pub struct Inbox {
    office: Arc<Office>,
    /// One tray per service, emptied by a task of its own.
    trays: HashMap<String, UnboundedSender<Letter>>,
    /// Takes what concerns source files, in dev mode.
    sources: Option<UnboundedSender<Event>>,
}

impl Inbox {
    /// An empty inbox. `sources`: takes what concerns source files, in dev mode.
    pub fn new(office: Arc<Office>, sources: Option<UnboundedSender<Event>>) -> Inbox {
        Inbox {
            office,
            trays: HashMap::new(),
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
            Event::Settled(file) => {
                let tray = self.trays.entry(file.service.clone()).or_insert_with(|| {
                    let (tray, letters) = unbounded_channel();
                    tokio::spawn(Tray::new(self.office.clone()).serve(letters));
                    tray
                });
                // The task ends only with its tray.
                let _ = tray.send(Letter::Came(file));
            }
            Event::Refused { path, why } => info!("[hotfix] refused: {path} {why}"),
            Event::Gone { service, name } => {
                if let Some(tray) = self.trays.get(&service) {
                    let path = self.office.config.dir.join(&service).join(&name);
                    // As above.
                    let _ = tray.send(Letter::Left(name.clone(), path));
                }
                self.office.waiting.forget(service, name);
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

    /// Offers the files again that wait for nothing any more, in name order.
    fn offer_waiting(&self) {
        let Some(watcher) = self.office.watcher() else { return };
        let is_ready = |service: &str| self.office.reason_to_wait(service).is_none();
        for path in self.office.waiting.take(is_ready) {
            watcher.recheck(&path);
        }
    }
}
