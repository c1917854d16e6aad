-- Blocking calls from every place that may block: pcall, xpcall, metamethods, iterators,
-- to-be-closed variables, modules that are being loaded.
local skynet = require "skynet"
local check = require "check"

check.suite(function()
	local peer = skynet.newservice "peer"

	local function ask(...)
		return skynet.call(peer, "lua", "ECHO", ...)
	end

	check.case("across pcall", function()
		local ok, value = pcall(ask, "value")
		check.equal(ok, true)
		check.equal(value, "value")
	end)

	check.case("across pcall, with an error after the wait", function()
		local ok, err = pcall(function()
			skynet.sleep(1)
			error "raised after the wait"
		end)
		check.equal(ok, false)
		check.ok(err:find("raised after the wait", 1, true), err)
	end)

	check.case("an error value that is a table stays one", function()
		local reason = { code = 7 }
		local ok, err = pcall(function()
			skynet.sleep(1)
			error(reason)
		end)
		check.equal(ok, false)
		check.ok(err == reason, "the very table")
	end)

	check.case("across xpcall, and the handler sees the traceback", function()
		local ok, trace = xpcall(function()
			skynet.sleep(1)
			error "raised in xpcall"
		end, debug.traceback)
		check.equal(ok, false)
		check.ok(trace:find("raised in xpcall", 1, true), trace)
		check.ok(trace:find("stack traceback", 1, true), trace)
		check.ok(trace:find("yield.lua", 1, true), trace)
	end)

	check.case("across pcall inside pcall", function()
		local outer_ok, inner_ok, value = pcall(pcall, ask, 5)
		check.equal({ outer_ok, inner_ok, value }, { true, true, 5 })
	end)

	check.case("in metamethods", function()
		local meta = {
			__index = function(_, key)
				return ask(key)
			end,
			__add = function()
				return ask "add"
			end,
			__call = function(_, value)
				return ask(value)
			end,
			__eq = function()
				return ask(true)
			end,
			__lt = function()
				return ask(true)
			end,
			__concat = function()
				return ask "concat"
			end,
			__len = function()
				return ask(42)
			end,
			__unm = function()
				return ask "minus"
			end,
		}
		local written
		meta.__newindex = function(_, key, value)
			written = ask(key .. value)
		end
		local a, b = setmetatable({}, meta), setmetatable({}, meta)
		check.equal(a.field, "field")
		check.equal(a + b, "add")
		check.equal(a(3), 3)
		check.equal(a == b, true)
		check.equal(a < b, true)
		check.equal(a .. b, "concat")
		check.equal(#a, 42)
		check.equal(-a, "minus")
		a.key = "!"
		check.equal(written, "key!")
	end)

	check.case("in a generic for's iterator", function()
		local function countdown(_, n)
			if n > 0 then
				return ask(n - 1)
			end
		end
		local got = {}
		for n in countdown, nil, 3 do
			got[#got + 1] = n
		end
		check.equal(got, { 2, 1, 0 })
	end)

	check.case("in __pairs", function()
		local view = setmetatable({}, {
			__pairs = function()
				return next, ask { shown = 1 }, nil
			end,
		})
		local got = {}
		for k, v in pairs(view) do
			got[k] = v
		end
		check.equal(got, { shown = 1 })
	end)

	check.case("in __close", function()
		local closed
		do
			local guard <close> = setmetatable({}, {
				__close = function()
					closed = ask "closed"
				end,
			})
			check.ok(guard)
		end
		check.equal(closed, "closed")
	end)

	check.case("in a tail call and in a vararg function", function()
		local function tail(...)
			return ask(...)
		end
		check.equal(table.pack(tail(1, nil, 3)), { 1, nil, 3, n = 3 })
	end)

	check.case("while a module is being required", function()
		check.equal(require("yielding_module").answer, "loaded after a wait")
		check.equal(require("yielding_module"), require "yielding_module")
	end)

	check.case("two requires of one module meanwhile load it once", function()
		local first, second
		skynet.fork(function()
			first = require "counting_module"
		end)
		skynet.fork(function()
			second = require "counting_module"
		end)
		check.await(function()
			return first and second
		end, "both requires")
		check.ok(first == second, "one module")
		check.equal(first.loads(), 1)
	end)

	check.case("deep recursion with a wait at its bottom", function()
		local function dig(n)
			if n == 0 then
				return ask "bottom"
			end
			return (dig(n - 1))
		end
		check.equal(dig(150), "bottom")
	end)

	check.case("a plain coroutine inside a service works as ever", function()
		local generator = coroutine.wrap(function()
			for i = 1, 3 do
				coroutine.yield(i)
			end
		end)
		check.equal({ generator(), generator(), generator() }, { 1, 2, 3 })
	end)
end)
