-- A part of `skynet`: what a service tells about itself.

local core = ...
local traceback = debug.traceback

local diagnosis = {}

-- Without argument the number of coroutines that wait; with a table their tracebacks by coroutine; with a session its traceback;
-- with a coroutine its session; with "init" the traceback of the start function.
function diagnosis.task(ret)
    if type(ret) == "thread" then
        for session, co in pairs(core.sessions) do
            if co == ret then
                return session
            end
        end
    elseif ret == "init" then
        return core.start_thread and traceback(core.start_thread)
    elseif type(ret) == "table" then
        for session, co in pairs(core.sessions) do
            ret[string.format("%s session: %d", tostring(co), session)] = traceback(co)
        end
    elseif ret == nil then
        local count = 0
        for _ in pairs(core.sessions) do
            count = count + 1
        end
        return count
    else
        local co = core.sessions[ret]
        return co and traceback(co) or "No session"
    end
end

local info_func

function diagnosis.info_func(func)
    info_func = func
end

-- What the debug command INFO answers.
function core.info(...)
    if info_func then
        return info_func(...)
    end
end

function core.debug_message(session, source, ...)
    return require "skynet.debug".dispatch(session, source, ...)
end

return diagnosis
