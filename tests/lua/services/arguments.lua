-- Counts its arguments.
local skynet = require "skynet"

local count = select("#", ...)

skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.retpack(count)
	end)
end)
