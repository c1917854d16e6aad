-- Moves states between instances and compares them, for the property test.
local skynet = require "skynet"
require "skynet.manager"

local states = {}
local command = {}

local function ask(who, what, ...)
	return skynet.call(who, "lua", "return require('observe')." .. what .. "(...)", ...)
end

local function merge(into, from)
	for key, value in pairs(from) do
		if type(value) == "table" and type(into[key]) == "table" then
			merge(into[key], value)
		else
			into[key] = value
		end
	end
end

function command.spawn(name)
	skynet.name("." .. name, skynet.newservice(name))
end

function command.play(name, seed)
	ask("." .. name, "play", seed)
end

-- Notes a service's state over what was known of it.
function command.note(name)
	states[name] = states[name] or {}
	merge(states[name], ask("." .. name, "get"))
end

-- Names that are in both, in order.
local function common(one, two)
	local names = {}
	for name in pairs(one) do
		if two[name] then
			names[#names + 1] = name
		end
	end
	table.sort(names)
	return names
end

local function differences(name, model)
	local live = "." .. name
	local here, there = ask(live, "names"), ask(model, "names")
	local found = {}
	for wanted in pairs(there.M) do
		if not here.M[wanted] then
			found[#found + 1] = "M." .. wanted .. " is missing"
		end
	end
	local gone = {}
	for name in pairs(here.kept) do
		if not there.kept[name] then
			gone[#gone + 1] = name
		end
	end
	ask(live, "forget", gone)
	local names = { M = common(here.M, there.M), kept = common(here.kept, there.kept) }
	local is, should = ask(live, "probe", names), ask(model, "probe", names)
	local errors = 0
	for i = 1, math.max(#is, #should) do
		if is[i] ~= should[i] then
			found[#found + 1] = tostring(is[i]) .. "   SHOULD BE   " .. tostring(should[i])
		end
		errors = errors + (should[i]:find " = error " and 1 or 0)
	end
	return found, #should, errors
end

-- Compares a service with a fresh start of `model` that was given the state that was noted.
function command.compare(name, model)
	local fresh = skynet.newservice(model)
	ask(fresh, "set", states[name])
	local found, probes, errors = differences(name, fresh)
	skynet.kill(fresh)
	return #found .. "|" .. probes .. "|" .. errors .. "|" .. table.concat(found, "\\n", 1, math.min(#found, 6))
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
	skynet.name(".driver", skynet.self())
	print "ready"
end)
