//! One session of dev mode: what is known of the source files, what was saved, what waits for a restart; saves and keys, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tracing::info;

use crate::dev::batch::{Batch, git_lock};
use crate::dev::keys::Key;
use crate::dev::tell::{self, Part, Style};
use crate::hotfix::asker::Asker;
use crate::hotfix::office::Office;
use crate::hotfix::record::PatchId;
use crate::hotfix::saved::{SavedOutcome, is_about};
use crate::hotfix::sources::{Concerned, Sources, canonical};
use crate::patch::report::count;
use crate::patch::source::Source;
use crate::watch::Event;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The project's directory.
    pub base: PathBuf,
    /// What is said has colours.
    pub colour: bool,
    /// What is watched, as messages name it.
    pub watched: Vec<String>,
    /// Who saves, for the history.
    pub by: Asker,
}

/// Restarts the whole program.
pub type RestartAll = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What a session works with.
pub struct Parts {
    /// The post room, in dev mode.
    pub office: Arc<Office>,
    /// What the doorkeeper reports of source files.
    pub events: UnboundedReceiver<Event>,
    /// The keyboard, if there is one.
    pub keys: Option<UnboundedReceiver<Key>>,
    /// See there.
    pub restart_all: RestartAll,
}

/// Texts by canonical path.
type Texts = BTreeMap<PathBuf, Arc<[u8]>>;

/// A source file as it was seen last.
pub(super) struct Seen {
    pub(super) canonical: PathBuf,
    pub(super) text: Arc<[u8]>,
}

/// A save that was applied somewhere, and can be taken back.
pub(super) struct Save {
    pub(super) names: String,
    /// By canonical path.
    pub(super) files: Vec<PathBuf>,
    pub(super) patches: Vec<(String, PatchId)>,
}

/// How recently a file must have come to its name to be called new (a tree that is watched from now on has old files).
const NEW: Duration = Duration::from_secs(10);

pub(super) struct Session {
    pub(super) config: Config,
    pub(super) style: Style,
    pub(super) office: Arc<Office>,
    pub(super) restart_all: RestartAll,
    pub(super) git: Option<PathBuf>,
    /// By path as the doorkeeper spells it.
    pub(super) seen: HashMap<PathBuf, Seen>,
    /// The first scan is over.
    pub(super) scanned: bool,
    pub(super) saves: Vec<Save>,
    /// The services of the last save.
    pub(super) last_services: Vec<String>,
    pub(super) last_diff: String,
    /// By service, what it needs a restart for.
    pub(super) restarts: BTreeMap<String, Vec<String>>,
    /// By service, files that some instance has not taken: they are tried again with the next save.
    pub(super) pending: BTreeMap<String, Texts>,
}

/// Passes keys on, but for the one that ends the node: whatever is under way, nobody has to wait for it.
fn quit_at_once(office: Arc<Office>, mut keys: UnboundedReceiver<Key>) -> UnboundedReceiver<Key> {
    let (sender, others) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(key) = keys.recv().await {
            if key == Key::Quit {
                office.node.request_stop(0);
            } else if sender.send(key).is_err() {
                return;
            }
        }
    });
    others
}

/// Serves saves and keys until the doorkeeper stops.
pub async fn run(config: Config, parts: Parts) {
    let Parts {
        office,
        mut events,
        keys,
        restart_all,
    } = parts;
    let mut keys = keys.map(|keys| quit_at_once(office.clone(), keys));
    let style = Style {
        colour: config.colour,
        keys: keys.is_some(),
    };
    let mut session = Session {
        git: git_lock(&config.base),
        config,
        style,
        office,
        restart_all,
        seen: HashMap::new(),
        scanned: false,
        saves: Vec::new(),
        last_services: Vec::new(),
        last_diff: String::new(),
        restarts: BTreeMap::new(),
        pending: BTreeMap::new(),
    };
    let mut batch = Batch::default();
    loop {
        let due = batch.due();
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::SourcesScanned) => session.scanned(std::mem::take(&mut batch)).await,
                Some(event) => batch.take(event),
                None => return,
            },
            () = at(due), if session.scanned => {
                if !batch.wait_for_git(session.git.as_deref()) {
                    session.save(std::mem::take(&mut batch)).await;
                }
            }
            Some(key) = next(&mut keys) => session.press(key).await,
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn next(keys: &mut Option<UnboundedReceiver<Key>>) -> Option<Key> {
    match keys {
        Some(keys) => keys.recv().await,
        None => std::future::pending().await,
    }
}

impl Session {
    pub(super) fn say(&self, lines: &str) {
        let painted = self.config.colour;
        info!(painted, "{}", lines.trim_end_matches('\n'));
    }

    pub(super) fn sources(&self) -> &Sources {
        // Dev mode is what makes the post room keep them.
        self.office.sources.as_ref().expect("the post room is in dev mode")
    }

    pub(super) fn greet(&self) {
        let keys = if self.style.keys {
            "; keys: r restart, R restart all, d diff, l instances, u undo, q quit"
        } else {
            ""
        };
        self.say(&self.style.line(&format!(
            "saved files of {} are applied{keys}",
            self.config.watched.join(", ")
        )));
    }

    /// Takes note of what is there; the number of files that are new.
    fn note(&mut self, batch: &Batch) -> (Texts, Vec<String>) {
        let (mut saved, mut new) = (BTreeMap::new(), Vec::new());
        for (path, source) in &batch.saved {
            let text: Arc<[u8]> = match Source::new(&source.bytes) {
                Ok(text) => text.bytes().into(),
                // Whoever compiles it says what is wrong.
                Err(_) => source.bytes.as_slice().into(),
            };
            let canonical = canonical(path);
            self.sources().spell(&canonical, path);
            saved.insert(canonical.clone(), text.clone());
            let before = self.seen.insert(
                path.clone(),
                Seen {
                    canonical: canonical.clone(),
                    text,
                },
            );
            let is_known = before.is_some();
            if let Some(before) = before.filter(|before| before.canonical != canonical) {
                self.sources().leads_elsewhere(path, &before.canonical, &canonical);
            }
            if !is_known && source.stamp.age() < NEW {
                new.push(source.display.clone());
            }
        }
        (saved, new)
    }

    /// The first scan is over: what was saved since a service loaded it is applied.
    async fn scanned(&mut self, batch: Batch) {
        let (saved, _) = self.note(&batch);
        self.scanned = true;
        self.greet();
        self.apply(&saved).await;
    }

    async fn save(&mut self, batch: Batch) {
        let (saved, new) = self.note(&batch);
        let is_applied = self.apply(&saved).await;
        self.forget_restarts(&saved);
        if !new.is_empty() {
            self.say(
                &self
                    .style
                    .line(&format!("new: {}", tell::names(new.iter().map(String::as_str)))),
            );
        } else if !is_applied && !batch.saved.is_empty() {
            self.say_idle(&batch);
        }
        self.say_gone(&batch);
    }

    /// Nobody runs another text than what was saved: is anybody concerned at all?
    fn say_idle(&self, batch: &Batch) {
        let used = |path: &PathBuf| !self.sources().users(&canonical(path)).is_empty();
        let what = if batch.saved.keys().any(used) {
            "this is what runs"
        } else {
            "no service that runs has loaded it"
        };
        self.say(&self.style.line(&format!("{}: {what}", names_of(batch))));
    }

    /// A file is not to be tried again.
    pub(super) fn forget_pending(&mut self, path: &Path) {
        for files in self.pending.values_mut() {
            files.remove(path);
        }
    }

    fn say_gone(&mut self, batch: &Batch) {
        for (path, display) in &batch.gone {
            let seen = self.seen.remove(path);
            let users = seen.map(|seen| {
                self.forget_pending(&seen.canonical);
                self.sources().users(&seen.canonical)
            });
            let users = users.unwrap_or_default();
            let mut services: BTreeMap<String, usize> = BTreeMap::new();
            for user in users {
                *services.entry(user.service).or_default() += 1;
            }
            let run_on = services
                .iter()
                .map(|(service, number)| format!("{} of {service}", count(*number, "instance")));
            let run_on: Vec<String> = run_on.collect();
            let text = match run_on.is_empty() {
                true => format!("gone: {display}"),
                false => format!(
                    "gone: {display}; what was loaded of it runs on in {}",
                    run_on.join(", ")
                ),
            };
            self.say(&self.style.line(&text));
        }
    }

    /// Applies what was saved to every service that runs another text of it, with what could not be applied before; false if there is none.
    async fn apply(&mut self, saved: &Texts) -> bool {
        let concerned = self.concerned(saved);
        if concerned.is_empty() {
            return false;
        }
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (service, concerned) in concerned {
            tasks.spawn(apply_to(
                self.office.clone(),
                service,
                concerned,
                self.config.by.name.clone(),
            ));
        }
        let mut parts = tasks.join_all().await;
        let took = began.elapsed();
        parts.sort_by(|one, other| one.service.cmp(&other.service));
        let lines = tell::save(self.style, &parts, took);
        self.remember(&parts);
        let rows = self.rows(lines.lines().count());
        let is_live = parts.iter().any(tell::is_good);
        let diff = if is_live {
            self.style.diff(&self.last_diff, rows)
        } else {
            String::new()
        };
        self.say(&(lines + &diff));
        true
    }

    /// Whom a save concerns, and with what: also files that a service has not taken before.
    fn concerned(&mut self, saved: &Texts) -> BTreeMap<String, Concerned> {
        let mut all = self.sources().concerned(saved);
        for (service, mut files) in std::mem::take(&mut self.pending) {
            files.retain(|path, _| !saved.contains_key(path));
            if let Some(more) = self.sources().concerned(&files).remove(&service) {
                let concerned = all.entry(service).or_default();
                concerned.files.extend(more.files);
                concerned.handles.extend(more.handles);
            }
        }
        all
    }

    /// Notes which files of a save some instance of a service has not got: they are tried again, and saved once more they are news.
    fn note_pending(&mut self, part: &Part) {
        if part.outcome.as_ref().is_ok_and(SavedOutcome::needs_restart) {
            return;
        }
        let files: Texts = part
            .files
            .iter()
            .map(|(path, file)| (path.clone(), file.now.clone()))
            .collect();
        let Some(left) = self.sources().concerned(&files).remove(&part.service) else {
            return;
        };
        let left: Texts = left.files.into_iter().map(|(path, file)| (path, file.now)).collect();
        if let Some(watcher) = self.office.watcher() {
            let spelled = left.keys().filter_map(|path| self.sources().spelling(path));
            spelled.for_each(|path| watcher.renew(&path));
        }
        self.pending.insert(part.service.clone(), left);
    }

    fn remember(&mut self, parts: &[Part]) {
        self.last_services = parts.iter().map(|part| part.service.clone()).collect();
        self.last_diff = diff_of(parts);
        let mut patches = Vec::new();
        for part in parts {
            self.note_pending(part);
            let Ok(outcome) = &part.outcome else { continue };
            if outcome.status.is_live() {
                patches.push((part.service.clone(), outcome.id));
            }
            for line in tell::restarts(outcome) {
                let lines = self.restarts.entry(part.service.clone()).or_default();
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        if !patches.is_empty() {
            let names = tell::names_of(parts);
            let files = parts.iter().flat_map(|part| &part.files).map(|(path, _)| path.clone());
            let files = files.collect();
            self.saves.push(Save { names, files, patches });
        }
    }

    /// Whoever runs a file as it was at the beginning needs no restart for it.
    fn forget_restarts(&mut self, saved: &Texts) {
        for (path, text) in saved {
            for (service, label) in self.sources().as_begun_in(path, text) {
                if let Some(lines) = self.restarts.get_mut(&service) {
                    lines.retain(|line| !is_about(line, &label));
                }
            }
        }
        self.restarts.retain(|_, lines| !lines.is_empty());
    }

    /// How many rows of the terminal a diff may fill.
    fn rows(&self, used: usize) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .filter(|_| self.style.keys)?;
        Some(usize::from(size.ws_row).saturating_sub(used + 2))
    }
}

async fn apply_to(office: Arc<Office>, service: String, concerned: Concerned, by: String) -> Part {
    let outcome = office.apply_saved(&service, &concerned, &by).await;
    Part {
        service,
        files: concerned.files,
        outcome,
    }
}

/// The files that were saved, once each.
fn diff_of(parts: &[Part]) -> String {
    let mut diffs: Vec<&str> = Vec::new();
    for part in parts {
        let diff = part
            .outcome
            .as_ref()
            .map(|outcome| outcome.diff.as_str())
            .unwrap_or_default();
        if !diffs.contains(&diff) {
            diffs.push(diff);
        }
    }
    diffs.concat()
}

fn names_of(batch: &Batch) -> String {
    tell::names(batch.saved.values().map(|source| source.display.as_str()))
}
