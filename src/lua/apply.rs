//! Applying.
use crate::lua::context::Context;
use crate::patch::order::Patch;
use crate::patch::outcome::InstanceReport;
/// x
pub fn apply(_context: &Context, _patch: &Patch) -> InstanceReport { todo!() }
/// x
pub fn catch_up(_context: &Context) {}
