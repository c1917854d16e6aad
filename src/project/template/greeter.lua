-- Greets every second. Save this file while `hotlua dev` runs: the change is live in all three, and they count on.

local skynet = require "skynet"
local words = require "words"

local id = ...
local count = 0

local function line()
    return words.hello .. " from greeter " .. id .. ", number " .. count
end

local function greet()
    skynet.timeout(100, greet) -- first, so that a mistake below does not end it
    count = count + 1
    print(line())
end

skynet.start(function()
    skynet.timeout(100, greet)
    skynet.dispatch("lua", function()
        skynet.retpack(line())
    end)
end)
