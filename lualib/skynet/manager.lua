-- Names and lives of other services.

local skynet = require "skynet"
local core = require "skynet.core"

-- Global names are at most this long in skynet, too.
local LONGEST_GLOBAL = 16

local function check_name(name)
    if name:byte() ~= 46 then -- "."
        assert(#name < LONGEST_GLOBAL and tonumber(name) == nil and not name:find(":", 1, true))
    end
end

-- The first owner of a name keeps it.
function skynet.register(name)
    check_name(name)
    core.name(name, skynet.self())
end

function skynet.name(name, handle)
    check_name(name)
    core.name(name, handle)
end

local function handle_of(service)
    if type(service) == "number" then
        return service
    end
    local text = tostring(service)
    if text:byte() == 58 then -- ":"
        return tonumber(text:sub(2), 16)
    end
    return skynet.localname(text)
end

function skynet.kill(service)
    local handle = handle_of(service)
    if handle == skynet.self() then
        skynet.exit()
    end
    if handle then
        core.kill(handle)
    end
end

-- Launches without waiting for the start function.
function skynet.launch(kind, ...)
    if kind ~= "snlua" then
        error(string.format("only snlua services can be launched here, not %s", tostring(kind)), 2)
    end
    return core.launch(...)
end

return skynet
