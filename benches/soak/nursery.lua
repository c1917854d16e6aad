-- Keeps a number of mortals, gives them work and counts it; ends some and starts others when it is told to. It is not patched.
local skynet = require "skynet"
require "skynet.manager"

local wanted = tonumber((...))
local list = {}
local command = {}

local function born() list[#list + 1] = { address = skynet.newservice "mortal", done = 0 } end

local function work(mortal)
    mortal.busy = true
    local done = skynet.call(mortal.address, "lua", "work")
    mortal.busy = false
    mortal.done = mortal.done + 1
    if done ~= mortal.done then
        local text = skynet.address(mortal.address) .. " has done " .. done .. ", and was told " .. mortal.done
        skynet.send(".main", "lua", "complain", text)
    end
end

function command.all()
    local all = {}
    for index, mortal in ipairs(list) do all[index] = mortal.address end
    return all
end

-- Ends `number` of them, the oldest first, and starts as many.
function command.renew(number, how)
    for _ = 1, number do
        while list[1].busy do skynet.sleep(0) end
        local mortal = table.remove(list, 1)
        if how == "kill" then
            skynet.kill(mortal.address)
        else
            skynet.send(mortal.address, "lua", "leave")
        end
        born()
    end
    return #list
end

skynet.start(function()
    for _ = 1, wanted do born() end
    skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
    skynet.fork(function()
        while true do
            for _, mortal in ipairs({ table.unpack(list) }) do
                local gone = true
                for _, other in ipairs(list) do gone = gone and other ~= mortal end
                if not gone then work(mortal) end
            end
            skynet.sleep(5)
        end
    end)
end)
