//! The journal's other writes, and that whatever happens in the middle can be undone.

use mlua::ffi;

use super::{JOURNAL, NEW, OLD, Vm, kinds};
use crate::lua::memory::Limit;

/// Holders of all kinds, in large numbers, so that tables have to grow.
const MANY: &str = "t, cells = {}, {}
    for i = 1, 3000 do
        t[i] = {old, [old] = i, x = {[old] = old}}
        local o = old
        cells[i] = function() return o end
    end";

/// Fails if anything is not as before.
const CHECK: &str = "local old = ...
    for i = 1, 3000 do
        assert(t[i][1] == old and t[i][old] == i and t[i].x[old] == old and cells[i]() == old, i)
        local count = 0
        for _ in pairs(t[i]) do count = count + 1 end
        assert(count == 3)
    end";

#[test]
fn what_is_begun_without_enough_memory_is_undone() {
    let mut failures = 0;
    for room in (0..20).map(|step| step * 100_000) {
        let mut vm = Vm::new(MANY, true);
        let survey = vm.find(OLD);
        assert_eq!(survey.sites.len(), 15_000);
        let unlimited = vm.memory.set_limit(Limit {
            bytes: vm.memory.used() + room,
            grace: 0,
        });
        let switched = vm.switch(&survey);
        vm.memory.set_limit(unlimited);
        match switched {
            Some(switched) => assert_eq!(switched, 15_000),
            None => failures += 1,
        }
        assert!(vm.undo() && vm.journal.is_empty());
        vm.run(CHECK);
        assert!(kinds(&vm.find(NEW)).is_empty());
    }
    assert!((3..20).contains(&failures), "{failures}");
}

#[test]
fn undoing_goes_on_where_it_failed() {
    let mut vm = Vm::new(MANY, true);
    let survey = vm.find(OLD);
    assert_eq!(vm.switch(&survey), Some(15_000));
    vm.run("for i = 1, 3000 do for j = 1, 20 do t[i][j + 10] = j end for j = 1, 20 do t[i][j + 10] = nil end end");
    let unlimited = vm.memory.set_limit(Limit { bytes: 0, grace: 0 });
    let done = vm.undo();
    vm.memory.set_limit(unlimited);
    assert!(done || !vm.journal.is_empty());
    assert!(vm.undo());
    vm.run(CHECK);
}

#[test]
fn fields_cells_and_joins_are_taken_back() {
    let text = "t = {x = 1, y = false} local a, b = 'a', 'b'
        f, g = function() return a end, function() return b end
        function f2() return a end";
    let mut vm = Vm::new(text, true);
    vm.run("kept = {}");
    for in_order in [true, false] {
        assert!(vm.protected(|l, vm| {
            // SAFETY: this is the protected call, and nothing in its frames needs dropping.
            unsafe {
                ffi::lua_settop(l, JOURNAL);
                for name in [c"t", c"f", c"g"] {
                    ffi::lua_getglobal(l, name.as_ptr());
                }
                let [t, f, g] = [JOURNAL + 1, JOURNAL + 2, JOURNAL + 3];
                for (name, value) in [(c"x", NEW), (c"y", NEW), (c"z", NEW), (c"z", OLD), (c"x", t)] {
                    ffi::lua_pushstring(l, name.as_ptr());
                    vm.journal.set_field(l, JOURNAL, t, -1, value);
                }
                ffi::lua_pushnil(l);
                let nil = ffi::lua_gettop(l);
                ffi::lua_pushstring(l, c"y".as_ptr());
                vm.journal.set_field(l, JOURNAL, t, -1, nil);
                if in_order {
                    vm.journal.set_cell(l, JOURNAL, f, 1, NEW);
                    vm.journal.join(l, JOURNAL, (f, 1), (g, 1));
                } else {
                    vm.journal.join(l, JOURNAL, (f, 1), (g, 1));
                    vm.journal.set_cell(l, JOURNAL, f, 1, NEW);
                }
            }
        }));
        let (f, f2, g) = if in_order {
            ("b", "new", "b")
        } else {
            ("new", "a", "new")
        };
        let shown = "local function show(v) if type(v) == 'function' then return v() end return v end";
        vm.run(&format!(
            "{shown} assert(t.x == t and t.y == nil and t.z() == 'old')
            assert(show(f()) == '{f}' and show(f2()) == '{f2}' and show(g()) == '{g}')"
        ));
        assert!(vm.undo());
        vm.run(
            "assert(t.x == 1 and t.y == false and t.z == nil and f() == 'a' and f2() == 'a' and g() == 'b')
            assert(debug.upvalueid(f, 1) == debug.upvalueid(f2, 1) and debug.upvalueid(f, 1) ~= debug.upvalueid(g, 1))",
        );
    }
}

#[test]
fn a_coroutine_that_has_moved_on_is_left_alone() {
    let text = "f = suspended(function(o) coroutine.yield() o = 'later' coroutine.yield() return o end, old)";
    let mut vm = Vm::new(text, true);
    let survey = vm.find(OLD);
    assert_eq!(vm.switch(&survey), Some(1));
    vm.run("coroutine.resume(f)");
    assert!(vm.undo());
    vm.run("assert(select(2, coroutine.resume(f)) == 'later')");
}

#[test]
fn what_a_site_no_longer_holds_is_not_switched() {
    let mut vm = Vm::new(
        "t = {old, {[old] = 1}} local o = old f = function(x) o = x return x end",
        true,
    );
    let survey = vm.find(OLD);
    vm.run("t[1] = 1 t[2] = {} for k in pairs(t[2]) do t[2][k] = nil end f(1)");
    // The table with the key is still there for the survey.
    assert_eq!(vm.switch(&survey), Some(1));
    vm.run("assert(t[1] == 1 and next(t[2]) == nil)");
}

#[test]
fn weak_tables_stay_weak() {
    let text = "t = setmetatable({x = old, [old] = 1}, {__mode = 'kv'}) strong = old";
    let mut vm = Vm::new(text, true);
    let survey = vm.find(OLD);
    assert_eq!(vm.switch(&survey), Some(3));
    // SAFETY: the VM is this test's alone.
    unsafe {
        for index in [NEW, super::LIST, JOURNAL] {
            ffi::lua_pushnil(vm.l);
            ffi::lua_replace(vm.l, index);
        }
    }
    vm.run("assert(t.x == strong and t[strong] == 1) strong = nil collectgarbage('restart') collectgarbage() assert(next(t) == nil)");
}
