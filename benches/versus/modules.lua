-- Has five modules of 700 lines, which the runner writes.
local skynet = require "skynet"

for index = 1, 5 do require("module" .. index) end

skynet.start(function()
    skynet.dispatch("lua", function() skynet.retpack() end)
end)
