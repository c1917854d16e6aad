//! Restart in place.

use std::sync::Arc;

use crate::hotfix::office::Office;

/// How it went.
pub struct Restarted {
    /// In every instance.
    pub done: bool,
}

impl Office {
    /// Restarts.
    ///
    /// # Errors
    /// Why not.
    pub async fn restart(self: &Arc<Self>, _service: &str, _by: &str) -> Result<Restarted, String> {
        Err("not here".to_owned())
    }
}
