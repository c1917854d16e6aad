//! What a service finds in the library and among Lua's own, which come when they are needed: everything, however it asks.

use crate::harness::Project;

/// Runs each text as a service of its own; what it prints.
fn printed(cases: &[(&str, &str)]) {
    let mut project = Project::empty();
    let mut main = "local skynet = require 'skynet'\nskynet.start(function()\n".to_owned();
    for (number, (text, _)) in cases.iter().enumerate() {
        project = project.service(&format!("case{number}"), text);
        main += &format!("skynet.newservice 'case{number}'\n");
    }
    project = project.service("main", &(main + "print 'all ran'\nend)\n"));
    let mut node = project.start();
    node.wait_line("all ran");
    for (number, (text, expected)) in cases.iter().enumerate() {
        let line = format!("case {number}: {expected}");
        assert!(
            node.lines().contains(&line),
            "{text}: {line:?} is missing in {:#?}",
            node.lines()
        );
    }
    assert_eq!(node.stop(), 0);
}

#[test]
fn luas_own_libraries_are_found_however_a_text_asks_for_them() {
    printed(&[
        ("print('case 0: ' .. tostring(math.type(1)))", "integer"),
        (
            "local name = 'ma' .. 'th' print('case 1: ' .. _ENV[name].type(1))",
            "integer",
        ),
        (
            "local name = 'i' .. 'o' print('case 2: ' .. type(_G[name].open))",
            "function",
        ),
        (
            "local name = 'ta' .. 'ble' print('case 3: ' .. require(name).concat { 1, 2 })",
            "12",
        ),
        (
            "print('case 4: ' .. load('return o' .. 's.time')()() // 1000000000)",
            "1",
        ),
        (
            "local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t) print('case 5: ' .. table.concat(t, ' '):match 'c%a+ coroutine d%a+ dofile')",
            "collectgarbage coroutine debug dofile",
        ),
        (
            "print('case 6: ' .. #package.searchers .. package.path .. package.cpath .. tostring(package.loaded.io ~= nil))",
            "2lualib/?.lua;lualib/?/init.luatrue",
        ),
        (
            "local r = require; package.path = 'other/?.lua' print('case 7: ' .. tostring(r == require) .. ' ' .. select(2, pcall(require, 'nothing')):match 'other/%a+.lua')",
            "true other/nothing.lua",
        ),
        (
            "print('case 8: ' .. select(2, pcall(require, 'nothing')):match \"no file 'lualib/%a+.lua'\")",
            "no file 'lualib/nothing.lua'",
        ),
        (
            "print('case 9: ' .. tostring(utf8.char(228) == '\\u{e4}') .. type(coroutine.wrap))",
            "truefunction",
        ),
    ]);
}

#[test]
fn the_library_is_whole_however_a_service_looks_at_it() {
    printed(&[
        (
            "local s = require 'skynet' local n = 0 for k, v in pairs(s) do n = n + 1 if k == 'task' or k == 'PTYPE_LUA' then n = n + 1000 end end print('case 0: ' .. n // 1000)",
            "2",
        ),
        (
            "local s = require 'skynet' local name = 'resp' .. 'onse' print('case 1: ' .. type(s[name]))",
            "function",
        ),
        (
            "local s = require 'skynet' print('case 2: ' .. tostring(s.nothing) .. tostring(s[1]))",
            "nilnil",
        ),
        (
            "local s = require 'skynet' local function mine() return 'mine' end s.queryservice = mine \
             print('case 3: ' .. type(s.uniqueservice) .. ' ' .. s.queryservice())",
            "function mine",
        ),
        (
            "local s = require 'skynet' print('case 4: ' .. tostring(s.send == s.send) .. s.PTYPE_CLIENT)",
            "true3",
        ),
    ]);
}
