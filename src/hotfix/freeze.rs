//! Freezes: while one holds, patches of a service, or of all, are refused or wait. They hold across restarts of the node.

use jiff::Timestamp;
use tracing::info;

use crate::hotfix::history::HistoryError;
use crate::hotfix::office::Office;
use crate::hotfix::record::{Event, EventKind, Freeze, Outcome, Subject};
use crate::hotfix::told::Told;

impl Office {
    /// Why patches of a service are not applied now, if they are not.
    pub fn frozen(&self, service: &str) -> Option<String> {
        let own = self.freezes.of(Some(service));
        let freeze = own.or_else(|| self.freezes.of(None))?;
        let command = freeze
            .service
            .as_ref()
            .map_or("unfreeze".to_owned(), |service| format!("unfreeze {service}"));
        Some(format!("{}; `{command}` lets patches in again", freeze.sentence()))
    }

    /// Everything that is frozen.
    pub fn freezes(&self) -> Vec<Freeze> {
        self.freezes.all()
    }

    /// Freezes a service (its folder name), or all.
    ///
    /// # Errors
    /// When it is frozen already, or that cannot be written down.
    pub async fn freeze(&self, service: Option<String>, by: &str, reason: Option<String>) -> Result<Told, String> {
        if let Some(freeze) = self.freezes.of(service.as_deref()) {
            return Err(freeze.sentence());
        }
        // What is under way is brought to its end.
        let _turn = match &service {
            Some(service) => Some(self.turn(service).await),
            None => None,
        };
        self.write_freeze(EventKind::Frozen, &service, by, reason.clone())
            .map_err(|e| e.to_string())?;
        let freeze = Freeze {
            service: service.clone(),
            since: Timestamp::now(),
            by: by.to_owned(),
            reason,
        };
        let line = format!(
            "{}; dropped files wait; inject, restart and dev mode are refused",
            freeze.sentence()
        );
        self.freezes.begin(freeze);
        Ok(self.tell_freeze(service, line))
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
        self.freezes.end(service.as_deref());
        // Dropped files that wait are offered again.
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
        Ok(self.tell_freeze(service, line))
    }

    fn tell_freeze(&self, service: Option<String>, line: String) -> Told {
        info!("[hotfix] {line}");
        Told {
            done: true,
            service: service.unwrap_or_default(),
            head: format!("[hotfix] {line}\n"),
            summary: line,
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
        self.write_event(&Event {
            kind,
            subject: service.clone().map_or(Subject::Node, Subject::Service),
            by: by.to_owned(),
            reason,
            outcome: Outcome::default(),
        })
    }
}
