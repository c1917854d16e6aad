-- Measures one workload, runs on skynet and hotlua alike: prints `RESULT figure` and ends the process.
local skynet = require "skynet"
require "skynet.manager"

local SECONDS = tonumber(skynet.getenv "seconds")
local workloads = {}

-- Runs `step` until the time is up; steps per second. The clock is looked at now and then only: it costs the same on both, but not nothing.
local function rate(step, every)
    local began = skynet.hpc()
    local ends = began + SECONDS * 1000000000
    local count = 0
    repeat
        for _ = 1, every do step() end
        count = count + every
    until skynet.hpc() >= ends
    return count * 1000000000 / (skynet.hpc() - began)
end

-- Runs `measure(index)` in so many coroutines at once; the sum of their figures.
local function together(number, measure)
    local total, left, main = 0, number, coroutine.running()
    for index = 1, number do
        skynet.fork(function()
            local figure = measure(index)
            total = total + figure
            left = left - 1
            if left == 0 then skynet.wakeup(main) end
        end)
    end
    skynet.wait()
    return total
end

-- Calls from `pairs` services to as many others.
local function calls(number, ...)
    local callers = {}
    for index = 1, number do callers[index] = skynet.newservice("caller", skynet.newservice "echo") end
    local arguments = table.pack(...)
    return together(number, function(index)
        return skynet.call(callers[index], "lua", SECONDS, table.unpack(arguments, 1, arguments.n))
    end)
end

function workloads.call_1() return calls(1, "set", 12) end
function workloads.call_8() return calls(8, "set", 12) end
function workloads.call_1000() return calls(1000, "set", 12) end
function workloads.call_table() return calls(1, 1, "set", "key", { a = 1, b = 2, c = { 1, 2, 3 } }) end

-- One sends as fast as it can; after each thousand it waits until they have been handled.
function workloads.flood()
    local sink = skynet.newservice "echo"
    local thousand = rate(function()
        for index = 1, 1000 do skynet.send(sink, "lua", "add", index) end
        skynet.call(sink, "lua", "add", 0)
    end, 1)
    return thousand * 1000
end

-- A hundred coroutines that take turns.
function workloads.fork_yield()
    return together(100, function() return rate(skynet.yield, 100) end)
end

-- What a fork costs that does nothing.
function workloads.fork()
    local function nothing() end
    local thousand = rate(function()
        for _ = 1, 1000 do skynet.fork(nothing) end
        skynet.yield()
    end, 1)
    return thousand * 1000
end

-- The processor time that the process has used, in seconds (ticks of 10 ms, on every Linux).
local function used()
    local file = assert(io.open "/proc/self/stat")
    local text = file:read "a"
    file:close()
    local user, system = text:match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
    return (user + system) / 100
end

-- Timers that are set and run off within half a second, two hundred thousand at once: how many for a second of processor time.
function workloads.timers()
    local TIMERS <const> = 200000
    local main, left, before = coroutine.running(), TIMERS, used()
    local function done()
        left = left - 1
        if left == 0 then skynet.wakeup(main) end
    end
    for index = 1, TIMERS do skynet.timeout(index % 50 + 1, done) end
    skynet.wait()
    return TIMERS / (used() - before)
end

function workloads.newservice()
    return rate(function() skynet.newservice "idle" end, 10)
end

-- The memory of the process, in KiB.
local function resident()
    local file = assert(io.open "/proc/self/status")
    local text = file:read "a"
    file:close()
    return tonumber(text:match "VmRSS:%s*(%d+)")
end

local function memory(name, number)
    for _ = 1, 10 do skynet.newservice(name) end
    skynet.sleep(50)
    local before = resident()
    for _ = 1, number do skynet.newservice(name) end
    skynet.sleep(50)
    return (resident() - before) / number
end

function workloads.memory_idle() return memory("idle", 2000) end
function workloads.memory_modules() return memory("modules", 500) end

skynet.start(function()
    skynet.fork(function()
        local ok, figure = pcall(workloads[skynet.getenv "workload"])
        print("RESULT " .. tostring(figure))
        skynet.timeout(1, function() skynet.abort() end)
        assert(ok, figure)
    end)
end)
