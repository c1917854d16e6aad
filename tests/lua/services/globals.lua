-- Answers with the value of a global variable of its own.
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		skynet.retpack(rawget(_G, name))
	end)
end)
