//! The desk: patches that a person hands in, and what a person asks.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::hotfix::deliver::Parcel;
use crate::hotfix::office::{Books, Office};
use crate::hotfix::record::{self, Origin, Record, Target as RecordedTarget};

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
            Ok(injected) => injected,
            Err(why) => Injected {
                output: String::new(),
                report: why,
                done: false,
            },
        }
    }

    async fn try_inject(&self, injection: Injection) -> Result<Injected, String> {
        record::check_name(&injection.name).map_err(|e| e.to_string())?;
        let office = &self.office;
        let (service, target) = match &injection.target {
            Target::Service(name) => (name.replace('/', "."), RecordedTarget::All),
            Target::Instance(handle) => {
                let instance = self.instance(*handle)?;
                (instance.identity.folder(), RecordedTarget::Handle(handle.0))
            }
        };
        record::check_name(&service).map_err(|e| e.to_string())?;
        let _turn = office.turn(&service).await;
        let instances = match injection.target {
            Target::Service(_) => office.node.registry().of_service(&service),
            Target::Instance(handle) => vec![self.instance(handle)?],
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
        };
        let told = office.deliver(parcel, instances).await.map_err(|e| e.to_string())?;
        Ok(Injected {
            output: told.output,
            report: told.report,
            done: told.complete,
        })
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
    let reason = record
        .reason
        .as_ref()
        .map(|reason| format!(" — {reason}"))
        .unwrap_or_default();
    let time = record.time.strftime("%Y-%m-%d %H:%M:%S");
    format!(
        "{}\t{time}\t{}/{}\t{}\t{what}{reason}\n",
        record.id, record.service, record.name, record.by
    )
}
