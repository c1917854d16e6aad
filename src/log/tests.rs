//! What comes out at the far end: in order, whole, and truthful about what did not.

use std::io::{self, ErrorKind, Write};
use std::sync::mpsc::{self, Receiver, Sender};

use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use crate::config::Format;
use crate::log::queue::{Guard, Printer, QUEUE_SIZE};
use crate::log::{queue, subscriber};

/// An output that hands over what it is given, in pieces of at most `most` bytes, and first answers each write with
/// `ErrorKind::WouldBlock` if it is a shy one.
struct Output {
    sink: Sender<Vec<u8>>,
    most: usize,
    shy: bool,
    asked: bool,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asked = !self.asked;
        if self.shy && self.asked {
            return Err(ErrorKind::WouldBlock.into());
        }
        let piece = &bytes[..bytes.len().min(self.most)];
        match self.sink.send(piece.to_vec()) {
            Ok(()) => Ok(piece.len()),
            Err(_) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output() -> (Output, Receiver<Vec<u8>>) {
    let (sink, pieces) = mpsc::channel();
    let output = Output {
        sink,
        most: usize::MAX,
        shy: false,
        asked: false,
    };
    (output, pieces)
}

/// Runs `say` with a log of this form, and answers with everything that was written.
fn written(format: Format, output: (Output, Receiver<Vec<u8>>), say: impl FnOnce(&Printer)) -> String {
    let (out, pieces) = output;
    let (guard, printer) = queue::open(format, out);
    let subscriber = subscriber(LevelFilter::INFO, printer.clone());
    tracing::subscriber::with_default(subscriber, || say(&printer));
    drop(guard);
    let bytes: Vec<u8> = pieces.try_iter().flatten().collect();
    String::from_utf8(bytes).expect("the tests write UTF-8")
}

fn say_a_bit_of_everything(printer: &Printer) {
    info!(handle = 10_u32, "LAUNCH snlua {}", "simpledb");
    printer.print(10, b"itest!\n");
    info!("[hotfix] simpledb/x.lua applied\n--- a\n+++ b");
    printer.print(10, b"no newline");
    warn!("watch limit reached");
    error!(handle = 0x0100_0009_u32, "in trouble");
    error!(port = 8000_u32, host = "here", "in use");
    debug!("nobody asked");
}

#[test]
fn text_is_skynets_form() {
    let expected = concat!(
        "[:0000000a] LAUNCH snlua simpledb\n",
        "itest!\n",
        "[hotfix] simpledb/x.lua applied\n--- a\n+++ b\n",
        "no newline\n",
        "warning: watch limit reached\n",
        "[:01000009] in trouble\n",
        "error: in use host=\"here\" port=8000\n",
    );
    assert_eq!(written(Format::Text, output(), say_a_bit_of_everything), expected);
}

#[test]
fn json_is_one_object_per_line() {
    let text = written(Format::Json, output(), say_a_bit_of_everything);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object"))
        .collect();
    let field = |name: &str| -> Vec<Value> { lines.iter().map(|line| line[name].clone()).collect() };
    let null = Value::Null;
    assert_eq!(
        field("message"),
        [
            "LAUNCH snlua simpledb",
            "itest!",
            "[hotfix] simpledb/x.lua applied\n--- a\n+++ b",
            "no newline",
            "watch limit reached",
            "in trouble",
            "in use"
        ]
    );
    assert_eq!(
        field("level"),
        ["info", "info", "info", "info", "warn", "error", "error"]
    );
    assert_eq!(
        field("handle"),
        [
            10.into(),
            10.into(),
            null.clone(),
            10.into(),
            null.clone(),
            0x0100_0009.into(),
            null
        ]
    );
    assert_eq!(
        field("target")[..2],
        [Value::from(module_path!()), Value::from("print")]
    );
    assert_eq!(field("port")[6], 8000);
    for time in field("time") {
        let time = time.as_str().expect("a time");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
}

#[test]
fn a_non_blocking_output_gets_every_byte() {
    let (mut out, pieces) = output();
    out.shy = true;
    out.most = 50_000;
    let long = "x".repeat(200_000) + "\n";
    let text = written(Format::Text, (out, pieces), |printer| {
        for _ in 0..3 {
            printer.print(1, long.as_bytes());
        }
    });
    assert!(text == long.repeat(3), "{} bytes of {}", text.len(), 3 * long.len());
}

/// An output that takes nothing until the test drops the other end of its gate.
struct Gated {
    gate: Receiver<()>,
    out: Output,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Fails at once when the gate is gone: open.
        let _ = self.gate.recv();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (Guard, Printer, Sender<()>, Receiver<Vec<u8>>) {
    let (closed, gate) = mpsc::channel();
    let (out, pieces) = output();
    let (guard, printer) = queue::open(Format::Text, Gated { gate, out });
    (guard, printer, closed, pieces)
}

#[test]
fn a_stalled_output_costs_lines_and_says_how_many() {
    let (guard, printer, closed, pieces) = gated();
    let long = "y".repeat(QUEUE_SIZE / 20) + "\n";
    // More than the queue and the writer's hands can hold; that this loop ends is half of the test.
    for _ in 0..50 {
        printer.print(1, long.as_bytes());
    }
    drop(closed);
    drop(guard);
    let bytes: Vec<u8> = pieces.try_iter().flatten().collect();
    let text = String::from_utf8(bytes).expect("the tests write UTF-8");

    let whole = text.lines().filter(|line| **line == long[..long.len() - 1]);
    let whole = whole.count();
    assert!(whole < 25, "{whole} lines were kept");
    let told = format!(
        "warning: {} lines dropped: the output was not read fast enough\n",
        50 - whole
    );
    let (before, after) = text.split_at(whole * long.len());
    assert!(before == long.repeat(whole), "lines are whole and come first");
    assert_eq!(after, told);
}

#[test]
fn an_output_that_nobody_reads_does_not_keep_the_node_from_ending() {
    let (guard, printer, closed, pieces) = gated();
    // Both in the queue and in the writer's hands.
    for _ in 0..3 {
        printer.print(1, &[b'z'; 100_000]);
    }
    drop(guard);
    assert_eq!(pieces.try_iter().count(), 0);
    drop(closed);
}
