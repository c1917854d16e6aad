//! The walks over a heap: looking for a function (by what lies in memory, and by Lua's own interface), writing everything down, comparing the heap with that;
//! for comparison a full collection. Heaps of three sizes that look like a game's, and of one size that have one kind of object.

use std::cell::RefCell;
use std::fmt;

use divan::Bencher;
use divan::counter::BytesCount;
use hotlua::lua::probe::heap::Vm;

/// A heap: what it is made of, the code that makes `t[i]` of some hundred bytes, how many MiB.
struct Heap(&'static str, &'static str, usize);

impl fmt::Display for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} MiB", self.0, self.2)
    }
}

const GAME: &str = "local player = setmetatable({id = i, name = 'player' .. i, level = i % 60, pos = {x = i, y = 2 * i, z = 0}}, class)
    player.items = {} for j = 1, 10 do player.items[j] = {id = j, count = i % 7, owner = player, bound = true} end
    player.quests = {['q' .. i % 50] = {done = false, steps = {1, 2, 3}}}
    player.friends = {t['p' .. i - 1], t['p' .. i // 2]}
    if i % 10 == 0 then player.on_hit = function(n) player.level = n end end
    t['p' .. i] = player";

const HEAPS: [Heap; 9] = [
    Heap("game", GAME, 1),
    Heap("game", GAME, 10),
    Heap("game", GAME, 100),
    Heap(
        "integer arrays",
        "local a = {} for j = 1, 32 do a[j] = j end t[i] = a",
        10,
    ),
    Heap(
        "string maps",
        "local a = {} for j = 1, 8 do a['key' .. j] = 'v' .. j end t[i] = a",
        10,
    ),
    Heap("strings", "t[i] = ('x'):rep(300) .. i", 10),
    Heap("linked list", "t[1] = {next = t[1], value = i}", 10),
    Heap(
        "closures",
        "local a, b = i, {} t[i] = {function() return a end, function() return b end}",
        10,
    ),
    Heap(
        "coroutines",
        "t[i] = coroutine.create(function() local a = {} coroutine.yield(a) end) coroutine.resume(t[i])",
        10,
    ),
];

fn vm(Heap(_, item, mib): &Heap, in_memory: bool) -> Vm {
    let text = format!(
        "t, class = {{}}, {{}} class.__index = class for i = 1, 10 do class['f' .. i] = function() return i end end class.old = old
        local i, before = 0, collectgarbage('count')
        while i % 100 ~= 0 or collectgarbage('count') - before < {mib} * 1024 do i = i + 1 {item} end"
    );
    Vm::new(&text, in_memory)
}

/// Measures `work`, each time after `ready`.
fn measure(bencher: Bencher<'_, '_>, vm: Vm, ready: fn(&mut Vm), work: fn(&mut Vm)) {
    let size = vm.used();
    let vm = RefCell::new(vm);
    bencher
        .counter(BytesCount::new(size))
        .with_inputs(|| ready(&mut vm.borrow_mut()))
        .bench_local_values(|()| work(&mut vm.borrow_mut()));
}

fn look(vm: &mut Vm) {
    assert_eq!(vm.survey(), 1, "one place holds the function");
}

#[divan::bench(args = HEAPS, sample_count = 9, sample_size = 1)]
fn survey(bencher: Bencher<'_, '_>, heap: &Heap) {
    measure(bencher, vm(heap, true), Vm::forget, look);
}

#[divan::bench(args = HEAPS, sample_count = 9, sample_size = 1)]
fn survey_by_interface(bencher: Bencher<'_, '_>, heap: &Heap) {
    measure(bencher, vm(heap, false), Vm::forget, look);
}

#[divan::bench(args = HEAPS, sample_count = 9, sample_size = 1)]
fn record(bencher: Bencher<'_, '_>, heap: &Heap) {
    measure(bencher, vm(heap, true), Vm::forget, Vm::record);
}

#[divan::bench(args = HEAPS, sample_count = 9, sample_size = 1)]
fn compare_with_record(bencher: Bencher<'_, '_>, heap: &Heap) {
    let recorded = |vm: &mut Vm| {
        vm.forget();
        vm.record();
    };
    measure(bencher, vm(heap, true), recorded, |vm| {
        assert_eq!(vm.compare(), 0, "nothing has changed");
    });
}

#[divan::bench(args = HEAPS, sample_count = 9, sample_size = 1)]
fn collection(bencher: Bencher<'_, '_>, heap: &Heap) {
    measure(bencher, vm(heap, true), Vm::forget, |vm| vm.collect());
}
