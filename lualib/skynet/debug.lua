-- The debug protocol: what the console asks a service. Loaded with the first such message.

local skynet = require "skynet"
local core = require "skynet.core"

local commands = {}

function commands.PING()
    skynet.ret()
end

function commands.MEM()
    skynet.retpack(collectgarbage "count")
end

function commands.GC()
    collectgarbage "collect"
    if select("#", skynet.context()) > 0 then
        skynet.retpack(collectgarbage "count")
    end
end

function commands.STAT()
    skynet.retpack {
        task = skynet.task(),
        mqlen = skynet.stat "mqlen",
        cpu = skynet.stat "cpu",
        message = skynet.stat "message",
    }
end

function commands.TASK(session)
    if session then
        skynet.retpack(skynet.task(session))
    else
        local tasks = {}
        skynet.task(tasks)
        skynet.retpack(tasks)
    end
end

function commands.UNIQTASK()
    local tasks = {}
    skynet.task(tasks)
    local counts = {}
    for _, trace in pairs(tasks) do
        counts[trace] = (counts[trace] or 0) + 1
    end
    skynet.retpack(counts)
end

function commands.INFO(...)
    skynet.retpack(core.info(...))
end

function commands.EXIT()
    skynet.exit()
end

function commands.SUPPORT(name)
    skynet.retpack(skynet.dispatch(name) ~= nil)
end

-- Never answers: the caller's call fails when this service ends.
function commands.LINK()
    skynet.response()
end

local extended = {}
local M = {}

function M.reg_debugcmd(name, func)
    extended[name] = func
end

function M.dispatch(_, _, command, ...)
    local run = commands[command] or extended[command]
    if not run then
        error(string.format("Invalid debug command %s", tostring(command)))
    end
    run(...)
end

return M
