-- Deferred answers: skynet.response.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

-- Calls `peer` in a fork and returns a table that `ok` and `value` appear in.
local function call_later(peer, ...)
	local outcome = {}
	skynet.fork(function(...)
		outcome.ok, outcome.value = pcall(skynet.call, peer, "lua", ...)
	end, ...)
	skynet.yield()
	return outcome
end

local function settled(outcome)
	check.await(function()
		return outcome.ok ~= nil
	end, "the call to end")
	return outcome
end

check.suite(function()
	check.case("an answer may be given from another message", function()
		local peer = skynet.newservice "peer"
		local outcome = call_later(peer, "KEEP")
		check.equal(skynet.call(peer, "lua", "ANSWER", "TEST"), true)
		check.equal(outcome.ok, nil)
		check.equal(skynet.call(peer, "lua", "ANSWER", true, "late"), true)
		check.equal(settled(outcome), { ok = true, value = "late" })
	end)

	check.case("response(false) is an error at the caller", function()
		local peer = skynet.newservice "peer"
		local outcome = call_later(peer, "KEEP")
		skynet.call(peer, "lua", "ANSWER", false)
		settled(outcome)
		check.equal(outcome.ok, false)
		check.ok(outcome.value:find("call failed", 1, true), outcome.value)
	end)

	check.case("a second answer raises", function()
		local peer = skynet.newservice "peer"
		local outcome = call_later(peer, "KEEP")
		skynet.call(peer, "lua", "ANSWER", true)
		settled(outcome)
		local err = skynet.call(peer, "lua", "KEPT_ERROR")
		check.ok(err:find("Can't response more than once", 1, true), err)
	end)

	check.case("TEST is false when the caller is gone, and answering it harmless", function()
		local peer = skynet.newservice "peer"
		local caller = skynet.newservice "peer"
		call_later(caller, "RELAY", peer, "KEEP")
		check.await(function()
			local ok, alive = pcall(skynet.call, peer, "lua", "ANSWER", "TEST")
			return ok and alive
		end, "the request to arrive")
		skynet.send(caller, "lua", "EXIT")
		check.await(function()
			return skynet.call(peer, "lua", "ANSWER", "TEST") == false
		end, "the caller's end to be known")
		check.equal(skynet.call(peer, "lua", "ANSWER", true, "nobody waits"), false)
	end)

	check.case("a send has no answer to give", function()
		local peer = skynet.newservice "peer"
		skynet.send(peer, "lua", "KEEP")
		check.equal(skynet.call(peer, "lua", "ANSWER", true, "dropped"), nil)
	end)

	check.case("the answer's packer can be chosen", function()
		skynet.dispatch("lua", function()
			local answer = skynet.response(function(value)
				return skynet.pack("packed", value)
			end)
			skynet.fork(answer, true, 7)
		end)
		local how, value = skynet.call(skynet.self(), "lua")
		check.equal(how, "packed")
		check.equal(value, 7)
	end)
end)
