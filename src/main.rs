//! The front door: what was typed, what is configured, run, exit code.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use hotlua::cli::run::Run;
use hotlua::cli::{self, Action, pages};
use hotlua::config::Config;
use hotlua::{app, client, config, failpoint, log, project};

/// The exit code of a bad configuration (`EX_USAGE`'s neighbourhood of `sysexits.h` has none that fits better).
const BAD_CONFIG: u8 = 64;
/// The exit code of a command that makes no sense here.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    failpoint::arm();
    let command = cli::parse();
    match command.action {
        Action::Run(options) => configured(&command.config, |config| run(&command.config, config, &options)),
        Action::Ask(ask) => configured(&command.config, |config| client::run(&config, &ask).into()),
        Action::New(new) => made(project::make(&new.folder)),
        Action::Completions(wanted) => written(pages::completions(
            cli::definitions(),
            wanted.shell,
            &mut io::stdout().lock(),
        )),
        Action::Man => written(pages::manual(cli::definitions(), &mut io::stdout().lock())),
    }
}

fn configured(file: &Path, then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match config::load(file) {
        Ok(config) => then(config),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(BAD_CONFIG)
        }
    }
}

fn run(file: &Path, config: Config, options: &Run) -> ExitCode {
    let (_guard, printer) = log::init(&config.log);
    match app::run(file, config, options, printer) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn made(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(told) => {
            print!("{told}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(USAGE)
        }
    }
}

fn written(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}
