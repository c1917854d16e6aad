-- The service `debug_console [address] port`: opens a further console, as in skynet.

local skynet = require "skynet"
local core = require "skynet.core"

local first, second = ...
local address = second and first or "127.0.0.1"
local port = second or first

skynet.start(function()
    assert(port, "debug_console needs a port: skynet.newservice(\"debug_console\", 8001)")
    core.console(address .. ":" .. port)
end)
