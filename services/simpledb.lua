-- A key-value store, and the example to patch: see examples/patches.
--
-- Messages (protocol "lua", command names in any case):
--   GET key          answers with the value, or nothing
--   SET key value    answers with the value that was there before
--   PING text        writes the text to the log, and answers with it if somebody waits
local skynet = require "skynet"
require "skynet.manager" -- skynet.register

local db = {}
local command = {}

-- Longer texts of a PING are cut, so that nobody fills the log with one message.
local PING_MAX = 20

function command.GET(key)
	return db[key]
end

function command.SET(key, value)
	local previous = db[key]
	db[key] = value
	return previous
end

local function ping(source, text)
	local shown = tostring(text)
	if #shown > PING_MAX then
		shown = string.format("%s...(%d)", shown:sub(1, PING_MAX), #shown)
	end
	skynet.error(string.format("%s ping %s", skynet.address(source), shown))
	return text
end

local function test(msg)
	print(msg)
end

function command.do_test(msg)
	test(msg)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, source, cmd, ...)
		local name = string.upper(cmd)
		local f = command[name]
		if f then
			skynet.retpack(f(...))
		elseif name == "PING" then
			skynet.retpack(ping(source, ...))
		else
			error(string.format("Unknown command %s", cmd))
		end
	end)

	skynet.fork(function()
		while true do
			skynet.sleep(100)
			command.do_test "itest!"
		end
	end)

	skynet.register "SIMPLEDB"
end)
