//! The one way to standard output. Whole lines go into a bounded queue and a thread of its own writes them, so a
//! stopped terminal or a slow pipe never stalls a service. When the queue is full, lines are dropped, and a line
//! says how many as soon as there is room again.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::config::Format;
use crate::log::line;
use crate::plain;

/// How much may wait to be written (bytes; a line counts its text and [`LINE_COST`]).
pub const QUEUE_SIZE: usize = 32 * 1024 * 1024;

/// What a waiting line costs besides its text, so that the number of lines is bounded too (bytes).
const LINE_COST: usize = 512;

/// How long the end waits while no line is taken: after that nobody is reading.
const PATIENCE: Duration = Duration::from_secs(3);

/// For how long lines gather after what was there has been written, if they come one after another, faster than that: whoever writes one does
/// not have to wake the thread for it then.
const GATHER: Duration = Duration::from_millis(1);

/// After so many times that the thread was woken again so soon.
const HURRIED: u32 = 16;

/// How long to leave an output alone that cannot take more at the moment, and how often the end looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Writes what is still queued when dropped. Keep it until the process ends.
#[must_use = "lines that are still queued are lost without it"]
pub struct Guard {
    queue: Arc<Queue>,
    _worker: WorkerGuard,
}

/// Where services print. Clones share one queue, with each other and with the log.
#[derive(Clone)]
pub struct Printer {
    format: Format,
    sender: NonBlocking,
    queue: Arc<Queue>,
}

/// What those who write lines and the thread that takes them know of each other.
#[derive(Default)]
struct Queue {
    /// The cost of all lines that were accepted and are not taken yet.
    waiting: AtomicUsize,
    /// Lines that were dropped and not yet told of.
    dropped: AtomicUsize,
}

/// Starts a queue to `out`, and the thread that writes.
pub fn open(format: Format, out: impl Write + Send + 'static) -> (Guard, Printer) {
    let queue = Arc::new(Queue::default());
    let writer = LineWriter {
        format,
        out: BufWriter::with_capacity(64 * 1024, out),
        queue: Arc::clone(&queue),
        flushed: Instant::now(),
        hurried: 0,
    };
    let (sender, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .thread_name("log")
        // One more than `offer` lets in: the guard's own message to the thread has room in any case.
        .buffered_lines_limit(QUEUE_SIZE / LINE_COST + 1)
        .finish(writer);
    let guard = Guard {
        queue: Arc::clone(&queue),
        _worker: worker,
    };
    let printer = Printer { format, sender, queue };
    (guard, printer)
}

impl Printer {
    /// Writes what the service with this handle printed: as plain lines, or as a JSON object. A newline at its
    /// end is added if it lacks one. Never blocks.
    pub fn print(&self, handle: u32, line: &[u8]) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        match self.format {
            Format::Text => self.write((plain::lines(text).into_owned() + "\n").as_bytes()),
            Format::Json => self.write(line::printed(handle, text).as_bytes()),
        }
    }

    /// How lines look here.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Queues whole lines that stay together, or counts them as one dropped.
    pub(super) fn write(&self, lines: &[u8]) {
        // What was lost is told where it was lost: with the first line that finds room again.
        let lost = self.queue.dropped.swap(0, Ordering::Relaxed);
        let accepted = match lost {
            0 => self.offer(lines),
            _ => self.offer(&[line::dropped(self.format, lost).as_bytes(), lines].concat()),
        };
        if !accepted {
            self.queue.dropped.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }

    /// Queues the lines if there is room for them.
    fn offer(&self, lines: &[u8]) -> bool {
        let cost = lines.len() + LINE_COST;
        let reserve = |waiting: usize| Some(waiting + cost).filter(|sum| *sum <= QUEUE_SIZE);
        let waiting = &self.queue.waiting;
        let reserved = waiting.fetch_update(Ordering::AcqRel, Ordering::Relaxed, reserve);
        // With its room reserved the line is accepted, neither blocking nor dropping.
        reserved.is_ok() && self.sender.clone().write_all(lines).is_ok()
    }
}

impl Drop for Guard {
    /// Waits until everything is written, or until nobody takes anything for a while.
    fn drop(&mut self) {
        let mut left = self.queue.waiting.load(Ordering::Acquire);
        let mut since = Instant::now();
        while left > 0 && since.elapsed() < PATIENCE {
            thread::sleep(PAUSE);
            let now = self.queue.waiting.load(Ordering::Acquire);
            if now != left {
                (left, since) = (now, Instant::now());
            }
        }
    }
}

/// The far end of the queue, on the writing thread.
struct LineWriter<W: Write> {
    format: Format,
    out: BufWriter<W>,
    queue: Arc<Queue>,
    /// When everything was written last.
    flushed: Instant,
    /// How often in a row that was only just before.
    hurried: u32,
}

impl<W: Write> LineWriter<W> {
    /// Writes all of it. A terminal or pipe that another process has made non-blocking is waited for like any other.
    fn write_whole(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            match self.out.write(lines) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => lines = &lines[written..],
                Err(error) => pause_or(error)?,
            }
        }
        Ok(())
    }
}

/// Never fails: a closed terminal or a full disk must not end the log, and there is nowhere else to say it. What
/// could not be written counts as dropped.
impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.write_whole(lines).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let cost = lines.len() + LINE_COST;
        self.queue.waiting.fetch_sub(cost, Ordering::AcqRel);
        Ok(lines.len())
    }

    /// Called when the queue is empty: a quiet node tells of lost lines too.
    fn flush(&mut self) -> io::Result<()> {
        let lost = self.queue.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let notice = line::dropped(self.format, lost);
            if self.write_whole(notice.as_bytes()).is_err() {
                self.queue.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
        while let Err(error) = self.out.flush() {
            // What is not written stays in the buffer for the next time.
            if pause_or(error).is_err() {
                break;
            }
        }
        let is_hurried = self.flushed.elapsed() < GATHER * 2;
        self.hurried = if is_hurried { self.hurried + 1 } else { 0 };
        if self.hurried >= HURRIED {
            thread::sleep(GATHER);
        }
        self.flushed = Instant::now();
        Ok(())
    }
}

/// Waits a little if trying again is all that the error asks for.
fn pause_or(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock => {
            thread::sleep(PAUSE);
            Ok(())
        }
        _ => Err(error),
    }
}
