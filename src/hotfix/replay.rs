//! At start: the patches that were live when the node ended go to the new instances again, unless their source has changed.

use std::sync::{Arc, OnceLock};

use tracing::info;

use crate::hotfix::history::HistoryError;
use crate::hotfix::office::Office;
use crate::hotfix::record::{self, Active, EventKind};
use crate::patch::order::{Patch, PatchText};
use crate::patch::report::count;
use crate::patch::source::Source;

impl Office {
    /// Lets every live patch of the last run stand for the instances to come, and files what was not filed.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn replay(self: &Arc<Self>) -> Result<(), HistoryError> {
        for record in self.books(|books| books.history.unarchived())? {
            let path = self.config.dir.join(&record.service).join(&record.name);
            let dropped = (record.origin == record::Origin::Dropped).then_some(path);
            self.file_away_or_retry(record.id, &format!("{}/{}", record.service, record.name), dropped);
        }
        self.retire_saved(None)?;
        let active = self.books(|books| books.history.active(None))?;
        if !self.config.replay {
            if !active.is_empty() {
                info!(
                    "[hotfix] {} not applied again (replay is off)",
                    count(active.len(), "live patch")
                );
            }
            return Ok(());
        }
        for patch in active {
            match self.changed_source(&patch) {
                Some(file) => self.retire(&patch.service, &patch.name, patch.id.0, &file),
                None => self.bring_back(patch),
            }
        }
        Ok(())
    }

    /// Saved source files are no patches that live on: whoever starts reads the files. Of a service that began anew, or of all.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn retire_saved(&self, service: Option<&str>) -> Result<(), HistoryError> {
        let active = self.books(|books| books.history.active(service))?;
        for patch in active.iter().filter(|patch| patch.origin == record::Origin::Source) {
            let why = "it was a saved source file, which is read anew at every start".to_owned();
            self.event(EventKind::Retired, patch.id.0, Some(why));
        }
        Ok(())
    }

    /// The first file that is not what it was when the patch was applied. One that is gone has changed, too.
    fn changed_source(&self, patch: &Active) -> Option<String> {
        let changed = patch.sources.iter().find(|source| {
            let now = std::fs::read(self.config.base.join(&source.file));
            now.map_or(true, |bytes| record::sha256(&bytes) != source.sha256)
        });
        changed.map(|source| source.file.clone())
    }

    fn bring_back(&self, active: Active) {
        let Ok(source) = Source::new(&active.bytes) else { return };
        let label = format!("{}/{}/{}", self.config.label, active.service, active.name);
        let patch = Arc::new(Patch {
            id: active.id.0,
            texts: vec![PatchText::dropped(label, source)],
            service: active.service,
            name: active.name,
            sha256: active.sha256,
            args: Vec::new(),
            forced: false,
            sources: OnceLock::from(active.sources),
        });
        self.replayed.lock().insert(patch.id);
        self.standing.post(&patch);
        self.standing.confirm(&patch);
        self.event(EventKind::Replayed, patch.id, None);
    }
}
