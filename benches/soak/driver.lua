-- Calls along pieces of the ring, and checks the sums that come back. It is not patched.
local skynet = require "skynet"

local LOOPS, DEPTH = 4, 5
local answered, links, failed, last_error = 0, 0, 0, "none"
local paused, resting = false, 0
local members
local command = {}

local function complain(text) skynet.send(".main", "lua", "complain", text) end

local function one(loop, seq)
    local start = (seq * 7 + loop * 31) % #members + 1
    local value = seq % 1000 + 1
    local ok, sum, number = pcall(skynet.call, members[start], "lua", "chain", loop, seq, DEPTH, value)
    if not ok then
        failed, last_error = failed + 1, tostring(sum)
        return
    end
    local expected = math.min(DEPTH + 1, #members + 2 - start)
    if number ~= expected or sum ~= value * expected then
        complain(("call %d of loop %d: sum %s of %s links, not of %d"):format(seq, loop, sum, number, expected))
    end
    answered, links = answered + 1, links + number
end

local function run(loop)
    local seq = 0
    while true do
        seq = seq + 1
        one(loop, seq)
        skynet.sleep(1)
        while paused do
            resting = resting + 1
            skynet.wait("rest" .. loop)
            resting = resting - 1
        end
    end
end

function command.begin(all)
    members = all
    for loop = 1, LOOPS do skynet.fork(run, loop) end
end

function command.pause()
    paused = true
    while resting < LOOPS do skynet.sleep(1) end
    -- What a failed call has left behind is on its way still.
    skynet.sleep(20)
end

function command.resume()
    paused = false
    for loop = 1, LOOPS do skynet.wakeup("rest" .. loop) end
end

function command.report() return answered .. " " .. links .. " " .. failed .. " " .. last_error end

skynet.start(function()
    skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
end)
