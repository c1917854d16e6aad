//! Any bytes as a compiled file: they are refused, or they are written again as they were, and every question has an answer.

use crate::patch::bytecode::{Code, HEADER};

/// Whether it is a compiled file.
pub fn examine(bytes: &[u8]) -> bool {
    let is_one = examine_whole(bytes);
    // The header is the same in every dump: not left to chance.
    examine_whole(&[&HEADER[..], bytes].concat()) || is_one
}

fn examine_whole(bytes: &[u8]) -> bool {
    let Ok(code) = Code::parse(bytes) else {
        return false;
    };
    assert!(code.encode() == bytes, "what is accepted is written again");
    for (number, function) in code.functions.iter().enumerate() {
        assert_eq!(code.bindings(number).len(), function.upvalues.len());
        assert!(code.same_body(number, &code, number));
        for pc in [0, function.code.len(), usize::MAX] {
            code.line_at(number, pc);
        }
    }
    // One of them: each maker holds all that is nested.
    let maker = code.maker(bytes.len() % code.functions.len());
    match Code::parse(&maker) {
        Ok(made) => assert!(made.encode() == maker),
        // Two functions more around it can be too many.
        Err(why) => assert!(why.to_string().contains("nested too deeply"), "{why}"),
    }
    true
}
