-- What messages carry: pack, unpack, packstring, and the values that survive the way.
local skynet = require "skynet"
local check = require "check"

local function round_trip(...)
	return table.pack(skynet.unpack(skynet.pack(...)))
end

check.suite(function()
	local peer = skynet.newservice "peer"

	local values = {
		["true"] = true,
		["false"] = false,
		["zero"] = 0,
		["one byte"] = 255,
		["two bytes"] = 65535,
		["negative"] = -1,
		["32 bits"] = 0x7fffffff,
		["beyond 32 bits"] = 0x123456789abcd,
		["largest integer"] = math.maxinteger,
		["smallest integer"] = math.mininteger,
		["float"] = 0.1,
		["whole float"] = 3.0,
		["infinity"] = math.huge,
		["empty string"] = "",
		["bytes"] = "\0\1\254\255",
		["31 bytes"] = ("x"):rep(31),
		["32 bytes"] = ("x"):rep(32),
		["100,000 bytes"] = ("x"):rep(100000),
		["list"] = { 1, 2, 3 },
		["list of 100"] = (function()
			local list = {}
			for i = 1, 100 do
				list[i] = i
			end
			return list
		end)(),
		["map"] = { a = 1, b = { c = { d = "deep" } } },
		["mixed"] = { 1, 2, x = "y", [true] = 0.5, [-7] = "minus" },
		["float keys"] = { [1.5] = "one and a half" },
		["empty table"] = {},
	}
	local names = {}
	for name in pairs(values) do
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		check.case(name .. " survives pack and a call", function()
			check.equal(round_trip(values[name]), { values[name], n = 1 })
			check.equal(skynet.call(peer, "lua", "ECHO", values[name]), values[name])
		end)
	end

	check.case("nils keep their places", function()
		check.equal(round_trip(nil, 1, nil, nil, 2, nil), { nil, 1, nil, nil, 2, nil, n = 6 })
		check.equal(round_trip(), { n = 0 })
		check.equal(round_trip(nil), { n = 1 })
	end)

	check.case("NaN stays NaN", function()
		local nan = round_trip(0 / 0)[1]
		check.ok(nan ~= nan, "NaN differs from itself")
	end)

	check.case("many values", function()
		local many = {}
		for i = 1, 200 do
			many[i] = i
		end
		local got = round_trip(table.unpack(many))
		check.equal(got.n, 200)
		check.equal(got[200], 200)
	end)

	check.case("packstring gives a string that unpack reads", function()
		local packed = skynet.packstring("a", 1, { true })
		check.equal(type(packed), "string")
		check.equal(table.pack(skynet.unpack(packed)), { "a", 1, { true }, n = 3 })
	end)

	check.case("pack gives a light userdata and its size", function()
		local message, size = skynet.pack("abc")
		check.equal(type(message), "userdata")
		check.equal(math.type(size), "integer")
		check.equal(#skynet.tostring(message, size), size)
		check.equal(skynet.unpack(message, size), "abc")
		skynet.trash(message, size)
	end)

	check.case("a light userdata survives", function()
		local message, size = skynet.pack("abc")
		check.ok(round_trip(message)[1] == message, "the same pointer comes back")
		skynet.trash(message, size)
	end)

	check.case("__pairs decides what of a table is sent", function()
		local view = setmetatable({ hidden = 1 }, {
			__pairs = function()
				return next, { shown = 2 }, nil
			end,
		})
		check.equal(round_trip(view)[1], { shown = 2 })
	end)

	check.case("metatables are not sent", function()
		local got = round_trip(setmetatable({ 1 }, { __index = { x = 1 } }))[1]
		check.equal(getmetatable(got), nil)
		check.equal(got.x, nil)
	end)

	check.case("what cannot be sent is named", function()
		check.raises("Unsupport type function to serialize", skynet.pack, print)
		check.raises("Unsupport type thread to serialize", skynet.pack, coroutine.create(print))
		check.raises("Unsupport type function to serialize", skynet.pack, { f = print })
		check.raises("Unsupport type function to serialize", skynet.call, peer, "lua", "ECHO", print)
		check.raises("Unsupport type function to serialize", skynet.send, peer, "lua", "ECHO", print)
	end)

	local function nested(depth)
		local outer = {}
		for _ = 2, depth do
			outer = { outer }
		end
		return outer
	end

	check.case("tables may be nested, but not without end", function()
		check.equal(round_trip(nested(30))[1], nested(30))
		check.raises("serialize can't pack too depth table", skynet.pack, nested(40))
		local ring = {}
		ring.ring = ring
		check.raises("serialize can't pack too depth table", skynet.pack, ring)
	end)

	check.case("bytes that are no message raise", function()
		check.raises("Invalid serialize stream", skynet.unpack, "\7")
		check.raises("Invalid serialize stream", skynet.unpack, skynet.packstring(("x"):rep(100)):sub(1, 50))
		check.raises("Invalid serialize stream", skynet.unpack, skynet.packstring({ 1, 2, 3 }):sub(1, 2))
	end)

	check.case("a failed pack leaves the service working", function()
		pcall(skynet.call, peer, "lua", "ECHO", print)
		check.equal(skynet.call(peer, "lua", "ECHO", "fine"), "fine")
	end)
end)
