-- Message types of one's own, and the raw ways to send: register_protocol, rawcall, rawsend,
-- redirect, genid, PTYPE numbers.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local function identity(...)
	return ...
end

check.suite(function()
	local peer = skynet.newservice "text_peer"

	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		pack = identity,
		unpack = skynet.tostring,
	}

	check.case("message types have skynet's numbers", function()
		local numbers = {
			TEXT = 0, RESPONSE = 1, MULTICAST = 2, CLIENT = 3, SYSTEM = 4, HARBOR = 5, SOCKET = 6,
			ERROR = 7, QUEUE = 8, DEBUG = 9, LUA = 10, SNAX = 11, TRACE = 12,
		}
		for name, number in pairs(numbers) do
			check.equal(skynet["PTYPE_" .. name], number, "PTYPE_" .. name)
		end
	end)

	check.case("a protocol packs and unpacks its own way", function()
		check.equal(skynet.call(peer, "text", "hello"), "hello to you too")
	end)

	check.case("a protocol's handler may come with it", function()
		local got
		skynet.register_protocol {
			name = "client",
			id = skynet.PTYPE_CLIENT,
			pack = identity,
			unpack = skynet.tostring,
			dispatch = function(session, source, text)
				got = { session, source, text }
			end,
		}
		skynet.send(skynet.self(), "client", "to myself")
		check.await(function()
			return got
		end, "the message")
		check.equal(got, { 0, skynet.self(), "to myself" })
	end)

	check.case("a name or number is registered once", function()
		check.raises("already", skynet.register_protocol, { name = "lua", id = 77 })
		check.raises("already", skynet.register_protocol, { name = "another", id = skynet.PTYPE_LUA })
		check.raises("from 0 to 255", skynet.register_protocol, { name = "too large", id = 256 })
		check.raises("from 0 to 255", skynet.register_protocol, { name = "negative", id = -1 })
	end)

	check.case("rawcall neither packs nor unpacks", function()
		local message, size = skynet.rawcall(peer, "lua", skynet.pack("ECHO", 1, "two"))
		check.equal(table.pack(skynet.unpack(message, size)), { 1, "two", n = 2 })
	end)

	check.case("rawcall takes a string too", function()
		local message, size = skynet.rawcall(peer, "lua", skynet.packstring("ECHO", 3))
		check.equal(skynet.unpack(message, size), 3)
		check.raises("call to invalid address", skynet.rawcall, 0xfffff, "lua", skynet.packstring "ECHO")
	end)

	check.case("rawsend sends what it is given", function()
		skynet.rawsend(peer, "lua", skynet.pack("NOTE", "raw"))
		skynet.rawsend(peer, "lua", skynet.packstring("NOTE", "raw string"))
		check.equal(skynet.call(peer, "lua", "SEEN"), { "raw", "raw string" })
	end)

	check.case("redirect sends in another's name", function()
		local source = skynet.newservice "text_peer"
		skynet.redirect(peer, source, "lua", 0, skynet.pack "WHO")
		check.equal(skynet.call(peer, "lua", "LAST_SOURCE"), source)
	end)

	check.case("a redirected request is answered to the forged source", function()
		local back = skynet.newservice "text_peer"
		check.equal(skynet.call(back, "lua", "REQUEST_AS_ME", peer), "answered to me")
	end)

	check.case("genid gives a new session number each time", function()
		local first, second = skynet.genid(), skynet.genid()
		check.equal(math.type(first), "integer")
		check.ok(second > first, "sessions count up")
	end)

	check.case("a protocol that the other side does not know gives call failed", function()
		skynet.register_protocol { name = "mine", id = 200, pack = skynet.pack, unpack = skynet.unpack }
		check.raises("call failed", skynet.call, peer, "mine", "anything")
		check.equal(skynet.call(peer, "lua", "ECHO", "still there"), "still there")
	end)

	check.case("what nobody handles goes to the function for unknown requests", function()
		local got
		skynet.dispatch_unknown_request(function(session, source, message, size, kind)
			got = { session, source, skynet.tostring(message, size), kind }
		end)
		skynet.redirect(skynet.self(), peer, "mine", 0, "bytes")
		check.await(function()
			return got
		end, "the unknown request")
		check.equal(got, { 0, peer, "bytes", "mine" })
	end)
end)
