//! How long walks take: `cargo test --release --lib heap::tests::bench -- --ignored --nocapture --test-threads 1`.

use mlua::ffi;

use super::{LIST, OLD, Vm};
use crate::lua::changes::Changes;
use crate::lua::heap::record::{self, Snapshot};
use crate::lua::heap::survey::Survey;

/// Names of heaps, and code that makes `t[i]` of some hundred bytes.
const HEAPS: &[(&str, &str)] = &[
    ("integer arrays", "local a = {} for j = 1, 32 do a[j] = j end t[i] = a"),
    ("string maps", "local a = {} for j = 1, 8 do a['key' .. j] = 'v' .. j end t[i] = a"),
    ("strings", "t[i] = ('x'):rep(300) .. i"),
    ("linked list", "t[1] = {next = t[1], value = i}"),
    ("closures", "local a, b = i, {} t[i] = {function() return a end, function() return b end}"),
    ("coroutines", "t[i] = coroutine.create(function() local a = {} coroutine.yield(a) end) coroutine.resume(t[i])"),
    (
        "game",
        "local player = setmetatable({id = i, name = 'player' .. i, level = i % 60, pos = {x = i, y = 2 * i, z = 0}}, class)
        player.items = {} for j = 1, 10 do player.items[j] = {id = j, count = i % 7, owner = player, bound = true} end
        player.quests = {['q' .. i % 50] = {done = false, steps = {1, 2, 3}}}
        player.friends = {t['p' .. i - 1], t['p' .. i // 2]}
        if i % 10 == 0 then player.on_hit = function(n) player.level = n end end
        t['p' .. i] = player",
    ),
];

/// The best of some runs, in milliseconds.
fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..7).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// The processor's time, so that other work on the machine does not count.
fn milliseconds(run: impl FnOnce()) -> f64 {
    let now = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is ours.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    };
    let began = now();
    run();
    now() - began
}

#[test]
#[ignore = "a measurement"]
fn walks() {
    println!("ms per MiB: survey by API, survey, full collection, record, its MiB per MiB, comparison with it");
    for (name, item) in HEAPS {
        for mib in [1, 10, 100] {
            let text = format!(
                "t, class = {{}}, {{}} class.__index = class for i = 1, 10 do class['f' .. i] = function() return i end end class.old = old
                local i, before = 0, collectgarbage('count')
                while i % 100 ~= 0 or collectgarbage('count') - before < {mib} * 1024 do i = i + 1 {item} end"
            );
            let mut vm = Vm::new(&text, true);
            let size = vm.memory.used() as f64 / f64::from(1 << 20);
            let surveys = [None, vm.proof].map(|proof| {
                vm.proof = proof;
                let survey = || {
                    let mut survey = Survey::default();
                    let took = milliseconds(|| assert!(vm.try_find(OLD, &mut survey)));
                    assert_eq!(survey.sites.len(), 1);
                    took
                };
                best(survey)
            });
            // SAFETY: the VM is this test's alone.
            let collect = best(|| {
                milliseconds(|| {
                    // SAFETY: as above.
                    unsafe { ffi::lua_gc(vm.l, ffi::LUA_GCCOLLECT) };
                })
            });
            let mut compare = Vec::new();
            let mut extra = 0;
            let record = best(|| {
                let (took, compared, bytes) = record(&mut vm);
                compare.push(compared);
                extra = bytes;
                took
            });
            let compare = compare.into_iter().fold(f64::INFINITY, f64::min);
            let [api, memory, collect, record, extra, compare] = [
                surveys[0],
                surveys[1],
                collect,
                record,
                extra as f64 / f64::from(1 << 20),
                compare,
            ]
            .map(|ms| ms / size);
            println!(
                "{name:15} {size:6.1} MiB: {api:6.3} {memory:6.3} {collect:6.3} {record:6.3} {extra:5.2} {compare:6.3}"
            );
        }
    }
}

/// Takes and compares a record: milliseconds of both, and its size in bytes.
fn record(vm: &mut Vm) -> (f64, f64, usize) {
    let mut snapshot = Snapshot::default();
    let mut changes = Changes::default();
    // SAFETY: the VM is this test's alone.
    unsafe {
        ffi::lua_newtable(vm.l);
        ffi::lua_replace(vm.l, LIST);
        ffi::lua_pushboolean(vm.l, 1);
        ffi::lua_setglobal(vm.l, c"log".as_ptr());
        ffi::lua_gc(vm.l, ffi::LUA_GCCOLLECT);
    }
    let before = vm.memory.used();
    let took = milliseconds(|| {
        assert!(vm.protected(|l, vm| {
            let scope = vm.scope();
            // SAFETY: this is the protected call; the snapshot is not in its frames.
            unsafe {
                ffi::lua_settop(l, 0);
                record::push_log(l);
                ffi::lua_pushvalue(l, 1);
                ffi::lua_setglobal(l, c"log".as_ptr());
                record::take(l, scope, &mut snapshot);
            }
        }));
    });
    let bytes = vm.memory.used() - before;
    let compared = milliseconds(|| {
        assert!(vm.protected(|l, _| {
            // SAFETY: as above.
            unsafe {
                ffi::lua_settop(l, 0);
                ffi::lua_getglobal(l, c"log".as_ptr());
                ffi::lua_newtable(l);
                changes.find(l, &snapshot);
            }
        }));
    });
    assert!(changes.all.is_empty());
    vm.run("log = nil");
    (took, compared, bytes)
}
