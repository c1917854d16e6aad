//! Plans for new versions of files, made once for all instances that run the same version.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::lua::chunks::Chunk;
use crate::patch::revision::Revision;

/// How many plans are kept: instances that start later may run older versions.
const MOST: usize = 64;

/// A text by label and content: old, then new.
type Key = ((String, String), (String, String));

/// The plans that were made.
#[derive(Default)]
pub struct Plans {
    made: Mutex<HashMap<Key, Arc<Revision>>>,
}

impl Plans {
    /// The plan for an old and a new version, made by `make` if it is not there.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn plan(
        &self,
        old: &Chunk,
        new: &Chunk,
        make: impl FnOnce() -> Result<Revision, String>,
    ) -> Result<Arc<Revision>, String> {
        let name = |chunk: &Chunk| (chunk.label.clone(), chunk.sha256.clone());
        let key = (name(old), name(new));
        if let Some(plan) = self.made.lock().get(&key) {
            return Ok(plan.clone());
        }
        let plan = Arc::new(make()?);
        let mut made = self.made.lock();
        if made.len() >= MOST {
            made.clear();
        }
        made.insert(key, plan.clone());
        Ok(plan)
    }
}
