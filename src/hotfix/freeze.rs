//! Freezes: while one holds, patches of a service, or of all, are refused or wait. They hold across restarts of the node.
//! And what else dropped files wait for.

use jiff::Timestamp;
use tracing::info;

use crate::hotfix::history::HistoryError;
use crate::hotfix::office::Office;
use crate::hotfix::record::{Event, EventKind, Freeze, Outcome, Subject};
use crate::hotfix::told::Told;
use crate::hotfix::waiting::Waits;

impl Office {
    /// Why patches of a service are not applied now, if they are not.
    pub fn frozen(&self, service: &str) -> Option<String> {
        let own = self.freezes.of(Some(service));
        own.or_else(|| self.freezes.of(None)).as_ref().map(refusal)
    }

    /// Why not everything may be restarted, if something is frozen.
    pub fn anything_frozen(&self) -> Option<String> {
        self.freezes.all().first().map(refusal)
    }

    /// Why the files of a service wait where they are, if they do.
    pub(super) fn reason_to_wait(&self, service: &str) -> Option<String> {
        self.frozen(service).or_else(|| {
            let is_nowhere = self.node.registry().of_service(service).is_empty();
            is_nowhere.then(|| format!("no instance of {service} is running"))
        })
    }

    /// The dropped files that wait, by service and name.
    pub(super) fn waits(&self) -> Vec<Waits> {
        let files = self.waiting.list().into_iter();
        let waits = files.filter_map(|(service, name)| {
            let why = self.reason_to_wait(&service)?;
            Some(Waits { service, name, why })
        });
        waits.collect()
    }

    /// Everything that is frozen.
    pub fn freezes(&self) -> Vec<Freeze> {
        self.freezes.all()
    }

    /// Freezes a service (its folder name), or all. Returns once the patches that were under way are through.
    ///
    /// # Errors
    /// When it is frozen already, or that cannot be written down.
    pub async fn freeze(&self, service: Option<String>, by: &str, reason: Option<String>) -> Result<Told, String> {
        let freeze = Freeze {
            service: service.clone(),
            since: Timestamp::now(),
            by: by.to_owned(),
            reason: reason.clone(),
        };
        if !self.freezes.begin(&freeze) {
            let held = self.freezes.of(service.as_deref()).unwrap_or(freeze);
            return Err(held.sentence());
        }
        if let Err(error) = self.write_freeze(EventKind::Frozen, &service, by, reason) {
            self.freezes.end(service.as_deref());
            return Err(format!("not frozen: {error}"));
        }
        let line = format!(
            "{}; dropped files wait; inject, restart and dev mode are refused",
            freeze.sentence()
        );
        let told = self.tell_freeze(service.clone(), line, Vec::new());
        self.pass_turns(service.as_deref()).await;
        Ok(told)
    }

    /// Ends a freeze: what waits goes at once.
    ///
    /// # Errors
    /// When it is not frozen, or that cannot be written down.
    pub fn unfreeze(&self, service: Option<String>, by: &str) -> Result<Told, String> {
        if self.freezes.of(service.as_deref()).is_none() {
            let others: Vec<String> = self.freezes().iter().map(Freeze::sentence).collect();
            let others = if others.is_empty() {
                String::new()
            } else {
                format!("; {}", others.join("; "))
            };
            return Err(format!("{} is not frozen{others}", Freeze::name(service.as_deref())));
        }
        self.write_freeze(EventKind::Unfrozen, &service, by, None)
            .map_err(|e| e.to_string())?;
        let waited = self.waits();
        self.freezes.end(service.as_deref());
        let go = |waits: &&Waits| self.reason_to_wait(&waits.service).is_none();
        let gone = waited.iter().filter(go);
        let notes = gone.map(|waits| format!("goes now: {}/{}", waits.service, waits.name));
        let notes = notes.collect();
        // They are offered again.
        self.node.announce();
        let left: Vec<String> = self.freezes().iter().map(Freeze::sentence).collect();
        let left = if left.is_empty() {
            String::new()
        } else {
            format!("; {} still", left.join("; "))
        };
        let line = format!(
            "{} is not frozen any more (by {by}){left}",
            Freeze::name(service.as_deref())
        );
        Ok(self.tell_freeze(service, line, notes))
    }

    fn tell_freeze(&self, service: Option<String>, line: String, notes: Vec<String>) -> Told {
        info!("[hotfix] {line}");
        let below: String = notes.iter().map(|note| format!("  {note}\n")).collect();
        Told {
            done: true,
            service: service.unwrap_or_default(),
            head: format!("[hotfix] {line}\n{below}"),
            summary: line,
            notes,
            ..Told::default()
        }
    }

    fn write_freeze(
        &self,
        kind: EventKind,
        service: &Option<String>,
        by: &str,
        reason: Option<String>,
    ) -> Result<(), HistoryError> {
        self.announce(&Event {
            kind,
            subject: service.clone().map_or(Subject::Node, Subject::Service),
            by: by.to_owned(),
            reason,
            outcome: Outcome::default(),
        })
    }
}

/// What a freeze says to whoever would change something.
fn refusal(freeze: &Freeze) -> String {
    let service = freeze.service.as_ref();
    let command = service.map_or("unfreeze".to_owned(), |service| format!("unfreeze {service}"));
    format!("{}; `{command}` lets patches in again", freeze.sentence())
}
