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

	check.case("a service with many arguments", function()
		local words = {}
		for i = 1, 200 do
			words[i] = "w" .. i
		end
		local peer = skynet.newservice("arguments", table.unpack(words))
		check.equal(skynet.call(peer, "lua"), 200)
	end)

	check.case("a sleeper that was closed by hand wakes nobody else", function()
		local co = skynet.fork(function()
			skynet.sleep(1000, "closed")
		end)
		skynet.sleep(0)
		coroutine.close(co)
		skynet.wakeup "closed"
		check.equal(skynet.sleep(1), nil)
		check.equal(skynet.sleep(1), nil)
	end)

	check.case("a sleep that is refused leaves its token free", function()
		local token = {}
		local refused = coroutine.wrap(function()
			return pcall(skynet.sleep, 1, token)
		end)
		check.equal((refused()), false)
		check.equal(skynet.wakeup(token), nil)
		check.equal(skynet.sleep(0, token), nil)
	end)

	check.case("errors of guarded functions name the caller's line", function()
		local _, why = pcall(function() collectgarbage "nonsense" end)
		check.ok(why:find("sturdy.lua:%d+: bad argument #1 to 'collectgarbage'"), why)
		check.equal(type(collectgarbage "count"), "number")
		check.equal(collectgarbage(), 0)
		check.equal(select("#", xpcall(function(...) return ... end, print, 1, nil, nil)), 4)
		check.equal(select(2, xpcall(error, function(e) return "handled " .. e end, "x", 0)), "handled x")
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
