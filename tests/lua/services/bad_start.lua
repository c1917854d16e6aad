-- A service that does not come up; the argument says in which way.
local skynet = require "skynet"

local how = ...
if how == "chunk" then
	error "the main chunk fails"
end

skynet.start(function()
	if how == "exit" then
		skynet.exit()
	end
	error "the start function fails"
end)
