-- What a service can know of itself: task, stat, mqlen, endless.
local skynet = require "skynet"
local check = require "check"

check.suite(function()
	check.case("task counts the coroutines that wait", function()
		local before = skynet.task()
		for _ = 1, 3 do
			skynet.fork(function()
				skynet.sleep(100000)
			end)
		end
		skynet.yield()
		check.equal(skynet.task() - before, 3)
	end)

	check.case("task fills a table with a traceback per session", function()
		local sleeper = skynet.fork(function()
			skynet.sleep(100000)
		end)
		skynet.yield()
		local tasks = {}
		check.equal(skynet.task(tasks), nil)
		local found
		for key, trace in pairs(tasks) do
			if key:find(tostring(sleeper), 1, true) then
				found = key
				check.ok(key:find("session: %d+$"), key)
				check.ok(trace:find("stat.lua", 1, true), trace)
			end
		end
		check.ok(found, "the sleeper must be listed")
	end)

	check.case("task finds a thread's session and a session's traceback", function()
		local sleeper = skynet.fork(function()
			skynet.sleep(100000)
		end)
		skynet.yield()
		local session = skynet.task(sleeper)
		check.equal(math.type(session), "integer")
		check.ok(skynet.task(session):find("stat.lua", 1, true), "the traceback names this file")
		check.equal(skynet.task(0x7ffffff), "No session")
	end)

	check.case("task \"init\" is the start function's traceback while it runs", function()
		check.ok(skynet.task("init"):find("stack traceback", 1, true), "still in the start function")
	end)

	check.case("stat knows messages, queue and processor time", function()
		check.equal(math.type(skynet.stat "message"), "integer")
		check.equal(math.type(skynet.stat "mqlen"), "integer")
		check.equal(type(skynet.stat "cpu"), "number")
		check.equal(type(skynet.stat "time"), "number")
		local before = skynet.stat "message"
		skynet.call(skynet.newservice "peer", "lua", "ECHO")
		check.ok(skynet.stat "message" > before, "the answer was a message")
	end)

	check.case("mqlen counts what waits in the mailbox", function()
		skynet.dispatch("lua", function() end)
		local before = skynet.mqlen()
		for _ = 1, 10 do
			skynet.send(skynet.self(), "lua", "waits")
		end
		check.ok(skynet.mqlen() - before >= 10, "ten messages wait")
		check.await(function()
			return skynet.mqlen() < 10
		end, "the mailbox to empty")
	end)
end)
