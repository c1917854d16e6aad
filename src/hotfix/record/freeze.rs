//! A freeze, as history and operators see it.

use jiff::Timestamp;
use serde::Serialize;

use super::rfc3339;

/// One freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// The service's folder name; `None` is the whole node.
    pub service: Option<String>,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

impl Freeze {
    /// A sentence about it.
    pub fn sentence(&self) -> String {
        let time = self.since.strftime("%Y-%m-%d %H:%M:%S UTC");
        let reason = self
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        format!(
            "{} is frozen since {time} by {}{reason}",
            Freeze::name(self.service.as_deref()),
            self.by
        )
    }

    /// What is frozen, in words.
    pub fn name(service: Option<&str>) -> &str {
        service.unwrap_or("the node")
    }
}
