-- A part of `skynet`: answers that are given later, and many questions at once.

local core = ...
local skynet = core.skynet
local standard_pack = skynet.pack

local answers = { pcall = pcall }

function answers.response(pack)
    pack = pack or standard_pack
    local session, source = core.defer()
    if session == 0 then
        -- Nobody waits for the answer to a `send`.
        return function() end
    end
    return function(ok, ...)
        if ok == "TEST" then
            return session ~= nil and core.alive(session, source)
        end
        if not session then
            error("Can't response more than once", 2)
        end
        local answered = session
        session = nil
        if ok then
            return core.answer(answered, source, true, pack(...))
        end
        return core.answer(answered, source, false)
    end
end

function answers.request(request)
    return require "skynet.request" (request)
end

return answers
