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

-- One value as a line shows it: nested tables as `key:value` with tabs between.
local function show(value)
    if type(value) ~= "table" then
        return tostring(value)
    end
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then
            return a < b
        end
        return tostring(a) < tostring(b)
    end)
    for i, key in ipairs(keys) do
        keys[i] = string.format("%s:%s", tostring(key), tostring(value[key]))
    end
    return table.concat(keys, "\t")
end

local function show_lines(value)
    if type(value) ~= "table" then
        return value == nil and "" or tostring(value)
    end
    local lines = {}
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        if type(a) == "number" and type(b) == "number" then
            return a < b
        end
        return tostring(a) < tostring(b)
    end)
    for _, key in ipairs(keys) do
        lines[#lines + 1] = tostring(key) .. "\t" .. show(value[key])
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

-- Commands of the console: each gets the rest of the line and returns text, or raises.
local desk = {}

for name, func in pairs(ask) do
    desk[name:lower()] = function()
        return show_lines(func())
    end
end

-- The first word of a line is an address; the rest is returned with it.
local function address_and_rest(line)
    local word, rest = line:match "^(%S+)%s*(.*)$"
    if not word then
        error("Need an address", 0)
    end
    if word:sub(1, 1) == "." then
        return core.find(word) or error("Not a valid name", 0), rest
    end
    local digits = word:match "^:?(%x+)$"
    local handle = digits and tonumber(digits, 16)
    if not handle or handle == 0 or handle > 0xffffffff then
        error("Need an address", 0)
    end
    return handle, rest
end

function desk.ping(line)
    local handle = address_and_rest(line)
    local before = skynet.now()
    skynet.call(handle, "debug", "PING")
    return tostring(skynet.now() - before)
end

function desk.task(line)
    local handle = address_and_rest(line)
    return show_lines(skynet.call(handle, "debug", "TASK"))
end

function desk.info(line)
    local handle, rest = address_and_rest(line)
    local words = {}
    for word in rest:gmatch "%S+" do
        words[#words + 1] = word
    end
    return show_lines(skynet.call(handle, "debug", "INFO", table.unpack(words)))
end

desk["exit"] = function(line)
    local handle = address_and_rest(line)
    if not core.alive(0, handle) then
        error("call to invalid address " .. skynet.address(handle), 0)
    end
    skynet.send(handle, "debug", "EXIT")
    return ""
end

function desk.start(line)
    if not line:find "%S" then
        error("start needs a service's name", 0)
    end
    local handle = skynet.newservice(line)
    if not handle then
        error("Exit: the service ended in its start function", 0)
    end
    return skynet.address(handle) .. "\t" .. line
end

function desk.call(line)
    local handle, rest = address_and_rest(line)
    if rest == "" then
        error("need arguments", 0)
    end
    local arguments, why = load("return " .. rest, "=arguments", "t", {})
    if not arguments then
        error("Invalid arguments: " .. why, 0)
    end
    local packed = table.pack(pcall(arguments))
    if not packed[1] then
        error("Invalid arguments: " .. tostring(packed[2]), 0)
    end
    local results = table.pack(skynet.call(handle, "lua", table.unpack(packed, 2, packed.n)))
    return show_lines(results)
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
            local ok, text = pcall(desk[name], rest)
            skynet.ret((ok and "+" or "-") .. tostring(text))
        end,
    }
end)
