//! `hotlua run`, and `hotlua dev`: the node.

use clap::Args;

/// The options of `hotlua run` and `hotlua dev`.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Start from the sources alone: do not apply the active patches again
    #[arg(long)]
    pub no_replay: bool,

    /// Sweep the hotfix directories instead of waiting for events (network file systems, some container mounts)
    #[arg(long)]
    pub poll: bool,

    /// `hotlua dev`: source files are patched when they are saved.
    #[arg(skip)]
    pub dev: bool,
}

impl Run {
    /// What was asked for before the word `run` together with what was asked for after it.
    pub(super) fn and(self, other: Run) -> Run {
        Run {
            no_replay: self.no_replay || other.no_replay,
            poll: self.poll || other.poll,
            dev: self.dev || other.dev,
        }
    }
}
