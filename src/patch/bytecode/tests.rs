//! Reading and writing without Lua; `lua/tests/bytecode` has Lua as the judge.

use super::{BadDump, Binding, Code, Constant, Declaration, HEADER, LocalVariable, Proto, Text};

/// `local a return function() return a end`, as `dir/x.lua`.
const DUMP: &str = "1b4c7561550019930d0a1a0a0488a9ffff04785634120888a9ffffffffffff0800000000002877c001000000010205005300\
    000008000000cf000000c6800201c68001010001010000010101000002030900000048000200470001000001010000000b40\
    6469722f782e6c75610003000000000001026100000105010000000000010002020501055f454e5600";

fn dump() -> Vec<u8> {
    hex::decode(DUMP).unwrap()
}

fn code() -> Code {
    Code::parse(&dump()).unwrap()
}

/// The file again with other constants in its main function.
fn with_constants(constants: Vec<Constant>) -> Code {
    let mut code = code();
    code.functions[0].constants = constants;
    code
}

fn damage(dump: &[u8]) -> &'static str {
    match Code::parse(dump) {
        Err(BadDump::Damaged { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_known_dump_is_read() {
    let code = code();
    let [main, inner] = &code.functions[..] else {
        panic!("two functions");
    };
    assert_eq!((main.parent, &main.children[..], main.flag), (None, &[1][..], 1));
    assert_eq!((inner.parent, inner.made_at, inner.line), (Some(0), Some(2), 1));
    assert_eq!((main.code.len(), inner.code.len()), (5, 3));
    let a = LocalVariable {
        name: Text::from(*b"a"),
        start: 2,
        end: 5,
    };
    assert_eq!(main.locals, [a]);
    assert_eq!(*inner.source, *b"@dir/x.lua");
    let declaration = Declaration { function: 0, local: 0 };
    assert_eq!(code.bindings(1), [Some(Binding::Local(declaration))]);
    assert_eq!(code.binding(0, 0), Some(Binding::Main(0)));
    assert_eq!(code.encode(), dump());
}

#[test]
fn numbers_and_strings_of_any_size_are_written_and_read() {
    let powers = (0..64).map(|bit| 1_i64 << bit).flat_map(|power| {
        let below = power.wrapping_sub(1);
        [power, below, !power, !below]
    });
    let mut constants: Vec<Constant> = powers.map(Constant::Integer).collect();
    let floats = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::MIN_POSITIVE];
    constants.extend(floats.map(|float| Constant::Float(float.to_bits())));
    constants.extend([Constant::Nil, Constant::Boolean(false), Constant::Boolean(true)]);
    for length in [0, 1, 40, 41, 127, 128, 16384] {
        // The same string twice is written once.
        let text = Text::from(vec![b'x'; length]);
        constants.extend([Constant::String(text.clone()), Constant::String(text)]);
    }
    let code = with_constants(constants);
    assert_eq!(Code::parse(&code.encode()), Ok(code));
}

#[test]
fn a_function_is_not_the_same_with_another_constant() {
    let float = |float: f64| with_constants(vec![Constant::Float(float.to_bits())]);
    assert!(float(0.0).same_body(0, &float(0.0), 0));
    assert!(!float(0.0).same_body(0, &float(-0.0), 0));
    assert!(float(f64::NAN).same_body(0, &float(f64::NAN), 0));
    assert!(!float(1.0).same_body(0, &with_constants(vec![Constant::Integer(1)]), 0));
}

#[test]
fn functions_nested_too_deeply_are_refused() {
    let nested = |depth: usize| {
        let mut code = code();
        let inner = code.functions.pop().unwrap();
        code.functions[0].children.clear();
        for number in 1..=depth {
            code.functions[number - 1].children = vec![number];
            let parent = Some(number - 1);
            code.functions.push(Proto {
                parent,
                made_at: None,
                ..inner.clone()
            });
        }
        code.encode()
    };
    assert_eq!(Code::parse(&nested(250)).unwrap().functions.len(), 251);
    assert_eq!(damage(&nested(251)), "its functions are nested too deeply");
    assert_eq!(damage(&nested(10_000)), "its functions are nested too deeply");
}

#[test]
fn what_lua_would_write_otherwise_is_refused() {
    let good = dump();
    let at = HEADER.len() + 1;
    // The line of the main function, with a needless byte; and one that is no `int`.
    for (bytes, what) in [
        (&[0x80, 0x00][..], "a number begins with zeros"),
        (&[0x88, 0x80, 0x80, 0x80, 0x00], "a number is too large"),
        (&[0xff; 11], "a number is too large"),
    ] {
        let mut bad = good.clone();
        bad.splice(at..=at, bytes.iter().copied());
        assert_eq!(damage(&bad), what);
    }
    let mut bad = good.clone();
    // Padding before the instructions.
    bad[HEADER.len() + 7] = 1;
    assert_eq!(damage(&bad), "the padding is not empty");
    let mut bad = good.clone();
    bad[HEADER.len()] = 2;
    assert_eq!(
        damage(&bad),
        "the main function has another number of upvalues than announced"
    );
    let name = good.windows(4).rposition(|bytes| bytes == b"_ENV").unwrap();
    let mut bad = good.clone();
    bad[name + 4] = b'!';
    assert_eq!(damage(&bad), "a string does not end with a zero");
    // `_ENV` as a reference to a string that there is not.
    let mut bad = good[..name - 1].to_vec();
    bad.extend([0, 9]);
    assert_eq!(damage(&bad), "it refers to a string that is not there");
    bad.truncate(name - 1);
    bad.extend(b"\x02a\0");
    assert_eq!(damage(&bad), "a string is written twice");
    bad.truncate(name - 1);
    bad.extend([0, 0]);
    assert_eq!(Code::parse(&bad), Err(BadDump::Stripped));
}

#[test]
fn counts_that_lie_cost_nothing() {
    let good = dump();
    for at in HEADER.len()..good.len() {
        let mut bad = good[..at].to_vec();
        bad.extend(b"\x87\xff\xff\xff\x7f");
        bad.extend([0; 64]);
        assert!(Code::parse(&bad).is_err());
    }
}
