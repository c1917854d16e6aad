-- What a service may do that must harm nobody: odd errors, many arguments, many coroutines.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

check.suite(function()
	check.case("a fork with many arguments", function()
		local numbers = {}
		for i = 1, 220 do
			numbers[i] = i
		end
		local count, last
		local me = {}
		skynet.fork(function(...)
			count, last = select("#", ...), select(-1, ...)
			skynet.wakeup(me)
		end, table.unpack(numbers))
		skynet.wait(me)
		check.equal(count, 220)
		check.equal(last, 220)
	end)

	check.case("an error object whose __tostring fails answers its caller all the same", function()
		local peer = skynet.newservice "odd_error"
		local ok, why = pcall(skynet.call, peer, "lua", "odd")
		check.equal(ok, false)
		check.ok(tostring(why):find("call failed", 1, true))
		check.equal(skynet.call(peer, "lua", "fine"), "fine")
	end)

	check.case("an endless recursion is an error of its message", function()
		local peer = skynet.newservice "odd_error"
		check.equal(pcall(skynet.call, peer, "lua", "deep"), false)
		check.equal(skynet.call(peer, "lua", "fine"), "fine")
	end)

	check.case("ten thousand coroutines that sleep", function()
		local done = 0
		for _ = 1, 10000 do
			skynet.fork(function()
				skynet.sleep(1)
				done = done + 1
			end)
		end
		while done < 10000 do
			skynet.sleep(1)
		end
		check.equal(done, 10000)
	end)
end)
