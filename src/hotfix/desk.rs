//! The desk: patches that a person hands in, and what a person asks.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::hotfix::choice::Wanted;
use crate::hotfix::office::{Books, Office};
use crate::hotfix::parcel::{Parcel, Told};
use crate::hotfix::record::{self, Origin, Record, Target as RecordedTarget, Withdrawn};
use crate::hotfix::restart::Restarted;
use crate::hotfix::rollback::TakenBack;

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
    pub by: String,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Injected {
    /// What the patch printed.
    pub output: String,
    /// Summary, details, diff.
    pub report: String,
    /// It is live in every instance that it was for.
    pub done: bool,
}

impl Injected {
    fn refused(why: String) -> Injected {
        Injected {
            output: String::new(),
            report: why,
            done: false,
        }
    }
}

impl From<Told> for Injected {
    fn from(told: Told) -> Injected {
        Injected {
            output: told.output,
            report: told.report,
            done: told.complete,
        }
    }
}

/// How many patches `history` shows.
const SHOWN: u32 = 100;

impl Desk {
    /// The desk of a post room.
    pub fn new(office: Arc<Office>) -> Desk {
        Desk { office }
    }

    /// Applies a patch by hand: same engine, same report, same archive.
    pub async fn inject(&self, injection: Injection) -> Injected {
        match self.try_inject(injection).await {
            Ok(told) => Injected::from(told),
            Err(why) => Injected::refused(why),
        }
    }

    /// Says what a patch would do, without executing anything of it.
    pub async fn check(&self, injection: Injection) -> Injected {
        match self.try_check(injection).await {
            Ok(told) => Injected::from(told),
            Err(why) => Injected::refused(why),
        }
    }

    async fn try_inject(&self, injection: Injection) -> Result<Told, String> {
        let service = self.service_of(&injection)?;
        let _turn = self.office.turn(&service).await;
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
    pub async fn roll_back(&self, service: String, wanted: Wanted, by: String) -> Injected {
        let service = service.replace('/', ".");
        match self.office.roll_back(&service, wanted, &by).await {
            Ok(TakenBack { report, done }) => Injected {
                output: String::new(),
                report,
                done,
            },
            Err(why) => Injected::refused(why),
        }
    }

    /// Lets a service begin anew in place.
    pub async fn restart(&self, service: String, by: String) -> Injected {
        match self.office.restart(&service.replace('/', "."), &by).await {
            Ok(Restarted { report, done }) => Injected {
                output: String::new(),
                report,
                done,
            },
            Err(why) => Injected::refused(why),
        }
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

    /// The latest patches, oldest first, a line each.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn history(&self, service: Option<String>) -> Result<String, String> {
        let service = service.map(|service| service.replace('/', "."));
        let records = self
            .office
            .books(|Books { history, .. }| history.list(service.as_deref(), SHOWN));
        let records = records.map_err(|e| e.to_string())?;
        Ok(records.iter().rev().map(line).collect())
    }
}

/// One patch as `history` shows it: when, what, by whom, how it went, why.
fn line(record: &Record) -> String {
    let what = match (record.never_happened, record.summary.as_str()) {
        (true, _) => "did not happen: the node ended",
        (false, "") => "is under way",
        (false, summary) => summary,
    };
    let since = match record.withdrawn {
        Some(Withdrawn::RolledBack) => ", rolled back since",
        Some(Withdrawn::Retired) => ", retired since",
        Some(Withdrawn::Superseded) | None => "",
    };
    let reason = record
        .reason
        .as_ref()
        .map(|reason| format!(" — {reason}"))
        .unwrap_or_default();
    let time = record.time.strftime("%Y-%m-%d %H:%M:%S");
    format!(
        "{}\t{time}\t{}/{}\t{}\t{what}{since}{reason}\n",
        record.id, record.service, record.name, record.by
    )
}
