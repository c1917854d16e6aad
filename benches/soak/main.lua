-- Starts everything, and answers the soak's questions: who runs what, who has complained, and how the load goes.
local skynet = require "skynet"
require "skynet.manager"

local rings, mortals = ...
local members, complaints = {}, {}
local pacer, driver, nursery
local command = {}

function command.complain(text)
    if #complaints < 100 then complaints[#complaints + 1] = text end
end

local function ask(lines, service, address)
    lines[#lines + 1] = service .. " " .. skynet.address(address) .. " " .. skynet.call(address, "lua", "census")
end

function command.census()
    local lines = {}
    for _, address in ipairs(members) do ask(lines, "ring", address) end
    for _, address in ipairs(skynet.call(nursery, "lua", "all")) do ask(lines, "mortal", address) end
    return table.concat(lines, ";")
end

function command.complaints() return table.concat(complaints, "; ") end

function command.load() return skynet.call(pacer, "lua", "report") .. " " .. skynet.call(driver, "lua", "report") end

-- Stops the calls, and tells how many were answered here and how many were made of them there.
function command.settle()
    skynet.call(driver, "lua", "pause")
    local handled = skynet.call(pacer, "lua", "handled")
    for _, address in ipairs(members) do handled = handled + skynet.call(address, "lua", "handled") end
    local report = skynet.call(driver, "lua", "report")
    skynet.call(driver, "lua", "resume")
    return handled .. " " .. report
end

function command.renew(number, how) return skynet.call(nursery, "lua", "renew", number, how) end

skynet.start(function()
    skynet.name(".main", skynet.self())
    skynet.dispatch("lua", function(session, _, name, ...)
        if session == 0 then command[name](...) else skynet.retpack(command[name](...)) end
    end)
    pacer = skynet.newservice "pacer"
    for index = 1, rings do members[index] = skynet.newservice("ring", index) end
    for index, address in ipairs(members) do
        skynet.call(address, "lua", "link", members[index + 1] or pacer, #members + 1)
    end
    nursery = skynet.newservice("nursery", mortals)
    driver = skynet.newservice "driver"
    skynet.call(driver, "lua", "begin", members)
    skynet.call(pacer, "lua", "begin", members[1], #members + 1)
    print "ready"
end)
