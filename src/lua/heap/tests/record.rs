//! What a record sees and takes back of a table's fields, whichever part of the table they lie in.

use mlua::ffi;

use super::Vm;
use crate::lua::changes::Changes;
use crate::lua::heap::record::{self, Snapshot};

const TABLES: &str = "t = {}
    for i = 1, 400 do
        t[i] = {}
        for j = 1, i % 7 do t[i][j] = j % 3 == 0 and {j} or j end
        if i % 2 == 0 then t[i].x, t[i][2.5] = i, {} end
        if i % 3 == 0 then t[i][10], t[i][-1], t[i][0] = false, true, 0 end
        if i % 5 == 0 then t[i][2] = nil end
        t[i] = setmetatable(t[i], i % 11 == 0 and {} or nil)
    end
    function copy(t, depth)
        local c = {}
        for k, v in next, t do c[k] = type(v) == 'table' and depth > 0 and copy(v, depth - 1) or v end
        return c, getmetatable(t)
    end
    function same(a, b)
        for k, v in next, a do
            if type(v) == 'table' and type(b[k]) == 'table' then same(v, b[k]) else assert(rawequal(v, b[k]) and math.type(v) == math.type(b[k])) end
        end
        for k in next, b do assert(a[k] ~= nil) end
    end
    before = copy(t, 2)";

/// Each changes some of the tables, `u` among them.
const CHANGES: &[&str] = &[
    "u[1] = 2",
    "u[1] = 1.0",
    "u[1] = nil",
    "u[#u + 1] = 1",
    "u[2] = nil u[3] = nil",
    "u.x = nil u.y = 1",
    "u[2.5] = 2.5 u[-1] = nil",
    "for k in next, u do u[k] = nil end",
    "table.insert(u, 1, 'first')",
    "for j = 1, 100 do u[j] = j end",
    "for j = 1, 100 do u['k' .. j] = j end",
    "setmetatable(u, {}) u[{}] = u",
];

#[test]
fn fields_are_restored() {
    for change in CHANGES {
        let mut vm = Vm::new(TABLES, true);
        let mut snapshot = Snapshot::default();
        let mut changes = Changes::default();
        for step in 0..4 {
            if step == 1 {
                vm.run(&format!("for i = 1, 400, 3 do local u = t[i] {change} end"));
            }
            assert!(vm.protected(|l, vm| {
                let scope = vm.scope();
                // SAFETY: this is the protected call; snapshot and changes are not in its frames.
                unsafe {
                    ffi::lua_settop(l, 0);
                    if step == 0 {
                        record::push_log(l);
                        ffi::lua_pushvalue(l, 1);
                        ffi::lua_setfield(l, ffi::LUA_REGISTRYINDEX, c"log".as_ptr());
                        return record::take(l, scope, &mut snapshot);
                    }
                    ffi::lua_getfield(l, ffi::LUA_REGISTRYINDEX, c"log".as_ptr());
                    ffi::lua_newtable(l);
                    changes.find(l, &snapshot);
                    if step == 2 {
                        changes.undo(l);
                    }
                }
            }));
            assert_eq!(changes.all.is_empty(), step == 0 || step == 3, "{change} {step}");
        }
        vm.run("same(before, t) same(t, before)");
    }
}

#[test]
fn what_was_there_is_known() {
    let vm = &mut Vm::new("t = {}", true);
    let mut snapshot = Snapshot::default();
    assert!(vm.protected(|l, vm| {
        let scope = vm.scope();
        // SAFETY: as above.
        unsafe {
            ffi::lua_settop(l, 0);
            ffi::lua_newtable(l);
            record::take(l, scope, &mut snapshot);
            ffi::lua_getglobal(l, c"t".as_ptr());
            assert!(snapshot.contains(ffi::lua_topointer(l, -1) as usize));
            ffi::lua_newtable(l);
            assert!(!snapshot.contains(ffi::lua_topointer(l, -1) as usize));
        }
    }));
}

#[test]
fn a_released_log_takes_no_memory() {
    let mut vm = Vm::new(TABLES, true);
    let mut snapshot = Snapshot::default();
    let (mut taken, mut left) = (0, 0);
    let before = vm.memory.used();
    assert!(vm.protected(|l, vm| {
        let scope = vm.scope();
        // SAFETY: this is the protected call; the snapshot is not in its frames.
        unsafe {
            ffi::lua_settop(l, 0);
            record::push_log(l);
            record::take(l, scope, &mut snapshot);
            taken = vm.memory.used() - before;
            record::release(l, 1, &snapshot);
            left = vm.memory.used() - before;
        }
    }));
    assert!(left * 20 < taken, "{left} of {taken} bytes");
}
