//! Patience: a file that is not ready yet, when to look at it again, and when to tell people what it waits for.

use std::time::{Duration, Instant};

use crate::watch::read::Look;
use crate::watch::stamp::Stamp;

/// Shortest pause before another look at a file that has a writer. The kernel may report a close long before it counts the
/// writer out: ext4 starts the disk write of a truncated and rewritten file in between.
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
/// Longest pause before another look.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// The pause is this part of the time waited so far, so that looking in vain costs little and adds little.
const PAUSE_PART: u32 = 4;
/// A source file that is back after this time was saved, not removed. Whoever removes a file to write it anew does so at once.
const RETURN: Duration = Duration::from_millis(30);
/// After this time people are told what a file waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a file waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Empty,
    Writer,
    Steadiness,
    Return,
    Trouble(String),
}

/// One file that is not ready.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    cause: Cause,
    since: Instant,
    due: Option<Instant>,
    is_noticed: bool,
    stamp: Option<Stamp>,
}

impl Waiting {
    /// The state after a look that found the file not ready (or missing, if it may come back); `None` if that look was final.
    pub(super) fn next(before: Option<Self>, look: &Look, now: Instant) -> Option<Self> {
        let (cause, stamp, hold) = match look {
            Look::Empty => (Cause::Empty, None, None),
            Look::Writing => (Cause::Writer, None, None),
            Look::Unsteady { stamp, hold } => (Cause::Steadiness, Some(*stamp), Some(*hold)),
            Look::Trouble(why) => (Cause::Trouble(why.clone()), None, None),
            Look::Missing => (Cause::Return, None, Some(RETURN)),
            Look::Refused { .. } | Look::Settled(_) => return None,
        };
        let before = before.filter(|before| before.cause == cause);
        let due_before = before.as_ref().and_then(|before| before.due);
        let is_same_stamp = before.as_ref().is_some_and(|before| before.stamp == stamp);
        let mut waiting = before.unwrap_or(Self {
            cause,
            since: now,
            due: None,
            is_noticed: false,
            stamp,
        });
        waiting.stamp = stamp;
        waiting.due = match (&waiting.cause, hold) {
            // Its first byte is an event; only the notice needs a clock.
            (Cause::Empty, _) => Some(waiting.since + PATIENCE).filter(|due| *due > now),
            // An early look must not put the end of the hold off.
            (_, Some(_)) if is_same_stamp && due_before.is_some_and(|due| due > now) => due_before,
            (_, Some(hold)) => Some(now + hold),
            (_, None) => {
                let waited = now.duration_since(waiting.since);
                Some(now + (waited / PAUSE_PART).clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
            }
        };
        Some(waiting)
    }

    /// When the file is due for another look.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The stamp that has stayed the same for long enough, if the next look finds it so.
    pub(super) fn steady(&self) -> Option<Stamp> {
        self.stamp.filter(|_| self.due.is_some_and(|due| due <= Instant::now()))
    }

    /// Whether it waits for nothing but time.
    pub(super) fn is_steadying(&self) -> bool {
        self.cause == Cause::Steadiness
    }

    /// Whether it waited for long enough for a file that was not there.
    pub(super) fn is_away_for_good(&self, now: Instant) -> bool {
        self.cause == Cause::Return && self.due.is_some_and(|due| due <= now)
    }

    /// What people should know by now; said once.
    pub(super) fn notice(&mut self, display: &str, now: Instant) -> Option<String> {
        if self.is_noticed || self.cause == Cause::Return || now.duration_since(self.since) < PATIENCE {
            return None;
        }
        self.is_noticed = true;
        Some(match &self.cause {
            Cause::Empty => format!("{display} is empty: waiting for its content"),
            Cause::Writer => {
                format!("{display} is open for writing: waiting until its writer closes it")
            }
            Cause::Steadiness | Cause::Return => {
                format!("{display} keeps changing: waiting until it stays the same for a moment")
            }
            Cause::Trouble(why) => format!("{display} cannot be read yet ({why}): trying again"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PAUSE, PATIENCE, RETURN, SHORTEST_PAUSE, Waiting};
    use crate::watch::read::Look;
    use crate::watch::stamp::Stamp;
    use std::time::{Duration, Instant};

    #[test]
    fn a_writer_is_asked_less_and_less_often_and_named_once() {
        let start = Instant::now();
        let mut waiting = Waiting::next(None, &Look::Writing, start).expect("waits");
        assert_eq!(waiting.notice("x", start), None);
        assert_eq!(waiting.due(), Some(start + SHORTEST_PAUSE));
        let soon = start + Duration::from_millis(40);
        waiting = Waiting::next(Some(waiting), &Look::Writing, soon).expect("waits");
        assert_eq!(waiting.due(), Some(soon + Duration::from_millis(10)));
        let later = start + PATIENCE;
        assert!(
            waiting
                .notice("x", later)
                .is_some_and(|text| text.contains("open for writing"))
        );
        assert_eq!(waiting.notice("x", later), None);
        waiting = Waiting::next(Some(waiting), &Look::Writing, later).expect("waits");
        assert_eq!(waiting.due(), Some(later + LONGEST_PAUSE));
        let empty = Waiting::next(Some(waiting), &Look::Empty, later).expect("waits");
        assert_eq!(empty.due(), Some(later + PATIENCE), "another cause begins anew");
    }

    #[test]
    fn an_empty_file_needs_no_clock_after_the_notice() {
        let start = Instant::now();
        let waiting = Waiting::next(None, &Look::Empty, start).expect("waits");
        let mut waiting = Waiting::next(Some(waiting), &Look::Empty, start + PATIENCE).expect("waits");
        assert_eq!(waiting.due(), None);
        assert!(
            waiting
                .notice("x", start + PATIENCE)
                .is_some_and(|text| text.contains("is empty"))
        );
    }

    #[test]
    fn a_file_that_is_missing_is_waited_for_once() {
        let start = Instant::now();
        let waiting = Waiting::next(None, &Look::Missing, start).expect("waits");
        let early = start + RETURN / 2;
        let waiting = Waiting::next(Some(waiting), &Look::Missing, early).expect("waits");
        assert!(!waiting.is_away_for_good(early));
        assert_eq!(waiting.due(), Some(start + RETURN));
        assert!(waiting.is_away_for_good(start + RETURN));
    }

    #[test]
    fn an_early_look_does_not_put_the_hold_off_but_a_change_does() {
        let stamp = |size| Stamp {
            dev: 1,
            ino: 2,
            size,
            mtime_ns: 0,
            ctime_ns: 0,
        };
        let hold = Duration::from_secs(60);
        let start = Instant::now();
        let first = Waiting::next(None, &Look::Unsteady { stamp: stamp(1), hold }, start).expect("waits");
        assert_eq!(first.steady(), None);
        let early = start + hold / 2;
        let again =
            Waiting::next(Some(first.clone()), &Look::Unsteady { stamp: stamp(1), hold }, early).expect("waits");
        assert_eq!(again.due(), Some(start + hold));
        let changed = Waiting::next(Some(first), &Look::Unsteady { stamp: stamp(2), hold }, early).expect("waits");
        assert_eq!(changed.due(), Some(early + hold));
        assert_eq!(changed.steady(), None);
    }
}
