//! Any bytes as the text of a patch: they are no source, or they have an outline, and whether they are a new version of a whole file can be
//! told. (The outline of what the compiler refuses is never asked for; it must not end the node nevertheless.)

use crate::patch::source::Source;
use crate::patch::syntax::{outline, source_of, too_much};

/// Whether it is a source.
pub fn examine(bytes: &[u8]) -> bool {
    let Ok(source) = Source::new(bytes) else {
        return false;
    };
    let text = source.bytes();
    let outline = outline(text);
    assert_eq!(outline.bodies.len(), outline.functions.len() + 1);
    assert!(outline.tail <= text.len());
    for function in &outline.functions {
        assert!(function.range.start <= function.range.end && function.range.end <= text.len());
    }
    let _ = source_of(&outline, text);
    let _ = too_much(text);
    for line in [0, 1, 2, usize::MAX] {
        let _ = source.look_alike_on(line);
    }
    true
}
