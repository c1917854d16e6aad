//! How one log line looks: skynet's form for people, a JSON object for collectors.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use crate::config::Format;
use crate::plain;

/// What an event says. Fields that are neither the message nor the handle are written after the message.
#[derive(Default)]
pub struct Fields {
    message: String,
    handle: Option<u32>,
    /// The message may hold colours of our own.
    painted: bool,
    extra: Map<String, Value>,
}

/// The JSON form, in the order in which its keys are written.
#[derive(Serialize)]
struct Json<'a> {
    time: String,
    level: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<u32>,
    message: &'a str,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

impl Fields {
    /// skynet's form for what a service says; for the node's own lines, bare text, marked if it is trouble.
    pub fn text(&self, level: Level) -> String {
        let mut line = match (self.handle, level) {
            (Some(handle), _) => format!("[:{handle:08x}] "),
            (None, Level::ERROR) => "error: ".to_owned(),
            (None, Level::WARN) => "warning: ".to_owned(),
            (None, _) => String::new(),
        };
        line.push_str(&self.message);
        for (name, value) in &self.extra {
            // Writing to a string does not fail.
            let _ = write!(line, " {name}={value}");
        }
        let mut line = match self.painted {
            true => plain::painted(&line),
            false => plain::lines(line.as_bytes()).into_owned(),
        };
        line.push('\n');
        line
    }

    /// One JSON object.
    pub fn json(&self, metadata: &Metadata<'_>) -> String {
        let level = metadata.level().as_str().to_ascii_lowercase();
        json(&level, metadata.target(), self)
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => {
                self.extra.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "painted" => self.painted = value,
            _ => self.put(field, value.into()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match (field.name(), u32::try_from(value)) {
            ("handle", Ok(handle)) => self.handle = Some(handle),
            _ => self.put(field, value.into()),
        }
    }
}

/// The JSON form of a line, without its newline, that the service with this handle printed.
pub fn printed(handle: u32, text: &[u8]) -> String {
    let fields = Fields {
        message: String::from_utf8_lossy(text).into_owned(),
        handle: Some(handle),
        ..Fields::default()
    };
    json("info", "print", &fields)
}

/// The line that tells of dropped ones.
pub fn dropped(format: Format, lines: usize) -> String {
    let noun = if lines == 1 { "line" } else { "lines" };
    let fields = Fields {
        message: format!("{lines} {noun} dropped: the output was not read fast enough"),
        ..Fields::default()
    };
    match format {
        Format::Text => fields.text(Level::WARN),
        Format::Json => json("warn", module_path!(), &fields),
    }
}

fn json(level: &str, target: &str, fields: &Fields) -> String {
    let line = Json {
        time: format!("{:.6}", Timestamp::now()),
        level,
        target,
        handle: fields.handle,
        message: &fields.message,
        extra: &fields.extra,
    };
    // Strings, numbers and maps with string keys always serialise.
    plain::json(serde_json::to_string(&line).unwrap_or_default()) + "\n"
}
