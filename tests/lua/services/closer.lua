-- Tells the witness when the to-be-closed variable of a suspended request is closed.
local skynet = require "skynet"

local witness = ...
local command = {}

function command.wait()
	local guard <close> = setmetatable({}, {
		__close = function()
			skynet.send(witness, "lua", "NOTE", "closed")
		end,
	})
	skynet.wait(guard)
end

function command.exit()
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		command[name]()
	end)
end)
