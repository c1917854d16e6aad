//! The command line: what was typed, checked for form and nothing else. One subcommand a file.

pub mod run;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// What to do, and with which config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The config file as it was named; it need not exist.
    pub config: PathBuf,
    /// The subcommand.
    pub action: Action,
}

/// The subcommands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run the node.
    Run(run::Run),
}

/// Reads the arguments of this process. `--help` and `--version` print and end it with exit code 0; what cannot be
/// understood is explained on standard error and ends it with exit code 2.
pub fn parse() -> Command {
    Cli::parse().into()
}

/// A runtime for Lua actor services that patches them while they run.
#[derive(Debug, Parser)]
#[command(name = "hotlua", version, about, arg_required_else_help = false)]
struct Cli {
    /// The config file; relative paths in it are relative to it
    #[arg(long, value_name = "FILE", global = true, default_value = "config.toml")]
    config: PathBuf,

    /// Running is what happens without a subcommand, so its options may stand alone.
    #[command(flatten)]
    run: run::Run,

    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Run the node (this is the default)
    Run(run::Run),
    /// Run the node, and patch services when their source files are saved
    Dev(run::Run),
}

impl From<Cli> for Command {
    fn from(typed: Cli) -> Command {
        let action = match typed.command {
            None => Action::Run(typed.run),
            Some(Sub::Run(run)) => Action::Run(typed.run.and(run)),
            Some(Sub::Dev(run)) => Action::Run(typed.run.and(run::Run { dev: true, ..run })),
        };
        Command {
            config: typed.config,
            action,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, error::ErrorKind};

    use super::run::Run;
    use super::{Action, Cli, Command};

    fn read(line: &str) -> Result<Command, ErrorKind> {
        Cli::try_parse_from(line.split(' '))
            .map(Command::from)
            .map_err(|error| error.kind())
    }

    fn run(config: &str, no_replay: bool, poll: bool) -> Result<Command, ErrorKind> {
        Ok(Command {
            config: config.into(),
            action: Action::Run(Run {
                no_replay,
                poll,
                dev: false,
            }),
        })
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn running_is_the_default() {
        assert_eq!(read("hotlua"), run("config.toml", false, false));
        assert_eq!(read("hotlua run"), read("hotlua"));
        assert_eq!(read("hotlua --poll"), run("config.toml", false, true));
    }

    #[test]
    fn options_stand_on_either_side_of_the_subcommand() {
        let all = run("a/b.toml", true, true);
        assert_eq!(read("hotlua run --config a/b.toml --no-replay --poll"), all);
        assert_eq!(read("hotlua --config=a/b.toml --no-replay run --poll"), all);
        assert_eq!(read("hotlua --poll --no-replay --config a/b.toml"), all);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for (line, kind) in [
            ("hotlua walk", ErrorKind::InvalidSubcommand),
            ("hotlua run twice", ErrorKind::UnknownArgument),
            ("hotlua --pol", ErrorKind::UnknownArgument),
            ("hotlua run --config", ErrorKind::InvalidValue),
        ] {
            assert_eq!(read(line), Err(kind), "of {line:?}");
            let error = Cli::try_parse_from(line.split(' ')).expect_err("a usage error");
            assert_eq!(error.exit_code(), 2, "of {line:?}");
        }
    }
}
