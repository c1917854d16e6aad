//! The two situations in which a suspended old body is dangerous: a call with other parameters, and a traversal whose keys would
//! change. The patch waits for it, and is refused by name when the wait is over.

use super::case::{Case, Form, case};
use super::driver::{run, run_with};

/// The wait of these is short, and the old body does not end.
const TOO_LONG: &[Case] = &[
    case("a suspended body will call a function whose parameters change")
        .v1("local cost = { sword = 10 }
            local function price(id) return cost[id] end
            function M.buy(id) skynet.wait('lock') return price(id) end
            function M.begin() skynet.fork(function() GOT = M.buy('sword') end) end")
        .run("M.begin()")
        .swap(
            "local function price(id) return cost[id] end",
            "local function price(user, id) return cost[id] * user.rate end",
        )
        .also(
            "function M.buy(id) skynet.wait('lock') return price(id) end",
            "function M.buy(user, id) skynet.wait('lock') return price(user, id) end",
        )
        .refused("price")
        .run("skynet.wakeup 'lock'")
        .soon("GOT", "10")
        .run("M.begin()")
        .run("skynet.wakeup 'lock'")
        .soon("GOT", "10"),
    case("a parameter more at the end is a change too")
        .v1("local function price(id) return id * 2 end
            function M.buy(id) skynet.wait('lock') return price(id) end")
        .run("skynet.fork(function() GOT = M.buy(4) end)")
        .edit(
            "local function price(id) return id * 2 end",
            "local function price(id, rate) return id * rate end",
        )
        .also("return price(id) end", "return price(id, 3) end")
        .refused("price")
        .run("skynet.wakeup 'lock'")
        .soon("GOT", "8"),
    case("a method whose parameters change under a suspended body")
        .v1("local P = {} P.__index = P
            function P:hit(n) return 'v1 ' .. n end
            function P:fight() skynet.wait('fight') return self:hit(5) end
            M.new = function() return setmetatable({}, P) end")
        .run("skynet.fork(function() GOT = M.new():fight() end)")
        .edit(
            "function P:hit(n) return 'v1 ' .. n end",
            "function P:hit(kind, n) return 'v2 ' .. kind .. n end",
        )
        .also("return self:hit(5) end", "return self:hit('fire', 5) end")
        .refused("hit")
        .run("skynet.wakeup 'fight'")
        .soon("GOT", "v1 5"),
    case("other parameters without anybody in flight are no reason to wait")
        .v1("local function price(id) return id * 2 end
            function M.buy(id) return price(id) end")
        .swap(
            "local function price(id) return id * 2 end",
            "local function price(user, id) return id * user end",
        )
        .also(
            "function M.buy(id) return price(id) end",
            "function M.buy(user, id) return price(user, id) end",
        )
        .gives("M.buy(3, 5)", "15"),
    case("a suspended body that does not call the function is no reason to wait")
        .v1("local function price(id) return id * 2 end
            function M.buy(id) return price(id) end
            function M.sleep() skynet.wait('sleep') DONE = true end")
        .run("skynet.fork(M.sleep)")
        .swap(
            "local function price(id) return id * 2 end",
            "local function price(user, id) return id * user end",
        )
        .also(
            "function M.buy(id) return price(id) end",
            "function M.buy(user, id) return price(user, id) end",
        )
        .gives("M.buy(3, 5)", "15")
        .run("skynet.wakeup 'sleep'")
        .soon("DONE", "true"),
    case("a traversal whose keys are the function is not disturbed")
        .v1("local function step() return 'v1' end
            local function other() end
            local by_function = { [step] = 'step', [other] = 'other' }
            SEEN = 0
            function M.walk() for f, name in pairs(by_function) do SEEN = SEEN + 1 skynet.wait('walk') end end
            function M.name() return by_function[step], step() end")
        .run("skynet.fork(M.walk)")
        .soon("SEEN", "1")
        .swap(
            "local function step() return 'v1' end",
            "local function step() return 'v2' end",
        )
        .refused("step")
        .gives("M.name()", "step v1")
        .run("skynet.wakeup 'walk'")
        .soon("SEEN", "2"),
    case("a traversal with next by hand")
        .v1("local function a() return 'v1' end
            local set = { [a] = 1, [1] = 2, x = 3 }
            SEEN = 0
            function M.walk() for k, v in next, set do SEEN = SEEN + 1 skynet.wait('walk') end end
            function M.a() return set[a], a() end")
        .run("skynet.fork(M.walk)")
        .soon("SEEN", "1")
        .swap(
            "local function a() return 'v1' end",
            "local function a() return 'v2' end",
        )
        .refused("a")
        .gives("M.a()", "1 v1"),
    case("after a refusal the same patch can be applied when the body has ended")
        .v1("local function step() return 'v1' end
            local set = { [step] = 1, [print] = 2 }
            SEEN = 0
            function M.walk() for f in pairs(set) do SEEN = SEEN + 1 skynet.wait('walk') end ENDED = true end
            function M.go() return set[step], step() end")
        .run("skynet.fork(M.walk)")
        .soon("SEEN", "1")
        .swap(
            "local function step() return 'v1' end",
            "local function step() return 'v2' end",
        )
        .refused("step")
        .run("skynet.fork(function() for _ = 1, 2 do skynet.wakeup 'walk' skynet.sleep(1) end end)")
        .soon("ENDED", "true")
        .named("again.lua")
        .swap(
            "local function step() return 'v2' end",
            "local function step() return 'v3' end",
        )
        .gives("M.go()", "1 v3"),
];

/// The wait of these is long, and the old body ends while the patch waits.
const IN_TIME: &[Case] = &[
    case("a call with other parameters is waited for")
        .v1("local function price(id) return id * 2 end
            function M.buy(id) skynet.sleep(150) return price(id) end
            function M.go(user, id) return price(user, id) end")
        .run("skynet.fork(function() GOT = M.buy(4) end)")
        .edit("local function price(id) return id * 2 end", "local function price(user, id) return id * user end")
        .also("return price(id) end", "return price(10, id) end")
        .gives("M.go(3, 5)", "15")
        .gives("GOT", "8"),
    case("a traversal is waited for")
        .v1("local function step() return 'v1' end
            local set = { [step] = 'step', [print] = 'print' }
            SEEN = 0
            function M.walk() for f in pairs(set) do skynet.sleep(75) SEEN = SEEN + 1 end end
            function M.go() return set[step], step() end")
        .run("skynet.fork(M.walk)")
        .swap("local function step() return 'v1' end", "local function step() return 'v2' end")
        .gives("M.go()", "step v2")
        .gives("SEEN", "2"),
    case("messages are answered while the patch waits")
        .v1("local function price(id) return id * 2 end
            ANSWERED = 0
            function M.buy(id) skynet.sleep(150) return price(id) end
            function M.count() ANSWERED = ANSWERED + 1 return ANSWERED end
            function M.begin()
              skynet.fork(function() GOT = M.buy(4) end)
              skynet.fork(function() while not GOT do skynet.sleep(5) skynet.call(skynet.self(), 'lua', 'M.count()') end end)
            end")
        .run("M.begin()")
        .edit("local function price(id) return id * 2 end", "local function price(user, id) return id * user end")
        .also("return price(id) end", "return price(10, id) end")
        .gives("GOT", "8")
        .gives("ANSWERED > 5", "true"),
];

#[test]
fn refused_chunk_patches() {
    run(TOO_LONG, Form::Chunk);
}

#[test]
fn refused_source_patches() {
    run(TOO_LONG, Form::Source);
}

fn patiently(form: Form) {
    run_with(IN_TIME, form, |project| {
        project.set("hotfix", "in_flight_wait", "\"30s\"")
    });
}

#[test]
fn chunk_patches_that_wait() {
    patiently(Form::Chunk);
}

#[test]
fn source_patches_that_wait() {
    patiently(Form::Source);
}
