-- What happens to open requests when a service goes. One promise is ours alone: a caller
-- never hangs because its callee was killed.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

-- Starts a call in a fork; the result table gets `ok` and `value` when it ends.
local function call_later(...)
	local outcome = {}
	skynet.fork(function(...)
		outcome.ok, outcome.value = pcall(skynet.call, ...)
	end, ...)
	skynet.yield()
	return outcome
end

local function ended(outcome)
	check.await(function()
		return outcome.ok ~= nil
	end, "the call to end")
	return outcome
end

local function must_have_failed(outcome)
	ended(outcome)
	check.equal(outcome.ok, false)
	check.ok(tostring(outcome.value):find("call failed", 1, true), tostring(outcome.value))
end

check.suite(function()
	check.case("exit fails the requests that are being handled", function()
		local peer = skynet.newservice "peer"
		local first = call_later(peer, "lua", "FOREVER")
		local second = call_later(peer, "lua", "SLEEP", 100000)
		skynet.send(peer, "lua", "EXIT")
		must_have_failed(first)
		must_have_failed(second)
	end)

	check.case("exit in the middle of a request fails that request", function()
		check.raises("call failed", skynet.call, skynet.newservice "peer", "lua", "EXIT")
	end)

	check.case("exit fails the requests still in the queue", function()
		local peer = skynet.newservice "peer"
		skynet.send(peer, "lua", "EXIT")
		local queued = call_later(peer, "lua", "ECHO", "too late")
		ended(queued)
		check.equal(queued.ok, false)
	end)

	check.case("exit fails a deferred answer", function()
		local peer = skynet.newservice "peer"
		local outcome = call_later(peer, "lua", "KEEP")
		skynet.send(peer, "lua", "EXIT")
		must_have_failed(outcome)
	end)

	check.case("kill fails the requests that are being handled", function()
		local peer = skynet.newservice "peer"
		local waiting = call_later(peer, "lua", "FOREVER")
		local kept = call_later(peer, "lua", "KEEP")
		local sleeping = call_later(peer, "lua", "SLEEP", 100000)
		check.equal(skynet.call(peer, "lua", "ECHO", "all three have arrived"), "all three have arrived")
		skynet.kill(peer)
		must_have_failed(waiting)
		must_have_failed(kept)
		must_have_failed(sleeping)
	end)

	check.case("kill fails the requests still in the queue", function()
		local peer = skynet.newservice "peer"
		skynet.send(peer, "lua", "SPIN", 20)
		local queued = call_later(peer, "lua", "ECHO", "too late")
		skynet.kill(peer)
		must_have_failed(queued)
	end)

	check.case("the caller of a caller is not left hanging either", function()
		local front, back = skynet.newservice "peer", skynet.newservice "peer"
		local outcome = call_later(front, "lua", "TRY", back, "FOREVER")
		check.equal(skynet.call(front, "lua", "ECHO", 1), 1)
		skynet.kill(back)
		ended(outcome)
		check.equal(outcome.ok, true)
		check.equal(outcome.value, false)
	end)

	check.case("an answer for a caller that is gone is dropped, and said by ret", function()
		local caller, callee = skynet.newservice "peer", skynet.newservice "peer"
		skynet.send(caller, "lua", "RELAY", callee, "KEEP")
		check.await(function()
			local ok, alive = pcall(skynet.call, callee, "lua", "ANSWER", "TEST")
			return ok and alive
		end, "the request to arrive")
		skynet.kill(caller)
		check.equal(skynet.call(callee, "lua", "ANSWER", true, "too late"), false)
		check.equal(skynet.call(callee, "lua", "ECHO", "unharmed"), "unharmed")
	end)

	check.case("killing a service twice is harmless", function()
		local peer = skynet.newservice "peer"
		skynet.kill(peer)
		skynet.kill(peer)
		check.raises("call to invalid address", skynet.call, peer, "lua", "ECHO")
	end)

	check.case("to-be-closed variables run when a service exits", function()
		local witness = skynet.newservice "peer"
		local closer = skynet.newservice("closer", skynet.address(witness))
		local outcome = call_later(closer, "lua", "wait")
		skynet.send(closer, "lua", "exit")
		ended(outcome)
		check.await(function()
			return skynet.call(witness, "lua", "SEEN")[1] == "closed"
		end, "the variable to be closed")
	end)

	check.case("a hundred callers of a killed service all go on", function()
		local peer = skynet.newservice "peer"
		local outcomes = {}
		for i = 1, 100 do
			outcomes[i] = call_later(peer, "lua", "FOREVER")
		end
		skynet.call(peer, "lua", "ECHO")
		skynet.kill(peer)
		for i = 1, 100 do
			must_have_failed(outcomes[i])
		end
	end)
end)
