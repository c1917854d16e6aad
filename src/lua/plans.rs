//! Plans for new versions of files, made once for all instances that run the same version.

use std::collections::HashMap;
use std::sync::Arc;

use mlua::ffi::lua_State;
use parking_lot::Mutex;

use crate::lua::chunks::Chunk;
use crate::patch::revision::{Names, Revision, plan};
use crate::patch::syntax::too_much;

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
    /// The plan for an old and a new version.
    ///
    /// # Errors
    /// When the compiler's output for one of them makes no sense to us.
    ///
    /// # Safety
    /// `l` is live, with room for a few values, inside a protected call.
    pub unsafe fn between(&self, l: *mut lua_State, old: &Chunk, new: &Chunk) -> Result<Arc<Revision>, String> {
        let name = |chunk: &Chunk| (chunk.label.clone(), chunk.sha256.clone());
        let key = (name(old), name(new));
        if let Some(plan) = self.made.lock().get(&key) {
            return Ok(plan.clone());
        }
        for chunk in [old, new] {
            if let Some(line) = too_much(&chunk.text) {
                let label = &chunk.label;
                return Err(format!(
                    "{label}:{line}: an expression is too long, or nested too deep, to be compared; split it up"
                ));
            }
        }
        let names = Names {
            old: &old.label,
            new: &new.label,
        };
        // SAFETY: see above.
        let (was, is) = unsafe { (old.side(l)?, new.side(l)?) };
        let plan = Arc::new(plan(was, is, &new.text, names));
        let mut made = self.made.lock();
        if made.len() >= MOST {
            made.clear();
        }
        made.insert(key, plan.clone());
        Ok(plan)
    }
}
