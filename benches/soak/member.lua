-- What is patched: a place in the ring, or a mortal. Each number after `return` is a version; patches and saves change them.
local skynet = require "skynet"
local hotfix = require "hotfix"

local state = { last = {}, seen = {}, calls = 0, work = 0, ticks = 0 }
local command, class, handlers = {}, {}, {}
class.__index = class

local function alpha() return 0 end --alpha
function command.beta() return 0 end --beta
function class:gamma() return 0 end --gamma
handlers.delta = function() return 0 end --delta
function epsilon() return 0 end --epsilon

local function make(step)
    local count = 0
    return function()
        count = count + step
        return 0 --zeta
    end
end

local object = setmetatable({}, class)
local made = { make(1), make(2) }
local held = { alpha, command.beta, class.gamma, handlers.delta, epsilon }

local function complain(text)
    skynet.send(".main", "lua", "complain", SERVICE_NAME .. " " .. skynet.address(skynet.self()) .. ": " .. text)
end

function command.link(next, size) state.next, state.size = next, size end

-- Nothing in here waits: a restart finds the token here or there, never on the way.
function command.token(token, hop)
    local last = state.last[token]
    if last and hop ~= last + state.size then complain("token " .. token .. " with " .. hop .. " after " .. last) end
    state.last[token] = hop
    skynet.send(state.next, "lua", "token", token, hop + 1)
end

function command.chain(loop, seq, depth, value)
    local seen = state.seen[loop]
    if not seen or seen.count == 100 then
        seen = { count = 0, now = {}, before = seen and seen.now or {} }
        state.seen[loop] = seen
    end
    if seen.now[seq] or seen.before[seq] then complain("call " .. seq .. " of loop " .. loop .. " twice") end
    seen.now[seq], seen.count = true, seen.count + 1
    state.calls = state.calls + 1
    if depth == 0 then return value, 1 end
    if seq % 3 == 0 then skynet.sleep(1) end
    local sum, number = skynet.call(state.next, "lua", "chain", loop, seq, depth - 1, value)
    return sum + value, number + 1
end

function command.handled() return state.calls end

function command.work()
    state.work = state.work + 1
    return state.work
end

function command.leave() skynet.exit() end

function command.census()
    local now = { alpha(), command.beta(), object:gamma(), handlers.delta(), epsilon(), made[1]() }
    for index, func in ipairs(held) do
        if func(object) ~= now[index] then complain("held function " .. index .. " says " .. func(object) .. ", not " .. now[index]) end
    end
    if made[2]() ~= now[6] then complain("the second closure says " .. made[2]() .. ", not " .. now[6]) end
    return table.concat(now, " ")
end

local function tick()
    state.ticks = state.ticks + 1
    alpha()
    skynet.timeout(100, tick)
end

hotfix.save(function() return state end)
hotfix.restore(function(saved) state = saved end)

skynet.start(function()
    skynet.timeout(100, tick)
    skynet.dispatch("lua", function(session, _, name, ...)
        if session == 0 then command[name](...) else skynet.retpack(command[name](...)) end
    end)
end)
