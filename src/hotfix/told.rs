//! What becomes of something that was asked of the post room, for whoever asked: as text, and as data.

use serde::Serialize;

use crate::hotfix::record::{Function, Instance};
use crate::patch::outcome::{InstanceReport, Status};
use crate::patch::report::{Deed, Delivery};

/// See the module. The field names are those of the JSON that the command line prints.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Told {
    /// It is done, everywhere where it was to be done.
    pub done: bool,
    /// The service's folder name.
    pub service: String,
    /// The numbers of the patches that it is about, the latest first.
    pub patches: Vec<u64>,
    /// The verdict; `None` where nothing was tried.
    pub status: Option<Status>,
    /// The summary in one line.
    pub summary: String,
    /// What was printed meanwhile.
    pub output: String,
    /// What was decided, a line each.
    pub notes: Vec<String>,
    /// What one should know although it worked.
    pub warnings: Vec<String>,
    /// Functions that were replaced, defined or restored.
    pub functions: Vec<Function>,
    /// What each instance answered, by rising handle.
    pub instances: Vec<Instance>,
    /// The text diff.
    pub diff: String,
    /// Summary and details, as they are logged.
    #[serde(skip)]
    pub head: String,
}

impl Told {
    /// The answers of instances. `head`: summary and details as they are logged, with a newline at the end.
    pub fn of(service: &str, delivery: &Delivery<'_>, head: String, diff: String) -> Told {
        let patches = match delivery.deed {
            Deed::Apply { id, .. } => vec![id],
            Deed::Check => Vec::new(),
            Deed::Rollback { ids, .. } => ids.to_vec(),
        };
        Told {
            done: delivery.is_complete(),
            patches,
            status: Some(delivery.status()),
            summary: delivery.summary(),
            notes: delivery.notes(),
            warnings: delivery.warnings(),
            functions: delivery.functions().iter().map(Function::from).collect(),
            ..Told::bare(service, delivery.reports, head, diff)
        }
    }

    /// The same without what only a patch has.
    pub fn bare(service: &str, reports: &[InstanceReport], head: String, diff: String) -> Told {
        Told {
            service: service.to_owned(),
            instances: reports.iter().map(Instance::from).collect(),
            head,
            diff,
            ..Told::default()
        }
    }

    /// Nothing was tried: why.
    pub fn refused(why: impl Into<String>) -> Told {
        let summary = why.into();
        Told {
            head: summary.clone(),
            summary,
            ..Told::default()
        }
    }
}
