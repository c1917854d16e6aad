-- Greets every second. Save this file while `hotlua dev` runs: the change is live in all three, and they count on.

local skynet = require "skynet"
local words = require "words"

local id = ...
local count = 0

local function line()
    return words.hello .. " from greeter " .. id .. ", number " .. count
end

local function greet()
    count = count + 1
    print(line())
    skynet.timeout(100, greet)
end

skynet.start(function()
    skynet.timeout(100, greet)
    skynet.dispatch("lua", function()
        skynet.retpack(line())
    end)
end)
