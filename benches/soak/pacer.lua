-- The place in the ring where tokens rest for a moment. It is not patched.
local skynet = require "skynet"

local TOKENS = 4
local last, rounds, calls = {}, {}, 0
local first, size
local command = {}

function command.begin(next, length)
    first, size = next, length
    for token = 1, TOKENS do
        last[token], rounds[token] = 0, 0
        skynet.send(first, "lua", "token", token, 1)
    end
end

function command.token(token, hop)
    if hop ~= last[token] + size then
        skynet.send(".main", "lua", "complain", "token " .. token .. " comes back with " .. hop .. " after " .. last[token])
    end
    last[token] = hop
    rounds[token] = rounds[token] + 1
    skynet.sleep(2)
    skynet.send(first, "lua", "token", token, hop + 1)
end

function command.chain(_, _, _, value)
    calls = calls + 1
    return value, 1
end

function command.handled() return calls end

function command.report() return math.min(table.unpack(rounds)) end

skynet.start(function()
    skynet.dispatch("lua", function(session, _, name, ...)
        if session == 0 then command[name](...) else skynet.retpack(command[name](...)) end
    end)
end)
