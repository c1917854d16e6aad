//! Which changes of a text change a function.

use super::{code, dump, parsed, sources};

/// Whether function 1 of both texts is the same.
fn same(old: &str, new: &str) -> bool {
    let (old, new) = (code(old), code(new));
    let answer = old.same_body(1, &new, 1);
    assert_eq!(answer, new.same_body(1, &old, 1));
    answer
}

#[test]
fn what_cannot_be_noticed_at_run_time_is_no_change() {
    let old = "local n = 0 function f(a) local b = a + n return b, 1000000 end";
    for new in [
        "-- comment\nlocal n = 0\n\nfunction f(a)\n  local b = a + n -- b\n  return b, 1000000\nend",
        "local n = 0 function f(x) local y = x + n return y, 1000000; end",
        "local m = 5 local n = 0 function g(a) local b = a + n return (b), 1000000 end",
        "local n = 0 function f(a) local b = a + n return b, 1000000 end function other() end",
    ] {
        assert!(same(old, new), "{new}");
    }
    let nested = "function f() return function() return 1 end end";
    assert!(same(nested, "function f() return function() return 2 end end"));
}

#[test]
fn what_can_is_one() {
    for (old, new) in [
        ("f = function() return 1 end", "f = function() return 2 end"),
        (
            "f = function() return 1000000 end",
            "f = function() return 1000000.0 end",
        ),
        ("f = function() return 1 end", "f = function() return 1.0 end"),
        ("f = function() return 0.5 end", "f = function() return 0.25 end"),
        (
            "f = function(x) return x * 1e-9 end",
            "f = function(x) return x * 1e-8 end",
        ),
        ("f = function() return 'a' end", "f = function() return 'b' end"),
        ("f = function(a) end", "f = function() end"),
        ("f = function(a) end", "f = function(a, b) end"),
        ("f = function(a) end", "f = function(a, ...) end"),
        ("f = function(a, ...) end", "f = function(a, ...t) return t end"),
        (
            "local c <const> = 10 f = function() return c end",
            "local c <const> = 20 f = function() return c end",
        ),
        (
            "local c = 10 f = function() return c end",
            "local c <const> = print f = function() return c end",
        ),
        (
            "local a, b f = function() return a end",
            "local a, b f = function() return a, b end",
        ),
        (
            "f = function() return function() end end",
            "f = function() return function() end, function() end end",
        ),
        ("f = function() return x end", "f = function() return y end"),
        (
            "f = function() local x <close> = nil end",
            "f = function() local x = nil end",
        ),
    ] {
        assert!(!same(old, new), "{old} | {new}");
    }
}

#[test]
fn every_function_is_the_same_as_itself() {
    for (name, text) in sources::all() {
        let dump = dump(&text);
        let (a, b) = (parsed(&dump), parsed(&dump));
        assert!(
            (0..a.functions.len()).all(|function| a.same_body(function, &b, function)),
            "{name}"
        );
    }
}
