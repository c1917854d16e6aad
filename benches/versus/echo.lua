-- Answers with what it was sent.
local skynet = require "skynet"

skynet.start(function()
    skynet.dispatch("lua", function(session, _, ...)
        if session ~= 0 then skynet.retpack(...) end
    end)
end)
