//! What a patch of ordinary functions must do to a program, one small program per phenomenon: the code before, what is done to it,
//! the patch, and what is observed afterwards.

use crate::harness::{Node, Project};

/// One phenomenon.
struct Case {
    name: &'static str,
    /// File-level code of the service, between `local skynet = …` and `skynet.start`. The table `M` is a global.
    before: &'static str,
    /// Run in the service before the patch.
    first: &'static str,
    patch: &'static str,
    /// An expression, and its value after the patch.
    then: &'static str,
    gives: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "a cell that two functions share goes on, and an outside holder sees it",
        before: "local n = 0\nfunction M.inc() n = n + 1 return n end\nfunction M.get() return n end\nOTHER = { get = M.get }",
        first: "M.inc() M.inc()",
        patch: "function M.inc() n = n + 10 return n end",
        then: "M.inc(), M.get(), OTHER.get()",
        gives: "12 12 12",
    },
    Case {
        name: "a local function that a local function calls",
        before: "local function fmt(x) return '[' .. x .. ']' end\nlocal function line(x) return fmt(x) end\n\
                 function M.say(x) return line(x) end\nSAVED = M.say",
        first: "",
        patch: "function fmt(x) return '<' .. x .. '>' end",
        then: "M.say 'a', SAVED 'a'",
        gives: "<a> <a>",
    },
    Case {
        name: "a sibling's upvalue is the very variable",
        before: "local a, b = 1, 2\nfunction M.foo() return a end\nfunction M.setb(x) b = x end",
        first: "M.setb(9)",
        patch: "function M.foo() return a, b end",
        then: "M.foo()",
        gives: "1 9",
    },
    Case {
        name: "a local that no function of the file uses",
        before: "local hidden = 7",
        first: "",
        patch: "function M.f() hidden = hidden + 1 return hidden end",
        then: "M.f(), M.f()",
        gives: "8 9",
    },
    Case {
        name: "a new local of the patch is initialised once and shared",
        before: "local n = 0\nfunction M.inc() n = n + 1 return n end",
        first: "M.inc()",
        patch: "local step = 5\nfunction M.inc() n = n + step return n end\nfunction M.set(s) step = s end",
        then: "M.inc(), M.set(10) or M.inc()",
        gives: "6 16",
    },
    Case {
        name: "of two locals with one name the last is meant",
        before: "local n = 1\nlocal function a() return n end\nlocal n = 2\nfunction M.b() return n, a() end",
        first: "",
        patch: "function M.b() return a(), n end",
        then: "M.b()",
        gives: "1 2",
    },
    Case {
        name: "constants: a scalar by its value, a table by its variable",
        before: "local MAX <const> = 10\nlocal CFG <const> = { lim = 1 }\nfunction M.get() return MAX, CFG.lim end",
        first: "",
        patch: "CFG.lim = 3\nfunction M.both() return MAX * 2, CFG.lim end",
        then: "M.both(), M.get()",
        gives: "20 10 3",
    },
    Case {
        name: "another module's local that holds a function of a module",
        before: "package.loaded.util = { clamp = function(x) return x end }\nlocal clamp = require 'util'.clamp\n\
                 function M.f(x) return clamp(x) end",
        first: "",
        patch: "local util = require 'util'\nfunction util.clamp(x) return 0 end",
        then: "M.f(9)",
        gives: "0",
    },
    Case {
        name: "a function that is a key",
        before: "local function step() end\nlocal stat = { [step] = 3 }\nfunction M.count() return stat[step] end\n\
                 function M.keys() local n = 0 for _ in pairs(stat) do n = n + 1 end return n end",
        first: "",
        patch: "function step() return 1 end",
        then: "M.count(), M.keys()",
        gives: "3 1",
    },
    Case {
        name: "methods of live objects through their metatable",
        before: "local mt = { __index = { hp = function() return 1 end } }\nfunction M.new() return setmetatable({}, mt) end\nOLD = M.new()",
        first: "",
        patch: "function mt.__index.hp() return 2 end\nfunction mt.__add(a, b) return 'sum' end",
        then: "OLD:hp(), OLD + 1, M.new():hp()",
        gives: "2 sum 2",
    },
    Case {
        name: "copied inheritance and a captured super",
        before: "local Base, Derived, Other = {}, {}, {}\nfunction Base.hit() return 1 end\n\
                 for _, class in ipairs { Derived, Other } do for k, v in pairs(Base) do class[k] = v end end\n\
                 local super = Base.hit\nfunction Derived.hit(d) return super(d) + 10 end\n\
                 M.d, M.o = Derived, Other",
        first: "",
        patch: "function Base.hit() return 2 end",
        then: "M.d.hit(), M.o.hit()",
        gives: "12 2",
    },
    Case {
        name: "a callback kept on every object, but not one that the program set itself",
        before: "function M.on_hit() return 'old' end\nfunction M.new() return { cb = M.on_hit } end\n\
                 A, B = M.new(), M.new()\nB.cb = function() return 'own' end",
        first: "",
        patch: "function M.on_hit() return 'new' end",
        then: "A.cb(), B.cb(), M.new().cb()",
        gives: "new own new",
    },
    Case {
        name: "one old function becomes one new one: unregistering works",
        before: "local handlers = {}\nfunction M.tick() return 'old' end\n\
                 local function on(f) handlers[f] = true end\nlocal function off(f) handlers[f] = nil end\non(M.tick)\n\
                 function M.stop() off(M.tick) return next(handlers) end",
        first: "",
        patch: "function M.tick() return 'new' end",
        then: "tostring(M.stop())",
        gives: "nil",
    },
    Case {
        name: "a wrapper keeps what it wraps",
        before: "function M.f(x) return 'f' .. x end\nKEPT = M.f",
        first: "",
        patch: "local old = M.f\nM.f = function(x) return 'W' .. old(x) end",
        then: "M.f 'x', KEPT 'x'",
        gives: "Wfx Wfx",
    },
    Case {
        name: "any other assignment is a plain write",
        before: "function M.f() return 'f' end\nfunction M.g() return 'g' end\nKEPT = M.f",
        first: "",
        patch: "M.f = M.g",
        then: "M.f(), KEPT()",
        gives: "g f",
    },
    Case {
        name: "globals are the service's own",
        before: "function M.f(x) return x end",
        first: "",
        patch: "function M.f(x) hits = (hits or 0) + 1 return x end",
        then: "M.f(1), M.f(2), hits",
        gives: "1 2 2",
    },
    Case {
        name: "a function in an environment of its own stays confined",
        before: "local _ENV = { tostring = tostring, M = M }\nfunction f(x) return tostring(x) end\nM.call = function(x) return f(x) end\nM.env = _ENV",
        first: "",
        patch: "function f(x) return tostring(x) .. tostring(pairs) end",
        then: "M.call(1), rawget(_G, 'f')",
        gives: "1nil nil",
    },
    Case {
        name: "methods, varargs and goto are the compiler's business",
        before: "function M:total(...) return 0 end\nfunction M.odd() return '' end",
        first: "",
        patch: "function M:total(...) return self == M and select('#', ...) end\n\
                function M.odd()\n local out = {}\n for i = 1, 3 do\n  if i == 2 then goto continue end\n  out[#out + 1] = i\n  ::continue::\n end\n\
                 return table.concat(out, ',')\nend",
        then: "M:total(nil, nil), M.odd()",
        gives: "2 1,3",
    },
    Case {
        name: "false, nil, NaN and the kinds of numbers survive what is only looked at",
        before: "local t = { [1] = 1, [2.5] = 0/0, [false] = false, f = 1.0 }\nfunction M.see() return math.type(t[1]), t[2.5] ~= t[2.5], t[false], t.f end",
        first: "",
        patch: "function M.more() return 'more' end",
        then: "M.more(), M.see()",
        gives: "more integer true false 1.0",
    },
    Case {
        name: "a timer that is pending and a loop that sleeps go on with the new function",
        before: "LOG = {}\nlocal function expire(id) LOG[#LOG + 1] = 'old ' .. id end\n\
                 local function step() return 'old' end\n\
                 function M.begin()\n skynet.timeout(30, function() expire(7) end)\n\
                  skynet.fork(function() for _ = 1, 30 do skynet.sleep(1) STEP = step() end end)\nend\n\
                 function M.later() skynet.sleep(40) return LOG[1], STEP end",
        first: "M.begin()",
        patch: "function expire(id) LOG[#LOG + 1] = 'new ' .. id end\nfunction step() return 'new' end",
        then: "M.later()",
        gives: "new 7 new",
    },
    Case {
        name: "a coroutine that the patch has resumed is left where it went",
        before: "local function work() return 'old' end\n\
                 M.held = coroutine.wrap(function() local a = work coroutine.yield() a = nil coroutine.yield() return type(a) end)\n\
                 M.held() RESUME = M.held",
        first: "",
        patch: "RESUME()\nfunction work() return 'new' end",
        then: "M.held()",
        gives: "nil",
    },
    Case {
        name: "a fork that has not started and a coroutine that holds the function in a local",
        before: "local function work() return 'old' end\n\
                 local held = coroutine.wrap(function(f) while true do coroutine.yield(f()) end end)\nheld(work)\nM.held = held",
        first: "",
        patch: "function work() return 'new' end",
        then: "M.held()",
        gives: "new",
    },
];

fn program(before: &str) -> String {
    format!(
        "local skynet = require \"skynet\"\nrequire \"skynet.manager\"\nM = {{}}\n{before}\nskynet.start(function()\n\
         skynet.register \".case\"\nskynet.dispatch(\"lua\", function(_, _, source)\nskynet.retpack(assert(load(source))())\nend)\nend)\n"
    )
}

/// Runs Lua in the service and shows what it returns, separated by spaces.
fn evaluate(node: &Node, source: &str) -> String {
    let shown = format!(
        "local skynet, shown = require 'skynet', {{}} local results = table.pack({source}) \
         for i = 1, results.n do shown[i] = tostring(results[i]) end return table.concat(shown, ' ')"
    );
    node.ask(".case", &format!("[==[{shown}]==]"))
}

/// The service of [`LOOPING`] sleeps in the middle of a traversal whose keys are functions.
const LOOPING: &str = "local function step() return 'old' end\nlocal function other() end\nlocal by_function = { [step] = 'step', [other] = 'other' }\n\
    SEEN = 0\nfunction M.walk()\n for f, name in pairs(by_function) do SEEN = SEEN + 1 skynet.sleep(1000) end\nend\n\
    function M.begin() skynet.fork(M.walk) end\nfunction M.name() return by_function[step], step() end";

#[test]
fn a_key_of_a_table_that_a_suspended_loop_traverses_is_not_changed() {
    let project = Project::empty().service("main", &program(LOOPING));
    let mut node = project.start();
    node.wait_line("console listening");
    node.wait_until("the service to have its name", |node| {
        node.console().cmd("call .case \"\"").ok
    });
    node.ask(".case", "[==[M.begin()]==]");
    node.wait_until("the loop to sleep", |node| evaluate(node, "SEEN") == "1");
    let mark = node.mark();
    project.drop_file("main", "x.lua", "function step() return 'new' end");
    let summary = node.wait_summary(mark, "main/x.lua");
    assert!(
        summary.starts_with("rejected: hotfix/main/x.lua: a suspended loop"),
        "{summary}"
    );
    assert!(summary.contains("`step`"), "{summary}");
    assert_eq!(evaluate(&node, "M.name()"), "step old");
}

#[test]
fn phenomena() {
    let mut failures = Vec::new();
    for case in CASES {
        let script = program(case.before).replace(
            "local _ENV =",
            "local skynet, require, assert, load = skynet, require, assert, load\nlocal _ENV =",
        );
        let project = Project::empty().service("main", &script);
        let mut node = project.start();
        node.wait_line("console listening");
        node.wait_until("the service to have its name", |node| {
            node.console().cmd("call .case \"\"").ok
        });
        if !case.first.is_empty() {
            node.ask(".case", &format!("[==[{}]==]", case.first));
        }
        let mark = node.mark();
        project.drop_file("main", "x.lua", case.patch);
        let summary = node.wait_summary(mark, "main/x.lua");
        let got = evaluate(&node, case.then);
        if !summary.starts_with("applied to 1 of 1 instance: ") || got != case.gives {
            failures.push(format!("{}: {summary}: {got:?} instead of {:?}", case.name, case.gives));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
