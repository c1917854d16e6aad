//! Dropped files that wait where they are: their service has no instance, or is frozen.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::actor::node::Node;
use crate::watch::Settled;

/// All files that wait.
pub(super) struct Waiting {
    inner: Mutex<Inner>,
    /// Is told whether there are any.
    node: Arc<Node>,
}

#[derive(Default)]
struct Inner {
    /// Service and name → path.
    files: BTreeMap<(String, String), PathBuf>,
    /// What was said last about each: content, reason.
    said: HashMap<(String, String), (String, String)>,
}

/// A file that waits, as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// The service's folder name.
    pub service: String,
    /// The file's name.
    pub name: String,
    /// What it waits for, as a sentence.
    pub why: String,
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting: {}/{}: {}", self.service, self.name, self.why)
    }
}

impl Waiting {
    /// No files.
    pub fn new(node: Arc<Node>) -> Waiting {
        Waiting {
            inner: Mutex::default(),
            node,
        }
    }

    /// A file waits; whether that is news.
    pub fn hold(&self, file: Settled, why: &str) -> bool {
        let mut inner = self.inner.lock();
        self.node.await_instances(true);
        let key = (file.service, file.name);
        let said = (file.sha256, why.to_owned());
        inner.files.insert(key.clone(), file.path);
        inner.said.insert(key, said.clone()) != Some(said)
    }

    /// A file is gone.
    pub fn forget(&self, service: String, name: String) {
        let (mut inner, key) = (self.inner.lock(), (service, name));
        inner.files.remove(&key);
        inner.said.remove(&key);
        self.node.await_instances(!inner.files.is_empty());
    }

    /// Takes out the files of the services that are ready, by service and name.
    pub fn take(&self, is_ready: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut inner = self.inner.lock();
        let ready = inner.files.extract_if(.., |(service, _), _| is_ready(service));
        let ready = ready.map(|(_, path)| path).collect();
        self.node.await_instances(!inner.files.is_empty());
        ready
    }

    /// Service and name of each, sorted.
    pub fn list(&self) -> Vec<(String, String)> {
        self.inner.lock().files.keys().cloned().collect()
    }
}
