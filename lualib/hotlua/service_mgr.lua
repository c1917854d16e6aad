-- The service `.service`: services of which there is one, launched by whoever asks first.

local skynet = require "skynet"
local core = require "skynet.core"

-- name → handle, or { error = text }, or { tokens of those who wait }.
local known = {}

local function wait_for(name)
    local token = {}
    table.insert(known[name], token)
    skynet.wait(token)
    return known[name]
end

local function settle(name, value)
    local waiting = known[name]
    known[name] = value
    for _, token in ipairs(waiting or {}) do
        skynet.wakeup(token)
    end
end

local function handle_or_raise(entry)
    if type(entry) == "table" then
        error(entry.error, 0)
    end
    return entry
end

local function launch(name, ...)
    local entry = known[name]
    if type(entry) == "table" and not entry.error and entry.launching then
        return handle_or_raise(wait_for(name))
    end
    if type(entry) == "number" or (entry and entry.error) then
        return handle_or_raise(entry)
    end
    local waiting = entry or {}
    waiting.launching = true
    known[name] = waiting
    local ok, handle = pcall(skynet.newservice, name, ...)
    if not ok or not handle then
        settle(name, { error = ok and name .. " ended in its start function" or tostring(handle) })
    else
        settle(name, handle)
    end
    return handle_or_raise(known[name])
end

local function query(name)
    if known[name] == nil then
        known[name] = {}
    end
    local entry = known[name]
    if type(entry) == "table" and not entry.error then
        entry = wait_for(name)
    end
    return handle_or_raise(entry)
end

local command = { LAUNCH = launch, GLAUNCH = launch, QUERY = query, GQUERY = query }

function command.LIST()
    local list = {}
    for name, entry in pairs(known) do
        if type(entry) == "number" then
            list[name] = skynet.address(entry)
        else
            list[name] = entry.error and "Error: " .. entry.error or "Querying"
        end
    end
    return list
end

skynet.start(function()
    core.name(".service", skynet.self())
    skynet.dispatch("lua", function(session, _, name, ...)
        local func = command[name]
        if not func then
            return skynet.retpack(nil, "Invalid command " .. tostring(name))
        end
        local result = func(...)
        if session ~= 0 then
            skynet.retpack(result)
        end
    end)
end)
