-- Life of a service: start, newservice and its arguments, names, exit and kill.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local inits = {}
skynet.init(function()
	inits[#inits + 1] = "init"
end)

check.suite(function()
	check.case("the start service has skynet's handle 8", function()
		check.equal(skynet.self(), 8)
	end)

	check.case("init functions run before the start function", function()
		check.equal(inits, { "init" })
	end)

	check.case("handles are given out in order", function()
		local first = skynet.newservice "peer"
		local second = skynet.newservice "peer"
		check.ok(first > 8, "a started service comes after the start service")
		check.equal(second, first + 1)
	end)

	check.case("newservice returns when the start function has returned", function()
		local slow = skynet.newservice "slow_start"
		check.equal(skynet.call(slow, "lua"), "ready")
	end)

	check.case("arguments arrive as words", function()
		local peer = skynet.newservice("peer", 1, 2.5, "two words", "", "last")
		check.equal(skynet.call(peer, "lua", "ARGS"), { "1", "2.5", "two", "words", "last" })
	end)

	check.case("a service without arguments sees none", function()
		check.equal(skynet.call(skynet.newservice "peer", "lua", "ARGS"), {})
	end)

	check.case("a service that exits in its start function gives nil", function()
		check.equal(skynet.newservice("bad_start", "exit"), nil)
	end)

	check.case("newservice raises when the service does not come up", function()
		check.raises("call failed", skynet.newservice, "bad_start", "raise")
		check.raises("call failed", skynet.newservice, "bad_start", "chunk")
		check.raises("call failed", skynet.newservice, "broken_syntax")
		check.raises("call failed", skynet.newservice, "no_such_service")
	end)

	check.case("globals of one service are not seen by another", function()
		rawset(_G, "only_here", true)
		local globals = skynet.newservice "globals"
		check.equal(skynet.call(globals, "lua", "only_here"), nil)
		check.equal(skynet.call(globals, "lua", "SERVICE_NAME"), "globals")
		rawset(_G, "only_here", nil)
	end)

	check.case("address shows handles in eight digits and leaves names alone", function()
		check.equal(skynet.address(10), ":0000000a")
		check.equal(skynet.address(".name"), ".name")
	end)

	check.case("register names the caller, name any service, localname finds both", function()
		local peer = skynet.newservice "peer"
		skynet.register ".suite"
		skynet.name(".friend", peer)
		check.equal(skynet.localname ".suite", skynet.self())
		check.equal(skynet.localname ".friend", peer)
		check.equal(skynet.call(".friend", "lua", "ECHO", "by name"), "by name")
	end)

	check.case("localname of a name that nobody has gives nothing", function()
		check.equal(select("#", skynet.localname ".nobody") <= 1, true)
		check.equal((skynet.localname ".nobody"), nil)
	end)

	check.case("a global name reaches the service too", function()
		local peer = skynet.newservice "peer"
		skynet.name("FRIEND", peer)
		check.equal(skynet.call("FRIEND", "lua", "ECHO", 1), 1)
	end)

	check.case("a call to a global name that nobody has yet waits until somebody has", function()
		local answer
		skynet.fork(function()
			answer = skynet.call("LATECOMER", "lua", "ECHO", "at last")
		end)
		skynet.sleep(5)
		check.equal(answer, nil)
		skynet.name("LATECOMER", skynet.newservice "peer")
		check.await(function()
			return answer == "at last"
		end, "the answer")
	end)

	check.case("a local name that is taken stays with its first holder", function()
		local first, second = skynet.newservice "peer", skynet.newservice "peer"
		skynet.name(".taken", first)
		skynet.name(".taken", second)
		check.equal(skynet.localname ".taken", first)
	end)

	check.case("a name is free again after its holder is gone", function()
		local first, second = skynet.newservice "peer", skynet.newservice "peer"
		skynet.name(".reused", first)
		skynet.kill(first)
		check.await(function()
			return skynet.localname ".reused" == nil
		end, "the name to be released")
		skynet.name(".reused", second)
		check.equal(skynet.localname ".reused", second)
	end)

	check.case("exit never returns and makes the handle invalid", function()
		local peer = skynet.newservice "peer"
		check.equal(skynet.call(peer, "lua", "EXIT_AFTER_RET"), "bye")
		check.await(function()
			local ok, err = pcall(skynet.call, peer, "lua", "ECHO")
			return not ok and err:find("call to invalid address " .. skynet.address(peer), 1, true)
		end, "the handle to become invalid")
	end)

	check.case("kill takes a handle, a :hex address and a .name", function()
		local by_handle, by_hex, by_name =
			skynet.newservice "peer", skynet.newservice "peer", skynet.newservice "peer"
		skynet.name(".victim", by_name)
		skynet.kill(by_handle)
		skynet.kill(skynet.address(by_hex))
		skynet.kill ".victim"
		for _, peer in ipairs { by_handle, by_hex, by_name } do
			check.raises("call to invalid address " .. skynet.address(peer), skynet.call, peer, "lua", "ECHO")
		end
	end)

	check.case("the handle of a dead service is not given out at once", function()
		local dead = skynet.newservice "peer"
		skynet.kill(dead)
		check.ok(skynet.newservice "peer" > dead, "the next handle must be a later one")
	end)
end)
