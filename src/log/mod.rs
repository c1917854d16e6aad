//! Everything that the node writes to standard output: its log, and what services print, in one order.

mod line;
mod queue;

use std::env;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::config::{Format, Log};
use crate::log::line::Fields;

pub use crate::log::queue::{Guard, Printer};

/// Starts the log of this process: from now on events are written to standard output. A field `handle` (`u32`)
/// says which service an event is about; `painted` (`bool`) that its message was given colours by us, which stay. All other text is made plain.
///
/// # Panics
/// If the process has a log already: `main` calls this, once.
pub fn init(config: &Log) -> (Guard, Printer) {
    let (guard, printer) = queue::open(config.format, io::stdout());
    let subscriber = subscriber(config.level, printer.clone());
    tracing::subscriber::set_global_default(subscriber).expect("log::init is called once");
    (guard, printer)
}

/// Whether what is written to this log may hold colours: text, where [`terminal_colour`] allows it.
pub fn colour(config: &Log) -> bool {
    config.format == Format::Text && terminal_colour()
}

/// Whether standard output may hold colours: it is a terminal that can show them, and the user has not set `NO_COLOR`
/// (<https://no-color.org>).
pub fn terminal_colour() -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|value| value == "dumb");
    !refused && io::stdout().is_terminal()
}

fn subscriber(level: LevelFilter, printer: Printer) -> impl Subscriber + Send + Sync {
    Registry::default().with(level).with(LogLayer { printer })
}

/// Turns events into lines.
struct LogLayer {
    printer: Printer,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = match self.printer.format() {
            Format::Text => fields.text(*event.metadata().level()),
            Format::Json => fields.json(event.metadata()),
        };
        self.printer.write(line.as_bytes());
    }
}

#[cfg(test)]
mod tests;
