//! Packed values as bytes: skynet's format. A tag byte (3 bits of type, 5 bits of detail), then the value, little-endian.

use crate::actor::address::Handle;

/// Nothing; also ends a table.
pub const NIL: u8 = 0;
/// Detail 1 is true.
pub const BOOLEAN: u8 = 1;
/// Details: see `NUMBER_…`.
pub const NUMBER: u8 = 2;
/// Light userdata: eight bytes of address.
pub const USERDATA: u8 = 3;
/// The detail is the length.
pub const SHORT_STRING: u8 = 4;
/// The detail is the size of the length: 2 or 4 bytes.
pub const LONG_STRING: u8 = 5;
/// The detail is the length of the list part; 31: an integer follows that is.
pub const TABLE: u8 = 6;

/// The integer 0.
pub const NUMBER_ZERO: u8 = 0;
/// One byte, unsigned.
pub const NUMBER_BYTE: u8 = 1;
/// Two bytes, unsigned.
pub const NUMBER_WORD: u8 = 2;
/// Four bytes, signed.
pub const NUMBER_DWORD: u8 = 4;
/// Eight bytes, signed.
pub const NUMBER_QWORD: u8 = 6;
/// Eight bytes, a float.
pub const NUMBER_REAL: u8 = 8;

/// Details from here on do not fit into the tag.
pub const MAX_DETAIL: usize = 32;
/// Tables nest at most this deep.
pub const MAX_DEPTH: i32 = 32;

/// The tag byte of a value.
pub fn tag(kind: u8, detail: u8) -> u8 {
    kind | detail << 3
}

/// Appends an integer.
pub fn pack_integer(out: &mut Vec<u8>, value: i64) {
    if value == 0 {
        out.push(tag(NUMBER, NUMBER_ZERO));
    } else if let Ok(value) = u8::try_from(value) {
        out.extend_from_slice(&[tag(NUMBER, NUMBER_BYTE), value]);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(tag(NUMBER, NUMBER_WORD));
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(tag(NUMBER, NUMBER_DWORD));
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        out.push(tag(NUMBER, NUMBER_QWORD));
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a string.
pub fn pack_string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() < MAX_DETAIL {
        out.push(tag(SHORT_STRING, text.len() as u8));
    } else if let Ok(length) = u16::try_from(text.len()) {
        out.push(tag(LONG_STRING, 2));
        out.extend_from_slice(&length.to_le_bytes());
    } else {
        out.push(tag(LONG_STRING, 4));
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(text);
}

/// The packed form of a handle, or of nil.
pub fn handle_or_nil(handle: Option<Handle>) -> Box<[u8]> {
    let mut out = Vec::new();
    match handle {
        Some(handle) => pack_integer(&mut out, i64::from(handle.0)),
        None => out.push(tag(NIL, 0)),
    }
    out.into()
}
