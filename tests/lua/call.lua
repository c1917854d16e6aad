-- Requests and answers: call, send, ret, retpack, response, context, ignoreret, dispatch.
local skynet = require "skynet"
local check = require "check"

local function pack_all(...)
	return table.pack(...)
end

check.suite(function()
	local peer = skynet.newservice "peer"

	check.case("call gives back what retpack packed, nils included", function()
		local got = pack_all(skynet.call(peer, "lua", "ECHO", 1, nil, "three", nil))
		check.equal(got, { 1, nil, "three", nil, n = 4 })
	end)

	check.case("an answer without values has no values", function()
		check.equal(pack_all(skynet.call(peer, "lua", "EMPTY")).n, 0)
		check.equal(pack_all(skynet.call(peer, "lua", "ECHO")).n, 0)
	end)

	check.case("send returns 0 and is not waited for", function()
		check.equal(skynet.send(peer, "lua", "NOTE", "sent"), 0)
		check.equal(skynet.call(peer, "lua", "SEEN"), { "sent" })
	end)

	check.case("send to an address that nobody has returns nothing", function()
		check.equal(skynet.send(0xfffff, "lua", "NOTE"), nil)
		check.equal(skynet.send(".nobody", "lua", "NOTE"), nil)
	end)

	check.case("ret says true for a call and false for a send", function()
		skynet.call(peer, "lua", "RET_AND_KEEP", "x")
		check.equal(skynet.call(peer, "lua", "LAST_RET"), true)
		skynet.send(peer, "lua", "RET_AND_KEEP", "x")
		check.equal(skynet.call(peer, "lua", "LAST_RET"), false)
	end)

	check.case("a request is answered once", function()
		local fresh = skynet.newservice "peer"
		check.equal(skynet.call(fresh, "lua", "RET_TWICE"), "first")
		local outcome = skynet.call(fresh, "lua", "SEEN")
		check.equal(outcome[1], false)
		check.ok(outcome[2]:find("No session", 1, true), outcome[2])
	end)

	check.case("a fork has no request to answer", function()
		local ok, err = skynet.call(peer, "lua", "RET_IN_FORK")
		check.equal(ok, false)
		check.ok(err:find("No session", 1, true), err)
	end)

	check.case("context is the session and the source", function()
		local session, source = skynet.call(peer, "lua", "CONTEXT")
		check.ok(session > 0, "a call has a session")
		check.equal(source, skynet.self())
	end)

	check.case("calls by handle, :hex address and name reach the same service", function()
		skynet.name(".callee", peer)
		for _, address in ipairs { peer, skynet.address(peer), ".callee" } do
			check.equal(skynet.call(address, "lua", "ECHO", "here"), "here")
		end
	end)

	check.case("a service can call itself", function()
		local handler = skynet.dispatch("lua", function(_, source, ...)
			skynet.retpack(source, ...)
		end)
		check.equal(handler, nil)
		local source, text = skynet.call(skynet.self(), "lua", "myself")
		check.equal(source, skynet.self())
		check.equal(text, "myself")
	end)

	check.case("dispatch gives back the handler before", function()
		local function second() end
		local first = skynet.dispatch("lua", second)
		check.equal(type(first), "function")
		check.equal(skynet.dispatch "lua", second)
		check.equal(skynet.dispatch("lua", first), second)
	end)

	check.case("messages of one sender keep their order", function()
		local fresh = skynet.newservice "peer"
		local sent = {}
		for i = 1, 200 do
			sent[i] = i
			skynet.send(fresh, "lua", "NOTE", i)
		end
		check.equal(skynet.call(fresh, "lua", "SEEN"), sent)
	end)

	check.case("a suspended request does not block the next one", function()
		local slow
		skynet.fork(function()
			slow = skynet.call(peer, "lua", "SLEEP", 30)
		end)
		skynet.yield()
		check.equal(skynet.call(peer, "lua", "ECHO", "quick"), "quick")
		check.equal(slow, nil)
		check.await(function()
			return slow == "slept"
		end, "the slow answer")
	end)

	check.case("a failing callee gives call failed, without the cause", function()
		local err = check.raises("call failed", skynet.call, peer, "lua", "RAISE", "the secret cause")
		check.ok(not tostring(err):find("secret", 1, true), "the cause stays in the log")
		check.raises("call failed", skynet.call, peer, "lua", "NO_SUCH_COMMAND")
		check.raises("call failed", skynet.call, peer, "lua", "RETURN_FUNCTION")
		check.equal(skynet.call(peer, "lua", "ECHO", "lives on"), "lives on")
	end)

	check.case("a service without a handler gives call failed", function()
		check.raises("call failed", skynet.call, skynet.newservice "silent", "lua", "anything")
	end)

	check.case("an address that nobody has fails at once", function()
		check.raises("call to invalid address :000fffff", skynet.call, 0xfffff, "lua")
		check.raises("call to invalid address .nosuch", skynet.call, ".nosuch", "lua")
	end)

	check.case("what is no address is said to be none", function()
		check.raises("Invalid service address 0", skynet.call, 0, "lua")
		check.raises("dest address type (nil) must be a string or number.", skynet.call, nil, "lua")
		check.raises("dest address type (table) must be a string or number.", skynet.call, {}, "lua")
		check.raises("dest address type (nil) must be a string or number.", skynet.send, nil, "lua")
	end)

	check.case("an unknown protocol name raises", function()
		check.raises("unknown message type no such protocol", skynet.call, peer, "no such protocol")
		check.raises("unknown message type no such protocol", skynet.send, peer, "no such protocol")
	end)

	check.case("ignoreret leaves the request open", function()
		local answered
		skynet.fork(function()
			answered = { pcall(skynet.call, peer, "lua", "IGNORE") }
		end)
		skynet.sleep(5)
		check.equal(answered, nil)
	end)
end)
