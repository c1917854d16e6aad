//! Damaged dumps are refused, or read as what they say; they are never loaded, because Lua does not check what it loads.

use super::dump;
use crate::patch::bytecode::Code;

const TEXT: &str = "local a, b <const>, c = 1, {}, 'a string of more than forty characters, so a long one'
local function f(x, ...)
  for i = 1, 1000000 do a = a + i * 0.1 + f(c, x) end
  return function() return a, b, x end
end
return f, function(...t) return t, 'a', 'b' end, c";

/// Whatever is read is written as it was, and asking about it does not panic.
fn examine(bytes: &[u8]) -> bool {
    let Ok(code) = Code::parse(bytes) else {
        return false;
    };
    assert!(code.encode() == bytes, "what is accepted is written again");
    for (number, function) in code.functions.iter().enumerate() {
        code.bindings(number);
        code.maker(number);
        for pc in [0, 1, function.code.len(), usize::MAX] {
            code.line_at(number, pc);
        }
        assert!(code.same_body(number, &code, number));
    }
    true
}

#[test]
fn every_beginning_of_a_dump_is_refused() {
    for text in [TEXT, ""] {
        let dump = dump(text.as_bytes());
        assert!(examine(&dump));
        for length in 0..dump.len() {
            assert!(!examine(&dump[..length]), "{length} bytes of {}", dump.len());
        }
    }
}

#[test]
fn every_changed_byte_is_refused_or_read() {
    let mut dump = dump(TEXT.as_bytes());
    let mut accepted = 0;
    for at in 0..dump.len() {
        for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, dump[at]] {
            dump[at] ^= change;
            accepted += usize::from(examine(&dump));
            dump[at] ^= change;
        }
    }
    assert!(accepted > dump.len(), "instructions can be anything");
}

#[test]
fn inserted_removed_and_swapped_bytes_are_refused_or_read() {
    let dump = dump(TEXT.as_bytes());
    for at in 0..dump.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = dump.clone();
            changed.insert(at, byte);
            examine(&changed);
        }
        let mut changed = dump.clone();
        changed.remove(at);
        examine(&changed);
        let mut changed = dump.clone();
        changed.swap(at, dump.len() - 1 - at);
        examine(&changed);
        // The largest counts that there are.
        for count in [
            &[0xff; 9][..],
            b"\x87\xff\xff\xff\x7f",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        ] {
            let mut changed = dump[..at].to_vec();
            changed.extend_from_slice(count);
            changed.extend_from_slice(&dump[at..]);
            examine(&changed);
        }
    }
}
