//! A collection in the middle of a walk: the one that Lua makes when memory runs out.

use super::{NEW, OLD, Vm, kinds};
use crate::lua::heap::survey::Survey;
use crate::lua::memory::Limit;

/// Weak tables whose entries only garbage keeps, and holders between them.
const TEXT: &str = "t, weak = {}, setmetatable({}, {__mode = 'kv'})
    for i = 1, 20000 do
        t[i] = {old, setmetatable({{}, {old}, [{}] = i, [i] = {}}, {__mode = i % 2 == 0 and 'k' or 'v'})}
        weak[i] = {i, old}
        weak[{i}] = {old}
    end";

#[test]
fn a_collection_in_the_middle_does_no_harm() {
    let (mut whole, mut collected) = (0, 0);
    for room in (0..12).map(|step| step * 200_000) {
        for in_memory in [false, true] {
            let mut vm = Vm::new("t = {}", in_memory);
            vm.run(&format!("local old = ... {TEXT}"));
            let unlimited = vm.memory.set_limit(Limit {
                bytes: vm.memory.used() + room,
                grace: 0,
            });
            let before = vm.memory.used();
            let mut survey = Survey::default();
            let done = vm.try_find(OLD, &mut survey);
            collected += u32::from(vm.memory.used() < before);
            vm.memory.set_limit(unlimited);
            if done {
                whole += 1;
                // All that is held strongly at the least, and what is left, exactly.
                assert!(survey.sites.len() >= 30_000, "{}", survey.sites.len());
                let again = vm.find(OLD);
                assert!(again.sites.len() <= survey.sites.len());
            }
            // The list of this one is empty, and so keeps nothing alive.
            vm.find(NEW);
            vm.run("collectgarbage()");
            assert_eq!(kinds(&vm.find(OLD)).len(), 30_000);
        }
    }
    assert!(whole > 0 && collected > 0, "{whole} {collected}");
}
