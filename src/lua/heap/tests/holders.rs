//! Every kind of holder.

use super::{NEW, OLD, OWN, Vm, kinds};
use crate::lua::heap::Scope;
use crate::lua::heap::survey::{self, Survey, Wanted};
use crate::lua::layout;

use mlua::ffi;

/// Lua code that puts `old` somewhere, and what holds it there.
const HOLDERS: &[(&str, &[&str])] = &[
    ("t = {x = old}", &["field"]),
    ("t = {1, 2, old, 'x', {old}}", &["field", "field"]),
    ("t = {[old] = 1}", &["key"]),
    ("t = {[old] = old, [1] = 2}", &["field", "key"]),
    (
        "t = setmetatable({[1] = old, [old] = 2, x = old}, trap)",
        &["field", "field", "key"],
    ),
    (
        "t = setmetatable({old, [old] = old}, {__mode = 'kv'})",
        &["field", "field", "key"],
    ),
    ("getmetatable('').__call = old", &["field"]),
    ("debug.setmetatable(print, {__index = old})", &["field"]),
    ("debug.setmetatable(nil, {__index = old})", &["field"]),
    ("debug.setmetatable(1, {[old] = 1})", &["key"]),
    ("debug.setmetatable(true, {__index = old})", &["field"]),
    (
        "debug.setmetatable(coroutine.create(print), {__index = old})",
        &["field"],
    ),
    (
        "t = setmetatable({}, {__call = old, __close = old, __gc = old})",
        &["field", "field", "field"],
    ),
    ("t = setmetatable({}, setmetatable({}, {old}))", &["field"]),
    ("t = {[setmetatable({}, {old})] = 1}", &["field"]),
    (
        "local o = old f = function() return function() return o end end",
        &["cell"],
    ),
    (
        "local o = old f, g = function() return o end, function() o = 1 end",
        &["cell"],
    ),
    ("debug.getregistry().x = old", &["field"]),
    ("package.loaded.x = {f = old}", &["field"]),
    (
        "debug.getregistry()[userdata] = 1 debug.setuservalue(userdata, old, 2)",
        &["user value"],
    ),
    ("debug.setmetatable(userdata, {old}) t = {userdata}", &["field"]),
    ("f = closure(1, old, {old})", &["cell", "field"]),
    ("f = coroutine.wrap(old)", &["start"]),
    (
        "t = {coroutine.create(old)} coroutine.close(coroutine.create(old))",
        &["start"],
    ),
    (
        "f = suspended(function() local o = old coroutine.yield() return o end)",
        &["stack"],
    ),
    (
        "f = suspended(function(...) coroutine.yield() return ... end, 1, old, 2)",
        &["vararg"],
    ),
    (
        "f = suspended(function(o) local function inner() coroutine.yield() end inner() end, old)",
        &["stack"],
    ),
    (
        "f = suspended(function(o) g = function() return o end coroutine.yield() end, old)",
        &["cell", "stack"],
    ),
    (
        "f = suspended(function(o) (function() coroutine.yield() o() end)() end, old)",
        &["cell", "stack"],
    ),
    (
        "f = suspended(function(o) for _ in o do coroutine.yield() end end, old)",
        &["stack", "stack"],
    ),
    (
        "f = suspended(function(o) for _ in next, {1} do o = print, o, coroutine.yield() end end, old)",
        &["stack", "stack"],
    ),
    ("f = suspended(function() xpcall(coroutine.yield, old) end)", &["stack"]),
    (
        "f = suspended(function() pcall(coroutine.yield, 1) local o = old end)",
        &[],
    ),
    (
        "f = suspended(function() print(old, coroutine.yield()) end)",
        &["stack"],
    ),
    (
        "f = suspended(function() local c <close> = setmetatable({}, {__close = old}) coroutine.yield() end)",
        &["field"],
    ),
    (
        "f = coroutine.create(function(o) error(o) end) coroutine.resume(f, old)",
        &["stack", "stack"],
    ),
    (
        "f = coroutine.create(print) debug.sethook(f, old, '', 1000000)",
        &["field"],
    ),
];

#[test]
fn every_holder_is_found_and_switched_and_switched_back() {
    for (text, expected) in HOLDERS {
        for in_memory in [false, true] {
            let mut vm = Vm::new(text, in_memory);
            let before = vm.find(OLD);
            assert_eq!(kinds(&before), *expected, "{text}");
            assert_eq!(before.closures.len(), usize::from(!expected.is_empty()), "{text}");
            assert!(vm.find(NEW).closures.is_empty(), "{text}");

            let survey = vm.find(OLD);
            // An open cell is a stack slot, too: switched by the first of both.
            let doubled = usize::from(kinds(&survey).contains(&"cell") && kinds(&survey).contains(&"stack"));
            assert_eq!(vm.switch(&survey), Some(expected.len() - doubled), "{text}");
            assert_eq!(kinds(&vm.find(OLD)), Vec::<&str>::new(), "{text}");
            assert_eq!(kinds(&vm.find(NEW)), *expected, "{text}");

            assert!(vm.undo(), "{text}");
            assert_eq!(kinds(&vm.find(OLD)), *expected, "{text}");
            assert_eq!(kinds(&vm.find(NEW)), Vec::<&str>::new(), "{text}");
            vm.run("assert(not rawget(_G, 'sprung'), 'a metamethod ran')");
        }
    }
}

#[test]
fn functions_of_lua_s_own_are_found_too() {
    for in_memory in [false, true] {
        let mut vm = Vm::new(
            "t = {rawlen} f = suspended(function(o) coroutine.yield() end, rawlen)",
            in_memory,
        );
        // SAFETY: the VM is this test's alone.
        unsafe {
            ffi::lua_getglobal(vm.l, c"rawlen".as_ptr());
            ffi::lua_replace(vm.l, OLD);
        }
        let survey = vm.find(OLD);
        assert_eq!(kinds(&survey), ["field", "field", "stack"]);
        assert_eq!((survey.closures.len(), survey.closures[0].proto), (1, None));
        assert_eq!(vm.switch(&survey), Some(3));
        vm.run("assert(rawlen() == 'new' and t[1]() == 'new')");
    }
}

#[test]
fn coroutines_in_the_middle_of_a_function_are_found() {
    let text = "local body = load('local x\\n\\nif ... then error() end coroutine.yield()\\n')
        t = {suspended(body), suspended(function() pcall(body) return 1 end), coroutine.create(body), coroutine.create(body)}
        coroutine.resume(t[4], true)
        old = nil";
    let mut vm = Vm::new(text, true);
    let mut wanted = Wanted::default();
    // SAFETY: the VM is this test's alone.
    unsafe {
        ffi::lua_getglobal(vm.l, c"t".as_ptr());
        ffi::lua_rawgeti(vm.l, -1, 3);
        let thread = ffi::lua_tothread(vm.l, -1);
        ffi::lua_pushvalue(thread, 1);
        ffi::lua_xmove(thread, vm.l, 1);
        wanted.protos.extend(layout::proto_of(vm.l, -1));
        ffi::lua_settop(vm.l, super::JOURNAL);
    }
    let mut survey = Survey::default();
    assert!(vm.protected(|l, vm| {
        let scope = vm.scope();
        // SAFETY: this is the protected call; the survey is not in its frames.
        unsafe { survey::find(l, super::LIST, scope, &wanted, &mut survey) };
    }));
    assert_eq!(survey.closures.len(), 1);
    let mut levels: Vec<_> = survey.frames.iter().map(|frame| (frame.level, frame.line)).collect();
    levels.sort_unstable();
    assert_eq!(levels, [(1, 3), (1, 3)], "the one that died is not on its way");
}

#[test]
fn tables_that_a_loop_may_traverse_are_known() {
    for (body, traversed) in [
        ("for _ in pairs(t) do coroutine.yield() end", true),
        ("for _ in next, {} do end coroutine.yield()", false),
        ("for _ in pairs(t) do error() end", false),
    ] {
        let text = format!("t = {{[old] = 1}} f = coroutine.create(function() {body} end) coroutine.resume(f)");
        let mut vm = Vm::new(&text, true);
        let survey = vm.find(OLD);
        let site = *survey.sites.last().expect("a key");
        // SAFETY: the VM is this test's alone, and the list is the survey's.
        assert_eq!(
            unsafe { survey.is_traversed(vm.l, super::LIST, site) },
            traversed,
            "{body}"
        );
    }
}

#[test]
fn what_is_ours_is_no_part_of_the_program() {
    for (place, found) in [(OWN as i64, false), (OWN as i64 - 1, true)] {
        let mut vm = Vm::new(&format!("debug.getregistry()[{place}] = {{old, {{old}}}}"), true);
        let mut survey = Survey::default();
        let mut wanted = Wanted::default();
        // SAFETY: as above.
        wanted
            .functions
            .insert(unsafe { ffi::lua_topointer(vm.l, OLD) } as usize);
        assert!(vm.protected(|l, vm| {
            let scope = Scope {
                own: &[OWN],
                in_memory: vm.proof,
            };
            // SAFETY: this is the protected call; the survey is not in its frames.
            unsafe { survey::find(l, super::LIST, scope, &wanted, &mut survey) };
        }));
        assert_eq!(survey.sites.len(), if found { 2 } else { 0 });
    }
}
