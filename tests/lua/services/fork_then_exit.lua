-- Tells the witness what ran: a fork that waits when `exit` is called must not.
local skynet = require "skynet"

local witness = ...

skynet.start(function()
	skynet.fork(function()
		skynet.send(witness, "lua", "NOTE", "fork")
	end)
	skynet.send(witness, "lua", "NOTE", "before exit")
	skynet.exit()
	skynet.send(witness, "lua", "NOTE", "after exit")
end)
