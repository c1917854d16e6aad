-- The start service: it starts what belongs to this node, and ends.
local skynet = require "skynet"

skynet.start(function()
	skynet.error "Server start"
	skynet.newservice "simpledb"
	skynet.exit()
end)
