//! Between the columns of the database and the plain types of the record.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hotfix::record::{PatchId, Target};

/// The time as the database and the journal write it.
pub(super) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// A patch's number as SQLite counts. Ids come from SQLite, so they fit; another number matches no row.
pub(super) fn sql_id(id: PatchId) -> i64 {
    i64::try_from(id.0).unwrap_or(-1)
}

/// A number that SQLite counted, from 1 upwards.
pub(super) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|error| garbled(row, column, error))
}

/// A patch's number.
pub(super) fn id(row: &Row<'_>, column: &str) -> rusqlite::Result<PatchId> {
    count(row, column).map(PatchId)
}

/// A time that [`now`] wrote.
pub(super) fn time(row: &Row<'_>) -> rusqlite::Result<Timestamp> {
    let text: String = row.get("time")?;
    text.parse().map_err(|error| garbled(row, "time", error))
}

/// Whom a patch was for.
pub(super) fn target(row: &Row<'_>) -> rusqlite::Result<Target> {
    Ok(match row.get("handle")? {
        None => Target::All,
        Some(handle) => Target::Handle(handle),
    })
}

/// A word that [`word`] wrote.
pub(super) fn from_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(Value::String(text)).map_err(|error| garbled(row, column, error))
}

/// A word that [`word`] wrote, or NULL.
pub(super) fn from_word_or_null<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => from_word(row, column).map(Some),
    }
}

/// A document that [`json`] wrote.
pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| garbled(row, column, error))
}

/// The one word that stands for a value of a plain enum: `rolled-back`.
pub(super) fn word<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    match serde_json::to_value(value).map_err(unwritable)? {
        Value::String(word) => Ok(word),
        other => Ok(other.to_string()),
    }
}

/// A value as a JSON document.
pub(super) fn json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// A column whose content this code never wrote.
fn garbled(row: &Row<'_>, column: &str, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or(usize::MAX);
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}
