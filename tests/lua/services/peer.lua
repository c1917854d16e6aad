-- The other side of most Lua tests: each command is one thing that a called service can do.
local skynet = require "skynet"
require "skynet.manager"

local args = { ... }
local seen = {}
local last_ret
local kept
local command = {}

function command.ECHO(...)
	return skynet.retpack(...)
end

function command.ARGS()
	return skynet.retpack(args)
end

function command.CONTEXT()
	return skynet.retpack(skynet.context())
end

function command.EMPTY()
	return skynet.ret()
end

function command.NOTE(value)
	seen[#seen + 1] = value
end

function command.SEEN()
	return skynet.retpack(seen)
end

-- What `ret` said to the last RET_AND_KEEP.
function command.RET_AND_KEEP(...)
	last_ret = skynet.retpack(...)
end

function command.LAST_RET()
	return skynet.retpack(last_ret)
end

function command.RET_TWICE()
	skynet.retpack("first")
	local ok, err = pcall(skynet.retpack, "second")
	seen = { ok, tostring(err) }
end

function command.RET_IN_FORK()
	local ok, err
	skynet.fork(function()
		ok, err = pcall(skynet.ret)
	end)
	skynet.yield()
	skynet.retpack(ok, tostring(err))
end

function command.SLEEP(cs)
	skynet.sleep(cs)
	return skynet.retpack("slept")
end

-- Keeps the processor busy, so that later messages stay in the queue.
function command.SPIN(cs)
	local finish = skynet.hpc() + cs * 10000000
	while skynet.hpc() < finish do
	end
end

function command.FOREVER()
	skynet.wait()
end

-- Keeps the answer open; ANSWER gives it from another message.
function command.KEEP()
	kept = skynet.response()
end

function command.ANSWER(...)
	return skynet.retpack(kept(...))
end

function command.KEPT_ERROR()
	return skynet.retpack(select(2, pcall(kept, true)))
end

function command.RELAY(address, ...)
	return skynet.retpack(skynet.call(address, "lua", ...))
end

function command.TRY(address, ...)
	return skynet.retpack(pcall(skynet.call, address, "lua", ...))
end

function command.RAISE(text)
	error(text)
end

function command.RETURN_FUNCTION()
	return skynet.retpack(print)
end

function command.FORGET()
end

function command.IGNORE()
	skynet.ignoreret()
end

function command.EXIT()
	skynet.exit()
end

function command.EXIT_AFTER_RET()
	skynet.retpack("bye")
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		command[name](...)
	end)
end)
