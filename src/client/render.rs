//! How an answer looks on the command line.

use serde_json::Value;

use crate::client::table::{Align, Table};
use crate::patch::diff;
use crate::plain;

/// How text looks here.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With colours.
    pub colour: bool,
    /// One JSON document instead of text.
    pub json: bool,
}

/// An answer as it is written, with a newline at the end; nothing if there is nothing to say.
pub fn answer(style: Style, line: &str, text: &str, data: &Value) -> String {
    if style.json {
        // A value of JSON can always be written.
        return plain::json(serde_json::to_string_pretty(data).unwrap_or_default()) + "\n";
    }
    let text = match data {
        Value::Object(fields) if line == "list" && fields.contains_key("instances") => list(data),
        _ => coloured_diff(style, text, data["diff"].as_str().unwrap_or_default()),
    };
    match text.trim_end_matches('\n') {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}

/// The text with its diff, which it ends with, in colours. It is made plain here too: who answers need not be the node.
fn coloured_diff(style: Style, text: &str, diff: &str) -> String {
    let text = plain::lines(text.as_bytes());
    let diff = plain::lines(diff.trim_end_matches('\n').as_bytes());
    match text.strip_suffix(&*diff).filter(|_| style.colour && !diff.is_empty()) {
        Some(head) => head.to_owned() + &diff::coloured(&diff),
        None => text.into_owned(),
    }
}

/// The instances as a table, what is frozen, and the files that wait.
fn list(data: &Value) -> String {
    let columns = [
        ("HANDLE", Align::Left),
        ("SERVICE", Align::Left),
        ("ARGS", Align::Left),
        ("QUEUE", Align::Right),
        ("MEMORY", Align::Right),
        ("PATCHES", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for row in data["instances"].as_array().into_iter().flatten() {
        let text = |key: &str| shown(row[key].as_str().unwrap_or_default());
        let memory = bytesize::ByteSize(row["memory"].as_u64().unwrap_or_default());
        table.add([
            text("handle"),
            text("service"),
            text("args"),
            row["queue"].to_string(),
            memory.to_string(),
            shown(&patches(row)),
        ]);
    }
    let mut out = table.to_string();
    for freeze in data["frozen"].as_array().into_iter().flatten() {
        let text = |key: &str| freeze[key].as_str();
        let reason = text("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
        let (service, since, by) = (
            text("service").unwrap_or("the node"),
            text("since").unwrap_or_default(),
            text("by").unwrap_or_default(),
        );
        out.push_str(&shown(&format!("frozen: {service}, since {since} by {by}{reason}")));
        out.push('\n');
    }
    for waits in data["waiting"].as_array().into_iter().flatten() {
        let text = |key: &str| waits[key].as_str().unwrap_or_default();
        let (service, name, why) = (text("service"), text("name"), text("why"));
        out.push_str(&shown(&format!("waiting: {service}/{name}: {why}")));
        out.push('\n');
    }
    out
}

/// Text that neither a terminal obeys nor a line breaks on.
fn shown(text: &str) -> String {
    plain::line(text.as_bytes()).into_owned()
}

/// What an instance runs, and what it lacks.
fn patches(row: &Value) -> String {
    let all = |key: &str| row[key].as_array().into_iter().flatten();
    let live: Vec<String> = all("patches")
        .map(|patch| format!("{} {}", patch["patch"], patch["name"].as_str().unwrap_or_default()))
        .collect();
    let behind: Vec<&str> = all("behind").filter_map(Value::as_str).collect();
    let behind = if behind.is_empty() {
        Vec::new()
    } else {
        vec![format!("behind: {}", behind.join(", "))]
    };
    [live, behind].concat().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Style, answer};

    const PLAIN: Style = Style {
        colour: false,
        json: false,
    };

    #[test]
    fn a_list_is_a_table() {
        let data = json!({
            "instances": [
                { "handle": ":0000000a", "service": "a", "args": "1 2", "queue": 0, "memory": 2048,
                  "patches": [{ "patch": 7, "name": "x.lua" }], "behind": ["y.lua"] },
                { "handle": ":0000000b", "service": "longer", "args": "", "queue": 12, "memory": 0, "patches": [], "behind": [] },
            ],
            "frozen": [{ "service": null, "since": "2026-11-25T08:00:00.000Z", "by": "root", "reason": "night" }],
            "waiting": [{ "service": "b", "name": "z.lua", "why": "no instance of b is running" }],
        });
        let expected = "\
HANDLE     SERVICE  ARGS  QUEUE   MEMORY  PATCHES
:0000000a  a        1 2       0  2.0 KiB  7 x.lua; behind: y.lua
:0000000b  longer            12      0 B
frozen: the node, since 2026-11-25T08:00:00.000Z by root: night
waiting: b/z.lua: no instance of b is running
";
        assert_eq!(answer(PLAIN, "list", "", &data), expected);
    }

    #[test]
    fn a_diff_is_coloured_on_a_terminal_only() {
        let data = json!({ "diff": "--- a\n-x\n" });
        let text = "applied\n--- a\n-x";
        assert_eq!(answer(PLAIN, "inject", text, &data), "applied\n--- a\n-x\n");
        let colour = Style { colour: true, ..PLAIN };
        assert_eq!(
            answer(colour, "inject", text, &data),
            "applied\n\x1b[1m--- a\x1b[0m\n\x1b[31m-x\x1b[0m\n"
        );
        assert_eq!(answer(colour, "freeze", "", &json!(null)), "");
    }
}
