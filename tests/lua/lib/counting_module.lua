-- A module that counts how often its file was run, and waits meanwhile.
local skynet = require "skynet"

COUNTING_MODULE_LOADS = (rawget(_G, "COUNTING_MODULE_LOADS") or 0) + 1
skynet.sleep(5)

return {
	loads = function()
		return COUNTING_MODULE_LOADS
	end,
}
