//! The command line's own commands: asks the node that runs, over its control socket, and shows the answer.

mod connect;
mod render;
mod table;

use std::io::{self, IsTerminal, Write};

use crate::cli::ask::{Ask, File};
use crate::client::connect::Connection;
use crate::client::render::Style;
use crate::config::Config;
use crate::control::patch_file;
use crate::control::wire::{Answer, Head};
use crate::log;
use crate::plain;

/// The exit code of a command that was refused, failed, or had no effect.
const NOT_DONE: u8 = 1;
/// The exit code when the node cannot be reached, or a file cannot be read.
const UNREACHED: u8 = 2;
/// The largest file that is sent, in bytes; what the node takes is for it to say (`hotfix.max_size`).
const LARGEST: u64 = 512 << 20;

/// Asks the node; the exit code.
pub fn run(config: &Config, ask: &Ask) -> u8 {
    match converse(config, ask) {
        Ok(true) => 0,
        Ok(false) => NOT_DONE,
        Err(why) => {
            eprintln!("error: {why}");
            UNREACHED
        }
    }
}

/// Whether the command did what was asked.
fn converse(config: &Config, ask: &Ask) -> Result<bool, String> {
    let file = ask.file.as_ref().map(read).transpose()?;
    let mut connection = Connection::open(&config.node.state)?;
    let upload = file.as_ref().map(|(head, bytes)| (head, bytes.as_slice()));
    connection.ask(&ask.line, upload)?;
    let mut progress = ProgressLine::new();
    loop {
        match connection.answer()? {
            Answer::Progress { what, done, all } => progress.show(&what, done, all),
            Answer::Reply { ok, text, data } => {
                progress.clear();
                let style = Style {
                    colour: log::terminal_colour(),
                    json: ask.json,
                };
                let shown = render::answer(style, &ask.line, &text, &data);
                show(&shown, ok || ask.json)?;
                return Ok(ok);
            }
        }
    }
}

/// Writes an answer: where results go if it is one, else where errors go.
fn show(shown: &str, is_result: bool) -> Result<(), String> {
    let written = if is_result {
        io::stdout().lock().write_all(shown.as_bytes())
    } else {
        io::stderr().lock().write_all(shown.as_bytes())
    };
    match written {
        // Whoever reads only the first lines (`| head`) has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write the answer: {error}")),
        _ => Ok(()),
    }
}

/// The file of `inject` and `check`, read by whoever asks: the node need not be able to.
fn read(file: &File) -> Result<(Head, Vec<u8>), String> {
    let label = file.path.to_string_lossy().into_owned();
    let sent = |why: String| format!("cannot send {label}: {why}");
    let bytes = patch_file::bytes_of(&file.path, LARGEST, "this user").map_err(sent)?;
    let bytes = bytes.ok_or_else(|| sent(format!("it is larger than {LARGEST} bytes, and no patch is")))?;
    let head = Head {
        label,
        size: bytes.len() as u64,
        args: file.args.clone(),
    };
    Ok((head, bytes))
}

/// How far long work is: one line of the terminal, written over and over. Without a terminal nothing is said.
struct ProgressLine {
    shown: bool,
    terminal: bool,
}

impl ProgressLine {
    fn new() -> ProgressLine {
        ProgressLine {
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, what: &str, done: usize, all: usize) {
        if self.terminal {
            self.shown = true;
            let what = plain::line(what.as_bytes());
            eprint!("\r\x1b[K{what}: {done} of {all} instances");
        }
    }

    fn clear(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
