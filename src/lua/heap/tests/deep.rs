//! Heaps that are deep.

use super::{OLD, Vm, kinds};

/// Each ends with `last`, the innermost of many objects that hold each other.
const CHAINS: &[&str] = &[
    "for i = 1, 1000000 do last = {last} end",
    "for i = 1, 1000000 do last = {next = last, value = i} end",
    "for i = 1, 100000 do last = {[last] = i} end",
    "for i = 1, 100000 do last = setmetatable({}, last) end",
    "for i = 1, 100000 do local l = last last = function() return l end end",
    "for i = 1, 20000 do last = suspended(function(x) coroutine.yield() return x end, last) end",
    "for i = 1, 20000 do local l = coroutine.create(print) coroutine.close(l) last = {[suspended(function(x) coroutine.yield() return x end, last)] = l} end",
];

#[test]
fn depth_does_not_matter() {
    for chain in CHAINS {
        for in_memory in [false, true] {
            let mut vm = Vm::new(&format!("last = {{old}} {chain}"), in_memory);
            assert_eq!(kinds(&vm.find(OLD)), ["field"], "{chain}");
        }
    }
}

/// Coroutines with very many frames, some of which hold `old`; they are given it as an argument.
const STACKS: &[(&str, &[&str])] = &[
    // Dead: Lua's stack has an end.
    (
        "f = coroutine.create(function(o) local function f() return 1 + f() end f() end)",
        &["stack"],
    ),
    (
        "f = coroutine.create(function(o)
            local function f(n) if n == 0 then local p = o coroutine.yield() end return 1 + f(n - 1) end
            f(100000)
        end)",
        &["cell", "stack", "stack"],
    ),
];

#[test]
fn many_frames_do_not_take_long() {
    for (text, expected) in STACKS {
        let mut vm = Vm::new(&format!("{text} coroutine.resume(f, old)"), true);
        assert_eq!(kinds(&vm.find(OLD)), *expected, "{text}");
    }
}
