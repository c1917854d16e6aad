//! A patch as it came in, and what became of it: in the words of the history, and as a diff.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::hotfix::asker::Asker;
use crate::hotfix::record::{self, Origin, Target, Verdict};
use crate::patch::diff;
use crate::patch::order::PatchText;
use crate::patch::report::Delivery;
use crate::patch::source::Source;

/// A patch as it came in.
pub struct Parcel {
    /// The service's folder name.
    pub service: String,
    /// The file's name.
    pub name: String,
    /// The file as messages name it.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What `...` is in it.
    pub args: Vec<String>,
    /// Who.
    pub by: Asker,
    /// How it came.
    pub origin: Origin,
    /// Whom it is for.
    pub target: Target,
    /// The dropped file.
    pub path: Option<PathBuf>,
    /// The source files that were saved together; none if it is a patch file.
    pub saved: Vec<SavedFile>,
}

/// A source file that was saved.
#[derive(Clone, Debug)]
pub struct SavedFile {
    /// The label under which the service loaded it.
    pub label: String,
    /// The text that runs.
    pub before: Arc<[u8]>,
    /// The text that was saved.
    pub now: Arc<[u8]>,
}

impl Parcel {
    /// Whether instances that start later get it as well. Those read saved source files themselves.
    pub(super) fn stands(&self) -> bool {
        self.target == Target::All && self.saved.is_empty()
    }

    /// Its texts.
    ///
    /// # Errors
    /// A sentence for the author, when one of them is not Lua source at all.
    pub(super) fn texts(&self) -> Result<Vec<PatchText>, String> {
        let source = |label: &str, bytes| Source::new(bytes).map_err(|why| format!("{label}: {why}"));
        if self.saved.is_empty() {
            let source = source(&self.label, &self.bytes)?;
            return Ok(vec![PatchText::dropped(self.label.clone(), source)]);
        }
        let saved = self.saved.iter();
        saved
            .map(|file| Ok(PatchText::saved(file.label.clone(), source(&file.label, &file.now)?)))
            .collect()
    }
}

/// A delivery as the history keeps it.
pub(super) fn verdict_of(delivery: &Delivery<'_>, diff: &str, took: Duration) -> Verdict {
    let applied = delivery.applied();
    Verdict {
        status: delivery.status(),
        summary: delivery.summary(),
        error: delivery.error().map(str::to_owned),
        ms: took.as_secs_f64() * 1e3,
        diff: diff.to_owned(),
        instances: delivery.reports.iter().map(record::Instance::from).collect(),
        functions: delivery.functions().iter().map(record::Function::from).collect(),
        warnings: delivery.warnings(),
        sources: applied.map(|report| report.sources.clone()).unwrap_or_default(),
    }
}

/// The diff of what is, or would be, applied.
pub(super) fn diff_of(delivery: &Delivery<'_>, parcel: &Parcel, previous: Option<&[u8]>) -> String {
    if !parcel.saved.is_empty() {
        let diff = |file: &SavedFile| diff::of_versions(&file.label, &file.before, &file.now);
        return parcel.saved.iter().map(diff).collect();
    }
    let Some(applied) = delivery.applied() else {
        return String::new();
    };
    let functions = diff::of_functions(&applied.functions);
    if previous.is_none() && !functions.is_empty() {
        return functions;
    }
    functions + &diff::of_file(&parcel.label, previous, &parcel.bytes)
}
