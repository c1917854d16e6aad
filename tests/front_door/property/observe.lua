-- What the property test asks of a service, in its own VM: its state as a value, a state put into a fresh instance, and what its
-- functions answer. `M` is the service's table; what its factories made is kept in the global list `KEPT`.
local observe = {}

local function sorted(t)
	local keys = {}
	for key in pairs(t) do
		keys[#keys + 1] = tostring(key)
	end
	table.sort(keys)
	return keys
end

-- What a factory makes, by keys that mean the same in every version.
local function functions_of(made, prefix, into)
	if type(made) == "function" then
		into[prefix .. "one"] = made
	else
		for key, value in pairs(made) do
			into[prefix .. tostring(key)] = value
		end
	end
	return into
end

local function build(M, name, argument)
	local made = M[name](argument)
	local functions = {}
	if name:find "^mm_" then
		functions.f = made
		functions_of(made(10), "g1.", functions)
		functions_of(made(20), "g2.", functions)
	else
		functions_of(made, "", functions)
	end
	return { name = name, argument = argument, functions = functions }
end

-- Calls `visit(name, place, get, set)` for every variable of a factory that a function, or a helper that it holds, has.
local function variables(f, place, visit, seen)
	if seen[f] then
		return
	end
	seen[f] = true
	local i = 1
	while true do
		local name, value = debug.getupvalue(f, i)
		if not name then
			return
		end
		if name:find "^in_" and type(value) == "function" then
			variables(value, place, visit, seen)
		elseif name:find "^uo_" then
			visit(f, i, name, value, "")
		elseif name:find "^ui_" then
			visit(f, i, name, value, place)
		end
		i = i + 1
	end
end

local function each_variable(entry, visit)
	for _, key in ipairs(sorted(entry.functions)) do
		variables(entry.functions[key], key:match "^(g%d)%." or key, visit, {})
	end
end

local function data_of(t)
	local data = {}
	for key, value in pairs(t) do
		if type(value) ~= "function" then
			data[key] = value
		end
	end
	return data
end

local function each_cell(M, visit)
	for _, name in ipairs(sorted(M)) do
		if name:find "^d_" then
			local i = 1
			while true do
				local upvalue, value = debug.getupvalue(M[name], i)
				if not upvalue then
					break
				end
				if upvalue:find "^cell_" then
					visit(name, i, upvalue, value)
				end
				i = i + 1
			end
		end
	end
end

-- The state: variables of the file, data of tables, variables of blocks, and what each factory's closures have.
function observe.get(M)
	local state = { file = {}, tables = {}, cells = {}, kept = {} }
	for name, value in pairs(M.__get()) do
		state.file[name] = type(value) == "table" and data_of(value) or value
	end
	for name, value in pairs(M) do
		if type(value) == "table" then
			state.tables[name] = data_of(value)
		end
	end
	each_cell(M, function(name, _, upvalue, value)
		state.cells[name .. "/" .. upvalue] = value
	end)
	for i, entry in ipairs(KEPT) do
		local found = { name = entry.name, argument = entry.argument, variables = {} }
		each_variable(entry, function(_, _, name, value, place)
			found.variables[place .. "/" .. name] = value
		end)
		state.kept["k" .. i] = found
	end
	return state
end

-- Gives variables of the file, data of tables and variables of blocks their values.
local function set_file(M, state)
	M.__set(state.file)
	for name, data in pairs(state.tables) do
		for key, value in pairs(data) do
			if M[name] then
				M[name][key] = value
			end
		end
	end
	each_cell(M, function(name, upvalue, cell)
		local value = state.cells[name .. "/" .. cell]
		if value ~= nil then
			debug.setupvalue(M[name], upvalue, value)
		end
	end)
end

-- Gives a fresh instance that state.
function observe.set(M, state)
	-- Making what was kept again may touch what has only just begun.
	local beginning = observe.get(M)
	local i = 1
	while state.kept["k" .. i] do
		local was = state.kept["k" .. i]
		local entry = { name = was.name, argument = was.argument, functions = {} }
		if M[was.name] then
			entry = build(M, was.name, was.argument)
			each_variable(entry, function(f, upvalue, name, _, place)
				local value = was.variables[place .. "/" .. name]
				if value ~= nil then
					debug.setupvalue(f, upvalue, value)
				end
			end)
		end
		KEPT[i] = entry
		i = i + 1
	end
	set_file(M, beginning)
	set_file(M, state)
end

-- What can be called: functions of `M`, and each kept one.
function observe.names(M)
	local names = { M = {}, kept = {} }
	for name, value in pairs(M) do
		if type(value) == "function" and not name:find "^__" then
			names.M[name] = true
		end
	end
	for i, entry in ipairs(KEPT) do
		for key in pairs(entry.functions) do
			names.kept[("k%03d/%s"):format(i, key)] = true
		end
	end
	return names
end

-- What a version no longer makes is nobody's any more, even if a later version makes it again.
function observe.forget(M, names)
	for _, name in ipairs(names) do
		local i, key = name:match "^k(%d+)/(.*)$"
		KEPT[tonumber(i)].functions[key] = nil
	end
end

local function answer(f, ...)
	local good, value = pcall(f, ...)
	if good and (type(value) == "function" or type(value) == "table") then
		local said = {}
		local made = functions_of(value, "", {})
		for _, key in ipairs(sorted(made)) do
			said[#said + 1] = key .. ":" .. answer(made[key], 1) .. answer(made[key], 2)
		end
		return table.concat(said, ";")
	end
	return (good and "" or "error ") .. tostring(value):gsub("^[^ ]*:%d+: ", "")
end

-- Calls everything that is named, in order, and gives what came of it.
function observe.probe(M, names)
	local said = { "handler " .. tostring(TAG) }
	for _, name in ipairs(names.M) do
		local f = M[name]
		if name:find "^m_" then
			f = function(...)
				return M[name](M, ...)
			end
		elseif name:find "^mm_" then
			f = function(...)
				return M[name](...)(4)
			end
		end
		for i, arguments in ipairs { { 1 }, { 7, "x" }, { 3, 4, 5 } } do
			said[#said + 1] = name .. "#" .. i .. " = " .. answer(f, table.unpack(arguments))
		end
	end
	for _, name in ipairs(names.kept) do
		local i, key = name:match "^k(%d+)/(.*)$"
		local entry = KEPT[tonumber(i)]
		for n = 1, 2 do
			said[#said + 1] = entry.name .. " " .. name .. "#" .. n .. " = " .. answer(entry.functions[key], n, "z")
		end
	end
	return said
end

-- Calls some functions and keeps what some factories make, as `seed` wants.
function observe.play(M, seed)
	local function random(n)
		seed = (seed * 1103515245 + 12345) % 2147483648
		return seed // 65536 % n + 1
	end
	local names = sorted(observe.names(M).M)
	for _ = 1, #names > 0 and 12 or 0 do
		local name = names[random(#names)]
		if name:find "^mm?k?_" and not name:find "^m_" then
			if #KEPT < 12 then
				KEPT[#KEPT + 1] = build(M, name, random(50))
			end
		elseif name:find "^m_" then
			answer(M[name], M, random(9))
		else
			answer(M[name], random(9), "p")
		end
	end
	for _, entry in ipairs(KEPT) do
		for _, key in ipairs(sorted(entry.functions)) do
			if random(2) == 1 then
				answer(entry.functions[key], random(9))
			end
		end
	end
end

return observe
