local skynet = require 'skynet'

local command = {}
local players = {}
local fights = {}
local tuning = {hits = 0, rates = {1, 2, 3}}
local class = {}
class.__index = class

function class:worth()
    local sum = 0
    for _, item in ipairs(self.items) do sum = sum + item.count end
    return sum
end

local function score(n) return n * 2 end

local function fight(player)
    local rounds = {}
    while true do
        rounds[#rounds + 1] = coroutine.yield(player.level)
    end
end

local function add(i)
    local player = setmetatable({
        id = i, name = 'player' .. i, level = i % 60, pos = {x = i, y = 2 * i, z = 0}, items = {},
        quests = {['q' .. i % 50] = {done = false, steps = {1, 2, 3}}},
        friends = {players[i - 1], players[i // 2]},
    }, class)
    for j = 1, 10 do player.items[j] = {id = j, count = i % 7, owner = player, bound = true} end
    if i % 10 == 0 then player.on_hit = function(n) player.level = n end end
    if i % 50 == 0 then
        local co = coroutine.create(fight)
        coroutine.resume(co, player)
        fights[#fights + 1] = co
    end
    players[i] = player
end

function command.speak(n) return score(n) + 0 end

function command.worth(i) return players[i]:worth() end

function command.heap()
    collectgarbage()
    return string.format('%.2f', collectgarbage 'count' / 1024)
end

local mib = ...

skynet.start(function()
    local i = 0
    while collectgarbage 'count' < mib * 1024 do
        i = i + 1
        add(i)
    end
    skynet.dispatch('lua', function(_, _, name, ...)
        skynet.ret(skynet.pack(command[name](...)))
    end)
end)
