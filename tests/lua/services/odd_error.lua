-- Fails in odd ways.
local skynet = require "skynet"

local command = {}

function command.odd()
	error(setmetatable({}, { __tostring = function() error "no text" end }))
end

function command.deep()
	local function again()
		return 1 + again()
	end
	return again()
end

function command.fine()
	return "fine"
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		skynet.retpack(command[name]())
	end)
end)
