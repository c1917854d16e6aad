//! What is made from the definitions of the commands: completions for shells, and the manual page.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

/// The options of `hotlua completions`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Writes the completions for a shell.
///
/// # Errors
/// Those of writing.
pub fn completions(mut command: Command, shell: Shell, out: &mut impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "hotlua", &mut text);
    out.write_all(&text)
}

/// Writes the manual page: the program's, then that of each command.
///
/// # Errors
/// Those of writing.
pub fn manual(command: Command, out: &mut impl Write) -> io::Result<()> {
    let command = command.disable_help_subcommand(true);
    clap_mangen::Man::new(command.clone()).render(out)?;
    for sub in command.get_subcommands() {
        let name = format!("hotlua-{}", sub.get_name());
        let sub = sub.clone().display_name(name.clone()).name(name);
        clap_mangen::Man::new(sub).render(out)?;
    }
    Ok(())
}
