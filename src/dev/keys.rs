//! The keyboard of dev mode: single keys, without a line's end, while signals and output stay as they are.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

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
        let keyboard = Keyboard { before };
        single_keys(&keyboard.before)?;
        let (sender, keys) = unbounded_channel();
        // It ends with the process, or with the terminal.
        let reading = thread::Builder::new().name("keys".to_owned());
        reading.spawn(move || while listen(&sender) {}).ok()?;
        Some((keyboard, keys))
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

/// Waits a while for keys and passes them on; false at the end of the terminal, or when nobody wants them.
fn listen(keys: &UnboundedSender<Key>) -> bool {
    let input = io::stdin();
    // From the background, reading would stop the process: then it is only waited.
    if !is_ours(&input) {
        thread::sleep(WHILE);
        return true;
    }
    let timeout = Timespec::try_from(WHILE).ok();
    match poll(&mut [PollFd::new(&input, PollFlags::IN)], timeout.as_ref()) {
        Ok(0) | Err(Errno::INTR) => return true,
        Ok(_) => {}
        Err(_) => return false,
    }
    let mut typed = [0; 64];
    // Past the buffer of the standard library's, which waits for whole lines.
    match rustix::io::read(&input, &mut typed) {
        Ok(0) => false,
        // Arrows and function keys are sequences of several characters, none of which was typed.
        Ok(_) if typed[0] == ESCAPE => true,
        Ok(length) => {
            let mut pressed = typed[..length].iter().copied().filter_map(Key::of);
            pressed.all(|key| keys.send(key).is_ok())
        }
        Err(Errno::INTR | Errno::AGAIN) => true,
        Err(_) => false,
    }
}

/// How long it is waited for a key before it is looked whether the terminal is still ours.
const WHILE: Duration = Duration::from_millis(250);
/// What sequences begin with.
const ESCAPE: u8 = 0x1b;

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
