-- Who runs when inside one service: the order that skynet keeps between a handler, its
-- wakeups, its forks, its timers and the next message.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local function recorder()
	local log = {}
	return log, function(what)
		log[#log + 1] = what
	end
end

check.suite(function()
	check.case("handler, forks, timers of zero, then what yielded", function()
		local log, note = recorder()
		skynet.fork(function()
			note "fork 1"
			skynet.fork(function()
				note "fork 1.1"
			end)
			skynet.yield()
			note "fork 1 after yield"
		end)
		skynet.fork(function()
			note "fork 2"
		end)
		skynet.timeout(0, function()
			note "timer a"
		end)
		skynet.timeout(0, function()
			note "timer b"
		end)
		note "before yield"
		skynet.yield()
		note "after yield"
		skynet.yield()
		check.await(function()
			return #log == 8
		end, "all eight")
		check.equal(log, {
			"before yield", "fork 1", "fork 2", "fork 1.1", "timer a", "timer b", "after yield", "fork 1 after yield",
		})
	end)

	check.case("wakeup does not switch", function()
		local log, note = recorder()
		local token = {}
		skynet.fork(function()
			skynet.wait(token)
			note "woken"
		end)
		skynet.yield()
		check.equal(skynet.wakeup(token), true)
		note "after wakeup"
		skynet.yield()
		check.equal(log, { "after wakeup", "woken" })
	end)

	check.case("wakeups come first, in the order they were made, then forks", function()
		local log, note = recorder()
		for i = 1, 3 do
			skynet.fork(function()
				skynet.wait("sleeper " .. i)
				note("sleeper " .. i)
			end)
		end
		skynet.yield()
		skynet.fork(function()
			note "fork"
		end)
		skynet.wakeup "sleeper 2"
		skynet.wakeup "sleeper 1"
		skynet.wakeup "sleeper 3"
		skynet.yield()
		check.equal(log, { "sleeper 2", "sleeper 1", "sleeper 3", "fork" })
	end)

	check.case("waking one sleeper twice says true twice and wakes once", function()
		local woken = 0
		local token = {}
		skynet.fork(function()
			skynet.wait(token)
			woken = woken + 1
			skynet.sleep(5)
			woken = woken + 1
		end)
		skynet.yield()
		check.equal(skynet.wakeup(token), true)
		check.equal(skynet.wakeup(token), true)
		skynet.yield()
		check.equal(woken, 1)
		check.await(function()
			return woken == 2
		end, "the sleeper to go on")
	end)

	check.case("wakeup of nobody returns no value", function()
		check.equal(select("#", skynet.wakeup {}), 0)
	end)

	check.case("a fork gets its arguments, inner nils too", function()
		local got
		skynet.fork(function(...)
			got = table.pack(...)
		end, 1, nil, 3, nil)
		skynet.yield()
		check.equal(got, { 1, nil, 3, nil, n = 4 })
	end)

	check.case("fork and timeout return the thread", function()
		check.equal(type(skynet.fork(function() end)), "thread")
		check.equal(type(skynet.timeout(0, function() end)), "thread")
	end)

	check.case("an error in one fork leaves the next ones alone", function()
		local ran = 0
		skynet.fork(function()
			error "expected: this fork fails"
		end)
		skynet.fork(function()
			ran = ran + 1
		end)
		skynet.yield()
		check.equal(ran, 1)
	end)

	check.case("an error in a timer leaves the next ones alone", function()
		local ran = 0
		skynet.timeout(0, function()
			error "expected: this timer fails"
		end)
		skynet.timeout(0, function()
			ran = ran + 1
		end)
		check.await(function()
			return ran == 1
		end, "the second timer")
	end)

	check.case("a fork runs before the next message", function()
		local log, note = recorder()
		skynet.dispatch("lua", function(_, _, name)
			note(name)
			skynet.fork(note, name .. "'s fork")
		end)
		skynet.send(skynet.self(), "lua", "first")
		skynet.send(skynet.self(), "lua", "second")
		check.await(function()
			return #log == 4
		end, "both messages")
		check.equal(log, { "first", "first's fork", "second", "second's fork" })
	end)

	check.case("forks that were queued before exit never run", function()
		local witness = skynet.newservice "peer"
		skynet.newservice("fork_then_exit", skynet.address(witness))
		skynet.sleep(5)
		check.equal(skynet.call(witness, "lua", "SEEN"), { "before exit" })
	end)
end)
