-- A part of `skynet`: services of which there is one, and what is to be done at the end.

local core = ...
local skynet = core.skynet

local services = {}

function services.uniqueservice(global, ...)
    if global == true then
        return skynet.call(".service", "lua", "GLAUNCH", ...)
    end
    return skynet.call(".service", "lua", "LAUNCH", global, ...)
end

function services.queryservice(global, ...)
    if global == true then
        return skynet.call(".service", "lua", "GQUERY", ...)
    end
    return skynet.call(".service", "lua", "QUERY", global, ...)
end

function services.address(addr)
    if type(addr) == "number" then
        return string.format(":%08x", addr)
    end
    return tostring(addr)
end

-- Calls `func` when the node is told to stop; the node waits for it a while.
local stop_functions = {}

local function stop()
    for _, func in ipairs(stop_functions) do
        local ok, why = xpcall(func, core.traceback)
        if not ok then
            skynet.error("error while stopping: " .. tostring(why))
        end
    end
    skynet.exit()
end

function services.on_stop(func)
    core.hooks.stop = stop
    stop_functions[#stop_functions + 1] = func
end

return services
