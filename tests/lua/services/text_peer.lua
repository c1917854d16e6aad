-- The other side of protocol.lua: speaks text and lua, and forwards requests.
local skynet = require "skynet"

local seen = {}
local last_source
local command = {}

function command.ECHO(_, ...)
	skynet.retpack(...)
end

function command.NOTE(_, value)
	seen[#seen + 1] = value
end

function command.SEEN()
	skynet.retpack(seen)
end

function command.WHO(source)
	last_source = source
	skynet.ret(skynet.pack "answered to me")
end

function command.LAST_SOURCE()
	skynet.retpack(last_source)
end

-- Has `other` asked by redirect, with this service as the source; the answer is for a session
-- that a waiting coroutine here owns.
function command.REQUEST_AS_ME(_, other)
	local session = skynet.genid()
	local answer = skynet.response()
	skynet.dispatch_unknown_response(function(got, source, message, size)
		if got == session and source == other then
			answer(true, skynet.unpack(message, size))
		end
	end)
	skynet.redirect(other, skynet.self(), "lua", session, skynet.pack "WHO")
end

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(text)
		return text
	end,
	unpack = skynet.tostring,
}

skynet.start(function()
	skynet.dispatch("lua", function(_, source, name, ...)
		command[name](source, ...)
	end)
	skynet.dispatch("text", function(_, _, text)
		skynet.ret(text .. " to you too")
	end)
end)
