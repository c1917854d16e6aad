local skynet = require 'skynet'
local command, state = {}, {count = 0}
local function score(n) return n * 2 end
function command.add(n) state.count = state.count + n return state.count end
function command.speak(n) return score(n) + 0 end
skynet.start(function()
    skynet.dispatch('lua', function(_, _, name, ...) skynet.ret(skynet.pack(command[name](...))) end)
end)
