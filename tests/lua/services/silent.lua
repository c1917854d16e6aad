-- A service that handles no message at all.
local skynet = require "skynet"

skynet.start(function() end)
