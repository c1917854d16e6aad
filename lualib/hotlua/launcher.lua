-- The service `.launcher`: what the console asks about services, and skynet's LIST, STAT, … for other services.
-- The console sends protocol "text": a line of words; the answer is text, in the form in which it is shown.

local skynet = require "skynet"
local core = require "skynet.core"

-- Hundredths of a second that one service may take to answer.
local PATIENCE = 300

local function services()
    local list = {}
    for handle, name in core.services():gmatch "(%x+)\t([^\n]*)\n" do
        list[#list + 1] = { handle = tonumber(handle, 16), name = "snlua " .. name }
    end
    return list
end

-- The keys of a table: numbers first, then texts, then the rest, each in its order.
local function sorted_keys(value)
    local rank = { number = 1, string = 2 }
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        local first, second = rank[type(a)] or 3, rank[type(b)] or 3
        if first ~= second then
            return first < second
        end
        if first == 3 then
            return tostring(a) < tostring(b)
        end
        return a < b
    end)
    return keys
end

-- One value as a line shows it: a table as `key:value` with tabs between.
local function show(value)
    if type(value) ~= "table" then
        return tostring(value)
    end
    local shown = {}
    for i, key in ipairs(sorted_keys(value)) do
        shown[i] = tostring(key) .. ":" .. tostring(value[key])
    end
    return table.concat(shown, "\t")
end

-- A value as a whole answer shows it: a table as lines of `key<TAB>value`.
local function show_lines(value)
    if type(value) ~= "table" then
        return value == nil and "" or tostring(value)
    end
    local lines = {}
    for i, key in ipairs(sorted_keys(value)) do
        lines[i] = tostring(key) .. "\t" .. show(value[key])
    end
    return table.concat(lines, "\n")
end

-- Asks every listed service at once; `format` makes the shown value. Whoever does not answer in time is said so.
local function ask_all(format, timeout_text, ...)
    local all = services()
    local asked = skynet.request()
    for _, service in ipairs(all) do
        asked:add { service.handle, "debug", ... }
    end
    local answers = {}
    for request, response in asked:select(PATIENCE) do
        answers[request[1]] = response or "ERROR"
    end
    local result = {}
    for _, service in ipairs(all) do
        local response = answers[service.handle]
        local address = skynet.address(service.handle)
        if response == nil then
            result[address] = timeout_text(service)
        elseif response == "ERROR" then
            result[address] = string.format("ERROR (%s)", service.name)
        else
            result[address] = format(response[1], service)
        end
    end
    return result
end

local function plain_timeout()
    return "TIMEOUT"
end

local function named_timeout(service)
    return string.format("TIMEOUT (%s)", service.name)
end

local function kilobytes(value, service)
    return string.format("%.2f Kb (%s)", value, service.name)
end

local function same(value)
    return value
end

local ask = {
    STAT = function() return ask_all(same, plain_timeout, "STAT") end,
    MEM = function() return ask_all(kilobytes, named_timeout, "MEM") end,
    GC = function() return ask_all(kilobytes, named_timeout, "GC") end,
}

-- Commands of other services, as skynet's launcher has them.
local command = setmetatable({}, { __index = ask })

function command.LIST()
    local list = {}
    for _, service in ipairs(services()) do
        list[skynet.address(service.handle)] = service.name
    end
    return list
end

function command.LAUNCH(kind, ...)
    assert(kind == "snlua", "only snlua services can be launched here")
    return skynet.newservice(...)
end

function command.KILL(handle)
    local address = skynet.address(handle)
    local name = command.LIST()[address]
    core.kill(handle)
    return { [address] = tostring(name) }
end

-- Commands of the console: each gets the rest of the line and returns text, or raises. Addresses come as `:0000000a`.
local desk = {}

for name, func in pairs(ask) do
    desk[name:lower()] = function()
        return show_lines(func())
    end
end

local function address_and_rest(line)
    local digits, rest = line:match "^:(%x+)%s*(.*)$"
    local handle = tonumber(digits or error("Need an address", 0), 16)
    return handle, rest
end

-- Asks one service; what goes wrong is raised without a place in this file, which tells nobody anything.
local function ask_one(handle, kind, ...)
    local results = table.pack(pcall(skynet.call, handle, kind, ...))
    if results[1] then
        return table.unpack(results, 2, results.n)
    end
    local why = tostring(results[2])
    error(why == "call failed" and why .. " (the log tells why)" or why, 0)
end

function desk.ping(line)
    local before = skynet.now()
    ask_one((address_and_rest(line)), skynet.PTYPE_DEBUG, "PING")
    return tostring(skynet.now() - before)
end

function desk.task(line)
    return show_lines(ask_one((address_and_rest(line)), skynet.PTYPE_DEBUG, "TASK"))
end

function desk.info(line)
    local handle, rest = address_and_rest(line)
    local words = {}
    for word in rest:gmatch "%S+" do
        words[#words + 1] = word
    end
    return show_lines(ask_one(handle, skynet.PTYPE_DEBUG, "INFO", table.unpack(words)))
end

desk["exit"] = function(line)
    local handle = address_and_rest(line)
    if not skynet.send(handle, "debug", "EXIT") then
        error("call to invalid address " .. skynet.address(handle), 0)
    end
    return ""
end

function desk.start(line)
    local name = line:match "^%S+" or error("start needs a service's name", 0)
    local ok, handle = pcall(skynet.newservice, line)
    if not ok then
        error(string.format("Failed: %s did not start: %s", name, tostring(handle)), 0)
    elseif not handle then
        error(string.format("Exit: %s ended in its start function", name), 0)
    end
    return skynet.address(handle) .. "\t" .. name
end

-- How many instructions the arguments of `call` may take: they are to be values, and must not keep the launcher from its work.
local LONGEST_ARGUMENTS = 1000000

-- What a list of Lua expressions stands for, packed.
local function evaluate(expressions)
    local chunk, why = load("return " .. expressions, "=arguments", "t", {})
    if not chunk then
        error("Invalid arguments: " .. why, 0)
    end
    debug.sethook(function() error("they take too long", 0) end, "", LONGEST_ARGUMENTS)
    local results = table.pack(pcall(chunk))
    debug.sethook()
    if not results[1] then
        error("Invalid arguments: " .. tostring(results[2]), 0)
    end
    return results
end

function desk.call(line)
    local handle, rest = address_and_rest(line)
    if rest == "" then
        error("need arguments", 0)
    end
    local arguments = evaluate(rest)
    return show_lines(table.pack(ask_one(handle, skynet.PTYPE_LUA, table.unpack(arguments, 2, arguments.n))))
end

function desk.getenv(line)
    local key = line:match "^%S+" or error("getenv needs a key", 0)
    return key .. "\t" .. (skynet.getenv(key) or "nil")
end

function desk.setenv(line)
    local key, value = line:match "^(%S+)%s+(.+)$"
    if not key then
        error("setenv needs a key and a value", 0)
    end
    skynet.setenv(key, value)
    return ""
end

function desk.clearcache()
    core.clearcache()
    return ""
end

function desk.service()
    return show_lines(skynet.call(".service", "lua", "LIST"))
end

skynet.start(function()
    core.name(".launcher", skynet.self())
    skynet.dispatch("lua", function(session, _, name, ...)
        local func = command[type(name) == "string" and name:upper() or name]
        if session == 0 then
            return func and func(...)
        end
        skynet.retpack(func and func(...) or { "Unknown command" })
    end)
    skynet.register_protocol {
        name = "text",
        id = skynet.PTYPE_TEXT,
        pack = function(text) return text end,
        unpack = skynet.tostring,
        -- The first byte of the answer tells whether it is an error.
        dispatch = function(_, _, line)
            local name, rest = line:match "^(%S+)%s*(.*)$"
            local func = desk[name] or function() error("the launcher knows no command " .. tostring(name), 0) end
            local ok, text = pcall(func, rest)
            skynet.ret((ok and "+" or "-") .. tostring(text))
        end,
    }
end)
