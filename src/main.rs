//! The front door: what was typed, what is configured, run, exit code.

use std::process::ExitCode;

use hotlua::cli::{self, Action};
use hotlua::{app, config, log};

/// The exit code of a bad configuration (`EX_USAGE`'s neighbourhood of `sysexits.h` has none that fits better).
const BAD_CONFIG: u8 = 64;

fn main() -> ExitCode {
    let command = cli::parse();
    let config = match config::load(&command.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(BAD_CONFIG);
        }
    };
    let Action::Run(options) = command.action;
    let (_guard, printer) = log::init(&config.log);
    match app::run(config, &options, printer) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
