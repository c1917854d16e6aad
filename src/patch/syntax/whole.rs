//! What whole source file a text is a new version of.

use crate::patch::syntax::model::{Expression, Kind, Outline, Value};

/// What a text is a new version of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WholeFile {
    /// The service's script.
    Script,
    /// The module of this name.
    Module(String),
    /// The file that was loaded under this label.
    Loaded(String),
}

/// Whether a text is a new version of a whole file: of a module if its first line says `---@module "name"`, of the script if it
/// calls skynet's `start`.
pub fn source_of(outline: &Outline, text: &[u8]) -> Option<WholeFile> {
    module(text)
        .map(WholeFile::Module)
        .or_else(|| starts(outline).then_some(WholeFile::Script))
}

/// The module that the first line names; a byte order mark and a `#!` line (also made a comment) may stand before it.
fn module(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines = text.split(|&b| b == b'\n');
    let mut first = lines.next()?;
    if first.starts_with(b"#") || first.starts_with(b"--!") {
        first = lines.next()?;
    }
    let said = std::str::from_utf8(first).ok()?.strip_prefix("---@module")?;
    let name = said.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| name.strip_prefix(quote)?.strip_suffix(quote));
    let apart = unquoted.is_some() || said.starts_with([' ', '\t']);
    let name = unquoted.unwrap_or(name);
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'');
    (apart && !name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

/// Whether a statement of the file itself calls skynet's `start`, under whatever name.
fn starts(outline: &Outline) -> bool {
    let mut skynet = vec!["require(\"skynet\")".to_owned()];
    let mut start: Vec<String> = Vec::new();
    let Some(body) = outline.bodies.first() else {
        return false;
    };
    for statement in &body.statements {
        let (names, values): (Vec<&str>, &[Expression]) = match &statement.kind {
            Kind::Local { names, values } => (names.iter().map(String::as_str).collect(), values),
            Kind::Assign { targets, values } => (targets.iter().map(|target| target.text.as_str()).collect(), values),
            Kind::Call { callee, .. } => {
                let of_skynet = callee
                    .strip_suffix(".start")
                    .is_some_and(|of| skynet.iter().any(|name| name == of));
                if of_skynet || start.contains(callee) {
                    return true;
                }
                continue;
            }
            _ => continue,
        };
        for (place, name) in names.into_iter().enumerate() {
            let value = values.get(place);
            let is = |known: bool, list: &mut Vec<String>| {
                list.retain(|other| other != name);
                if known {
                    list.push(name.to_owned());
                }
            };
            let aliased = value.map(without_spaces);
            let named = |list: &[String]| aliased.as_ref().is_some_and(|text| list.contains(text));
            let required =
                matches!(value, Some(Expression { value: Value::Require(module), .. }) if module == "skynet");
            let is_skynet = required || named(&skynet);
            let of = aliased.as_deref().and_then(|text| text.strip_suffix(".start"));
            let is_start = named(&start) || of.is_some_and(|of| skynet.iter().any(|name| name == of));
            is(is_skynet, &mut skynet);
            is(is_start, &mut start);
        }
    }
    false
}

/// An expression as a callee is written, as far as this concerns `require "skynet"`.
fn without_spaces(expression: &Expression) -> String {
    let text = expression.text.replace(' ', "").replace('\'', "\"");
    text.replace("require\"skynet\"", "require(\"skynet\")")
}
