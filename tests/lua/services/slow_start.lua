-- A service whose start function takes a while: `newservice` must not return before it is over.
local skynet = require "skynet"

skynet.start(function()
	local state = "starting"
	skynet.dispatch("lua", function()
		skynet.retpack(state)
	end)
	skynet.sleep(20)
	state = "ready"
end)
