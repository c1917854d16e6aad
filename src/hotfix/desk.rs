//! The desk: patches that a person hands in, and what a person asks.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::hotfix::asker::Asker;
use crate::hotfix::choice::Wanted;
use crate::hotfix::office::Office;
use crate::hotfix::parcel::Parcel;
use crate::hotfix::record::{self, Origin, PatchId, Record, Shown, Target as RecordedTarget};
use crate::hotfix::story::{Chapter, Letterbox, Story};
use crate::hotfix::told::Told;

/// The door to the post room for consoles.
#[derive(Clone)]
pub struct Desk {
    office: Arc<Office>,
}

/// Whom an injected patch is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every instance of a service, also those started later.
    Service(String),
    /// One instance, and no other ever.
    Instance(Handle),
}

/// A patch that was handed in.
#[derive(Clone, Debug)]
pub struct Injection {
    /// Whom it is for.
    pub target: Target,
    /// The file's name, `x.lua`.
    pub name: String,
    /// The file as error messages are to name it.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What `...` is in it.
    pub args: Vec<String>,
    /// Who hands it in.
    pub by: Asker,
}

impl Desk {
    /// The desk of a post room.
    pub fn new(office: Arc<Office>) -> Desk {
        Desk { office }
    }

    /// Applies a patch by hand: same engine, same report, same archive.
    pub async fn inject(&self, injection: Injection) -> Told {
        self.try_inject(injection).await.unwrap_or_else(Told::refused)
    }

    /// Says what a patch would do, without executing anything of it.
    pub async fn check(&self, injection: Injection) -> Told {
        self.try_check(injection).await.unwrap_or_else(Told::refused)
    }

    async fn try_inject(&self, injection: Injection) -> Result<Told, String> {
        let service = self.service_of(&injection)?;
        let _turn = self.office.turn(&service).await;
        if let Some(why) = self.office.frozen(&service) {
            return Err(why);
        }
        let (parcel, instances) = self.parcel(injection, service)?;
        self.office.deliver(parcel, instances).await.map_err(|e| e.to_string())
    }

    async fn try_check(&self, injection: Injection) -> Result<Told, String> {
        let service = self.service_of(&injection)?;
        let _turn = self.office.turn(&service).await;
        let (parcel, instances) = self.parcel(injection, service)?;
        self.office.check(parcel, &instances).await.map_err(|e| e.to_string())
    }

    /// Takes patches of a service back.
    pub async fn roll_back(&self, service: String, wanted: Wanted, by: Asker) -> Told {
        let service = service.replace('/', ".");
        self.office
            .roll_back(&service, wanted, &by)
            .await
            .unwrap_or_else(Told::refused)
    }

    /// Lets a service begin anew in place.
    pub async fn restart(&self, service: String, by: Asker) -> Told {
        let service = service.replace('/', ".");
        self.office.restart(&service, &by).await.unwrap_or_else(Told::refused)
    }

    /// The folder name of the service that an injected patch is for.
    fn service_of(&self, injection: &Injection) -> Result<String, String> {
        record::check_name(&injection.name).map_err(|e| e.to_string())?;
        let service = match &injection.target {
            Target::Service(name) => name.replace('/', "."),
            Target::Instance(handle) => self.instance(*handle)?.identity.folder(),
        };
        record::check_name(&service).map_err(|e| e.to_string())?;
        Ok(service)
    }

    /// What the post room delivers, and to whom.
    fn parcel(&self, injection: Injection, service: String) -> Result<(Parcel, Vec<Arc<Instance>>), String> {
        let (instances, target) = match injection.target {
            Target::Service(_) => (self.office.node.registry().of_service(&service), RecordedTarget::All),
            Target::Instance(handle) => (vec![self.instance(handle)?], RecordedTarget::Handle(handle.0)),
        };
        if instances.is_empty() {
            return Err(format!("no instance of {service} is running"));
        }
        let parcel = Parcel {
            service,
            name: injection.name,
            label: injection.label,
            bytes: injection.bytes,
            args: injection.args,
            by: injection.by,
            origin: Origin::Injected,
            target,
            path: None,
            saved: Vec::new(),
        };
        Ok((parcel, instances))
    }

    fn instance(&self, handle: Handle) -> Result<Arc<Instance>, String> {
        let found = self
            .office
            .node
            .registry()
            .get(handle)
            .ok_or_else(|| format!("call to invalid address {handle}"))?;
        if found.identity.listed {
            Ok(found)
        } else {
            Err(format!("{handle} is a part of the node, not a service"))
        }
    }

    /// The latest events, and how things stand.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn history(&self, service: Option<String>, limit: u32) -> Result<Story, String> {
        let service = service.map(|service| service.replace('/', "."));
        let entries = self
            .office
            .books(|books| books.history.recent(service.as_deref(), limit));
        let entries = entries.map_err(|e| e.to_string())?;
        let chapter = |entry| Chapter::of(entry, |patch| self.runs_in(patch));
        Ok(Story {
            events: entries.iter().map(chapter).collect(),
            letterbox: self.letterbox().of(service.as_deref()),
        })
    }

    /// One patch.
    ///
    /// # Errors
    /// When there is none of that number, or the history cannot be read.
    pub async fn show(&self, id: PatchId) -> Result<Shown, String> {
        let shown = self
            .office
            .books(|books| books.history.show(id))
            .map_err(|e| e.to_string())?;
        shown.ok_or_else(|| format!("there is no patch {id}; `history` has the numbers"))
    }

    /// Freezes a service, or all.
    pub async fn freeze(&self, service: Option<String>, by: String, reason: Option<String>) -> Told {
        let service = service.map(|service| service.replace('/', "."));
        self.office
            .freeze(service, &by, reason)
            .await
            .unwrap_or_else(Told::refused)
    }

    /// Ends a freeze.
    pub async fn unfreeze(&self, service: Option<String>, by: String) -> Told {
        let service = service.map(|service| service.replace('/', "."));
        self.office.unfreeze(service, &by).unwrap_or_else(Told::refused)
    }

    /// What is kept out just now.
    pub fn letterbox(&self) -> Letterbox {
        Letterbox {
            frozen: self.office.freezes(),
            waiting: self.office.waits(),
        }
    }

    /// In how many living instances a patch that was applied runs.
    fn runs_in(&self, patch: &Record) -> usize {
        let registry = self.office.node.registry();
        match patch.target {
            RecordedTarget::Handle(handle) => {
                usize::from(patch.id > self.office.newest_before && registry.get(Handle(handle)).is_some())
            }
            RecordedTarget::All => {
                let peers = registry.of_service(&patch.service);
                let has_it = |peer: &&Arc<Instance>| peer.live().iter().any(|live| live.id == patch.id.0);
                peers.iter().filter(has_it).count()
            }
        }
    }
}
