local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
    for number = 1, 3 do
        skynet.newservice("greeter", number)
    end
    print "three greeters are up"
end)
