//! The keyboard of dev mode: single keys, without a line's end, while signals and output stay as they are.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::thread;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `r`: restart what needs it.
    Restart,
    /// `R`: restart everything.
    RestartAll,
    /// `d`: the last diff.
    Diff,
    /// `l`: the instances.
    List,
    /// `u`: take the last save back.
    Undo,
    /// `q`: quit.
    Quit,
    /// `h`, `?`, and whatever has no meaning.
    Help,
}

impl Key {
    /// The key of a byte; `None` for those that are pressed in passing (a line's end, a space).
    fn of(byte: u8) -> Option<Key> {
        Some(match byte {
            b'r' => Key::Restart,
            b'R' => Key::RestartAll,
            b'd' => Key::Diff,
            b'l' => Key::List,
            b'u' => Key::Undo,
            b'q' => Key::Quit,
            b'\n' | b'\r' | b' ' => return None,
            _ => Key::Help,
        })
    }
}

/// The terminal, set to give single keys; as it was again when this is dropped.
pub struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// Listens to the terminal, if there is one, this process has it, and output goes there as well.
    pub fn open() -> Option<(Keyboard, UnboundedReceiver<Key>)> {
        let input = io::stdin();
        if !input.is_terminal() || !io::stdout().is_terminal() || !is_ours(&input) {
            return None;
        }
        let before = termios::tcgetattr(&input).ok()?;
        single_keys(&before)?;
        let (sender, keys) = unbounded_channel();
        // It ends with the process, or with the terminal.
        let reading = thread::Builder::new().name("keys".to_owned()).spawn(move || {
            for byte in BufReader::new(File::from(dup()?)).bytes() {
                if let Some(key) = byte.ok().and_then(Key::of)
                    && sender.send(key).is_err()
                {
                    break;
                }
            }
            Some(())
        });
        reading.ok()?;
        Some((Keyboard { before }, keys))
    }

    /// After the process was stopped and goes on: the shell has set the terminal as it likes it.
    pub fn set_again(&self) {
        let input = io::stdin();
        if let (true, Ok(now)) = (is_ours(&input), termios::tcgetattr(&input)) {
            single_keys(&now);
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let input = io::stdin();
        // Written from the background it would stop the process.
        if is_ours(&input) {
            let _ = termios::tcsetattr(&input, OptionalActions::Now, &self.before);
        }
    }
}

/// The input again, past the buffer of the standard library's, which waits for whole lines.
fn dup() -> Option<rustix::fd::OwnedFd> {
    rustix::io::dup(io::stdin()).ok()
}

/// Whether this process may set the terminal: it is in its foreground, or the terminal controls no jobs of this session.
fn is_ours(terminal: &io::Stdin) -> bool {
    termios::tcgetpgrp(terminal).map_or(true, |group| group == rustix::process::getpgrp())
}

fn single_keys(modes: &Termios) -> Option<()> {
    let mut modes = modes.clone();
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    termios::tcsetattr(io::stdin(), OptionalActions::Now, &modes).ok()
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn keys_have_meanings() {
        assert_eq!(Key::of(b'r'), Some(Key::Restart));
        assert_eq!(Key::of(b'R'), Some(Key::RestartAll));
        assert_eq!(Key::of(b'\n'), None);
        assert_eq!(Key::of(b'x'), Some(Key::Help));
    }
}
