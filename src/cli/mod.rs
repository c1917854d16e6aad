//! The command line: what was typed, checked for form and nothing else.

pub mod ask;
pub mod new;
pub mod pages;
pub mod run;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

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
    /// Ask the node that runs.
    Ask(ask::Ask),
    /// Make a project.
    New(new::New),
    /// Write completions for a shell.
    Completions(pages::Completions),
    /// Write the manual page.
    Man,
}

/// Reads the arguments of this process. `--help` and `--version` print and end it with exit code 0; what cannot be
/// understood is explained on standard error and ends it with exit code 2.
pub fn parse() -> Command {
    Cli::parse().into()
}

/// The definitions, for what is made from them.
pub fn definitions() -> clap::Command {
    Cli::command()
}

/// A runtime for Lua actor services that patches them while they run.
#[derive(Debug, Parser)]
#[command(name = "hotlua", version, about, after_help = EXAMPLES, arg_required_else_help = false)]
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

const EXAMPLES: &str = "\
Examples:
  hotlua                                run the node with ./config.toml
  hotlua new game                       make a small project
  hotlua dev                            run it, and apply every saved source file
  cp fix.lua hotfix/simpledb/           patch every instance of simpledb
  hotlua check simpledb fix.lua         what would it change?
  hotlua history simpledb               who, when, why, what
  hotlua rollback simpledb              take the latest patch back

Exit codes: 0 done; 1 rejected, failed, or without effect; 2 usage, or the node cannot be reached; 64 bad config.";

#[derive(Debug, Subcommand)]
enum Sub {
    /// Run the node (this is the default)
    Run(run::Run),
    /// Run the node, and patch services when their source files are saved
    Dev(run::Run),
    /// Show the instances: their patches, queues and memory
    List(ask::List),
    /// Apply a patch by hand to a service, or to one instance
    Inject(ask::Inject),
    /// Show what a patch would change, without running it
    Check(ask::Check),
    /// Tell what happened: who, when, why, what
    History(ask::History),
    /// Show one patch in full, with its diff
    Show(ask::Show),
    /// Take back the latest patch of a service, one by its number, or all
    Rollback(ask::Rollback),
    /// Begin a service anew in place, from its files
    Restart(ask::Restart),
    /// Let patches wait or be refused, until unfreeze
    Freeze(ask::Freeze),
    /// End a freeze
    Unfreeze(ask::Unfreeze),
    /// Make a small project that runs at once
    New(new::New),
    /// Print completions for a shell
    Completions(pages::Completions),
    /// Print the manual page
    Man,
}

impl From<Cli> for Command {
    fn from(typed: Cli) -> Command {
        let action = match typed.command {
            None => Action::Run(typed.run),
            Some(Sub::Run(run)) => Action::Run(typed.run.and(run)),
            Some(Sub::Dev(run)) => Action::Run(typed.run.and(run::Run { dev: true, ..run })),
            Some(Sub::List(list)) => Action::Ask(list.into()),
            Some(Sub::Inject(inject)) => Action::Ask(inject.into()),
            Some(Sub::Check(check)) => Action::Ask(check.into()),
            Some(Sub::History(history)) => Action::Ask(history.into()),
            Some(Sub::Show(show)) => Action::Ask(show.into()),
            Some(Sub::Rollback(rollback)) => Action::Ask(rollback.into()),
            Some(Sub::Restart(restart)) => Action::Ask(restart.into()),
            Some(Sub::Freeze(freeze)) => Action::Ask(freeze.into()),
            Some(Sub::Unfreeze(unfreeze)) => Action::Ask(unfreeze.into()),
            Some(Sub::New(new)) => Action::New(new),
            Some(Sub::Completions(completions)) => Action::Completions(completions),
            Some(Sub::Man) => Action::Man,
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
    fn what_is_asked_is_a_line_of_the_console() {
        for (typed, line) in [
            ("hotlua list", "list"),
            ("hotlua inject svc a.lua 1 -- -x", "inject svc"),
            ("hotlua check :0000000a a.lua", "check :0000000a"),
            ("hotlua history", "history  -n 50"),
            ("hotlua history svc -n 3", "history svc -n 3"),
            ("hotlua show 7", "show 7"),
            ("hotlua rollback svc", "rollback svc"),
            ("hotlua rollback svc 7", "rollback svc 7"),
            ("hotlua rollback svc --all", "rollback svc --all"),
            ("hotlua freeze --reason=night", "freeze  -- night"),
            ("hotlua unfreeze svc", "unfreeze svc"),
        ] {
            let Ok(Command {
                action: Action::Ask(ask),
                ..
            }) = read(typed)
            else {
                panic!("{typed} asks nothing");
            };
            assert_eq!(ask.line, line, "{typed}");
            assert!(!ask.json);
        }
        let Ok(Command {
            action: Action::Ask(ask),
            ..
        }) = read("hotlua inject svc a.lua 1 -2 --json -- -x --y")
        else {
            panic!("it asks nothing");
        };
        let file = ask.file.expect("a file");
        assert_eq!((file.path.to_str(), ask.json), (Some("a.lua"), true));
        assert_eq!(file.args, ["1", "-2", "-x", "--y"]);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for (line, kind) in [
            ("hotlua walk", ErrorKind::InvalidSubcommand),
            ("hotlua run twice", ErrorKind::UnknownArgument),
            ("hotlua --pol", ErrorKind::UnknownArgument),
            ("hotlua run --config", ErrorKind::InvalidValue),
            ("hotlua inject svc", ErrorKind::MissingRequiredArgument),
            ("hotlua rollback svc 7 --all", ErrorKind::ArgumentConflict),
            ("hotlua show x", ErrorKind::ValueValidation),
        ] {
            assert_eq!(read(line), Err(kind), "of {line:?}");
            let error = Cli::try_parse_from(line.split(' ')).expect_err("a usage error");
            assert_eq!(error.exit_code(), 2, "of {line:?}");
        }
    }
}
