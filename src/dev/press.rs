//! What keys do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dev::keys::Key;
use crate::dev::session::Session;
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
        let behind = self.sources().behind(&newest);
        let all = self.office.node.registry().all();
        self.say(&tell::instances(self.style, &all, &behind, &self.restarts));
    }

    async fn undo(&mut self) {
        let Some(save) = self.saves.pop() else {
            return self.say(&self.style.line("no save that could be taken back"));
        };
        for (service, id) in &save.patches {
            let taken_back = self.office.roll_back(service, Wanted::One(*id), &self.config.by).await;
            if let Err(why) = taken_back {
                self.say(&self.style.ask(&format!("not taken back: {why}")));
            }
        }
        self.say(&self.style.line(&format!(
            "undone: {}; the file on the disk is as you saved it, and saved once more it is applied again",
            save.names
        )));
    }

    /// Restarts what needs it, else what was saved last.
    async fn restart(&mut self) {
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
                Ok(restarted) if restarted.done => drop(self.restarts.remove(&service)),
                Ok(_) => {}
                Err(why) => self.say(&self.style.ask(&format!("{service} is not restarted: {why}"))),
            }
        }
        self.saves.clear();
    }

    async fn restart_everything(&mut self) {
        self.say(&self.style.line("restarting everything"));
        match (self.restart_all)().await {
            Ok(()) => self.say(&self.style.line("restarted")),
            Err(why) => self.say(&self.style.ask(&why)),
        }
        self.restarts.clear();
        self.saves.clear();
    }
}
