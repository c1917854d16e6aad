//! Heaps that are deep.

use super::{OLD, Vm, kinds};

/// Each ends with `last`, the innermost of many objects that hold each other.
const CHAINS: &[&str] = &[
    "for i = 1, 1000000 do last = {last} end",
    "for i = 1, 1000000 do last = {next = last, value = i} end",
    "for i = 1, 300000 do last = {[last] = i} end",
    "for i = 1, 300000 do last = setmetatable({}, last) end",
    "for i = 1, 300000 do local l = last last = function() return l end end",
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
