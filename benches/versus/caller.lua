-- Calls one other service until the time is up, and tells how often it did in a second.
local skynet = require "skynet"

local echo = tonumber((...))

skynet.start(function()
    skynet.dispatch("lua", function(_, _, seconds, ...)
        local began = skynet.hpc()
        local ends = began + seconds * 1000000000
        local count = 0
        repeat
            for _ = 1, 20 do skynet.call(echo, "lua", ...) end
            count = count + 20
        until skynet.hpc() >= ends
        skynet.retpack(count * 1000000000 / (skynet.hpc() - began))
    end)
end)
