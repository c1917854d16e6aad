-- What the Lua tests assert with. A test is a start service: it calls
-- `check.suite(function() … end)` and, in there, `check.case(name, body)` once per
-- behaviour. The suite prints `PASS name` or `FAIL name: why` per case and at the end
-- `DONE n`, then stops the node; tests/front_door/lua_tests.rs reads those lines.
local skynet = require "skynet"
require "skynet.manager"

local check = {}

-- A case that is still running after this long (hundredths of a second) has hung.
local PATIENCE = 4500

local passed, failed = 0, 0
local current = "(before the first case)"

local function show(value)
	if type(value) == "string" then
		return string.format("%q", value)
	elseif type(value) == "table" then
		local parts = {}
		for k, v in pairs(value) do
			parts[#parts + 1] = "[" .. show(k) .. "]=" .. show(v)
		end
		table.sort(parts)
		return "{" .. table.concat(parts, ", ") .. "}"
	elseif math.type(value) == "float" then
		return string.format("%.14g (float)", value)
	end
	return tostring(value)
end

-- Deep equality; 1 and 1.0 differ, because the serialiser must keep them apart.
local function same(a, b)
	if type(a) ~= type(b) or math.type(a) ~= math.type(b) then
		return false
	end
	if type(a) ~= "table" then
		return a == b
	end
	for k, v in pairs(a) do
		if not same(v, b[k]) then
			return false
		end
	end
	for k in pairs(b) do
		if a[k] == nil then
			return false
		end
	end
	return true
end

function check.equal(actual, expected, what)
	if not same(actual, expected) then
		error(string.format("%s: expected %s, got %s", what or "value", show(expected), show(actual)), 2)
	end
end

function check.ok(condition, what)
	if not condition then
		error(what or "expected a true value", 2)
	end
end

-- `text` must occur, as it stands, in the error that `body` raises.
function check.raises(text, body, ...)
	local ok, err = pcall(body, ...)
	if ok then
		error(string.format("expected an error with %q, none was raised", text), 2)
	end
	if not string.find(tostring(err), text, 1, true) then
		error(string.format("expected an error with %q, got %q", text, tostring(err)), 2)
	end
	return err
end

-- Waits until `condition()` holds; fails when it does not within 30 s.
function check.await(condition, what)
	for _ = 1, 3000 do
		if condition() then
			return
		end
		skynet.sleep(1)
	end
	error("waited 30 s in vain for " .. what, 2)
end

function check.case(name, body)
	current = name
	local ok, err = xpcall(body, debug.traceback)
	if ok then
		passed = passed + 1
		print("PASS " .. name)
	else
		failed = failed + 1
		print("FAIL " .. name .. ": " .. tostring(err))
	end
end

function check.suite(body)
	skynet.start(function()
		skynet.timeout(PATIENCE, function()
			print("FAIL " .. current .. ": still running after " .. PATIENCE // 100 .. " s")
			skynet.abort()
		end)
		local ok, err = xpcall(body, debug.traceback)
		if not ok then
			print("FAIL outside of any case: " .. tostring(err))
		end
		print("DONE " .. passed + failed)
		skynet.abort()
	end)
end

return check
