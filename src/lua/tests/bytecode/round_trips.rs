//! What is read is written again, byte for byte, and says what Lua says.

use mlua::{Function, Table, Value};

use super::{code, compiled, dump, parsed, sources, vm};
use crate::patch::bytecode::{BadDump, Code, Constant};

#[test]
fn every_dump_is_written_again_byte_for_byte() {
    let lua = vm();
    for (name, text) in sources::all() {
        let dump = compiled(&lua, &text).dump(false);
        assert!(parsed(&dump).encode() == dump, "{name}");
    }
}

#[test]
fn functions_are_in_source_order() {
    let code = code("local function a()\n return function()\n end\nend\nlocal function b() end");
    let found: Vec<_> = code
        .functions
        .iter()
        .map(|f| (f.parent, f.children.clone(), f.line, f.last_line))
        .collect();
    let expected = [
        (None, vec![1, 3], 0, 0),
        (Some(0), vec![2], 1, 4),
        (Some(1), vec![], 2, 3),
        (Some(0), vec![], 5, 5),
    ];
    assert_eq!(found, expected);
    assert!(code.functions.iter().all(|function| &*function.source == b"@dir/x.lua"));
    assert!(code.functions[1..].iter().all(|function| function.made_at.is_some()));
}

#[test]
fn constants_are_what_the_text_says() {
    let long = "y".repeat(41);
    let code = code(&format!(
        "local t = {{}} t.a = 9223372036854775807 t.b = -123456 t.c = 1e300 t.d = '{long}' t['\\0\\xff'] = nil t.c = '{long}'"
    ));
    let constants = &code.functions[0].constants;
    let string = |text: &[u8]| Constant::String(text.into());
    for wanted in [
        Constant::Integer(i64::MAX),
        Constant::Integer(-123_456),
        Constant::Float(1e300_f64.to_bits()),
        string(long.as_bytes()),
        string(b"\0\xff"),
    ] {
        assert!(constants.contains(&wanted), "{wanted:?} in {constants:?}");
    }
    assert!(
        super::code("local t = {} t.x = -9223372036854775807 - 1").functions[0]
            .constants
            .contains(&Constant::Integer(i64::MIN))
    );
}

/// `debug.getinfo(f, "L")` gives every line that a function has code on.
#[test]
fn lines_are_those_that_lua_knows() {
    let lua = vm();
    let active: Function = lua
        .load("return debug.getinfo(..., 'L').activelines")
        .into_function()
        .unwrap();
    for (name, text) in sources::all() {
        let function = compiled(&lua, &text);
        let code = parsed(&function.dump(false));
        let known: Table = active.call(function).unwrap();
        let mut known: Vec<u32> = known.pairs::<u32, Value>().map(|pair| pair.unwrap().0).collect();
        // The main function is one with `...`, whose first instruction Lua leaves out.
        let mut found: Vec<u32> = (1..code.functions[0].code.len())
            .map(|pc| code.line_at(0, pc))
            .collect();
        known.sort_unstable();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, known, "{name}");
    }
}

#[test]
fn a_line_is_found_for_any_instruction() {
    let code = code("local a = 1\n\n\nreturn a");
    assert_eq!([0, 1, 2].map(|pc| code.line_at(0, pc)), [1, 1, 4]);
    assert!(code.line_at(0, 1000) <= 4 && code.line_at(0, usize::MAX) <= 4);
}

#[test]
fn other_dumps_are_refused_in_words() {
    let whole = dump(b"local a = 1 return function() return a end");
    assert_eq!(Code::parse(b"return 1"), Err(BadDump::Foreign));
    assert_eq!(Code::parse(b""), Err(BadDump::Foreign));
    let mut other = whole.clone();
    other[4] = 0x54;
    assert_eq!(Code::parse(&other), Err(BadDump::Foreign));
    let mut other = whole.clone();
    other[12] = 8;
    assert_eq!(Code::parse(&other), Err(BadDump::Machine));
    let stripped = compiled(&vm(), b"return function() return x end").dump(true);
    assert_eq!(Code::parse(&stripped), Err(BadDump::Stripped));
    let mut longer = whole.clone();
    longer.push(0);
    let why = Code::parse(&longer).unwrap_err().to_string();
    assert!(why.contains("something follows the end"), "{why}");
}
