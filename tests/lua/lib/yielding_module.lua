-- A module that waits while it is being loaded.
local skynet = require "skynet"

skynet.sleep(5)

return { answer = "loaded after a wait" }
