//! What keys do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::warn;

use crate::dev::keys::Key;
use crate::dev::session::{Save, Session};
use crate::dev::tell;
use crate::hotfix::choice::Wanted;

impl Session {
    pub(super) async fn press(&mut self, key: Key) {
        match key {
            Key::Restart => self.restart().await,
            Key::RestartAll => self.restart_everything().await,
            Key::Diff => self.show_diff(),
            Key::List => self.list(),
            Key::Undo => self.undo().await,
            Key::Help | Key::Quit => self.greet(),
        }
    }

    fn show_diff(&self) {
        if self.last_diff.is_empty() {
            return self.say(&self.style.line("nothing was saved yet"));
        }
        self.say(&self.style.diff(&self.last_diff, None));
    }

    fn list(&self) {
        let newest: HashMap<PathBuf, Arc<[u8]>> = self
            .seen
            .values()
            .map(|seen| (seen.canonical.clone(), seen.text.clone()))
            .collect();
        let registry = self.office.node.registry();
        let mut behind = self.sources().behind(&newest);
        // A VM may outlive its instance for a moment.
        behind.retain(|usage| registry.get(usage.handle).is_some());
        let all = registry.all();
        self.say(&tell::instances(self.style, &all, &behind, &self.restarts));
    }

    async fn undo(&mut self) {
        let Some(save) = self.saves.pop() else {
            return self.say(&self.style.line("no save that could be taken back"));
        };
        let mut left = Vec::new();
        for (service, id) in save.patches {
            let taken_back = self.office.roll_back(&service, Wanted::One(id), &self.config.by).await;
            match taken_back {
                Ok(told) if told.done => {}
                // The refusal is in the log, with its reasons.
                Ok(_) => left.push((service, id)),
                Err(why) => {
                    self.say(&self.style.ask(&format!("not taken back: {why}")));
                }
            }
        }
        if !left.is_empty() {
            let services: Vec<&str> = left.iter().map(|(service, _)| service.as_str()).collect();
            let text = format!("not taken back in {}: {}", services.join(", "), save.names);
            self.say(&self.style.ask(&text));
            self.saves.push(Save { patches: left, ..save });
            return;
        }
        save.files.iter().for_each(|path| self.forget_pending(path));
        self.say(&self.style.line(&format!(
            "undone: {}; what is on the disk stays, and saved once more it is applied again",
            save.names
        )));
    }

    /// Restarts what needs it, else what was saved last.
    async fn restart(&mut self) {
        let registry = self.office.node.registry();
        self.restarts
            .retain(|service, _| !registry.of_service(service).is_empty());
        let services: Vec<String> = match self.restarts.is_empty() {
            true => self.last_services.clone(),
            false => self.restarts.keys().cloned().collect(),
        };
        if services.is_empty() {
            return self.say(
                &self
                    .style
                    .line("nothing was saved that could be restarted; R restarts everything"),
            );
        }
        for service in services {
            match self.office.restart(&service, &self.config.by).await {
                Ok(restarted) if restarted.done => self.forget_saves(&service),
                Ok(_) => {}
                Err(why) => self.say(&self.style.ask(&format!("{service} is not restarted: {why}"))),
            }
        }
    }

    /// A service has begun anew from its files: there is nothing to take back in it, and nothing to restart it for.
    fn forget_saves(&mut self, service: &str) {
        self.restarts.remove(service);
        self.pending.remove(service);
        for save in &mut self.saves {
            save.patches.retain(|(of, _)| of != service);
        }
        self.saves.retain(|save| !save.patches.is_empty());
    }

    async fn restart_everything(&mut self) {
        if let Some(why) = self.office.anything_frozen() {
            return self.say(&self.style.ask(&format!("nothing is restarted: {why}")));
        }
        self.say(&self.style.line("restarting everything"));
        match (self.restart_all)().await {
            Ok(()) => self.say(&self.style.line("restarted")),
            Err(why) => self.say(&self.style.ask(&format!("{why}; mend it and press R again"))),
        }
        if let Err(error) = self.office.retire_saved(None) {
            warn!("{error}");
        }
        self.restarts.clear();
        self.pending.clear();
        self.saves.clear();
    }
}
