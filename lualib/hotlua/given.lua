-- What a patch written for skynet's inject finds besides the service's own names: `_P`, the tables that each protocol's dispatch
-- function reaches through its upvalues, by name; and `_U`, the library's own.
-- Gets the table skynet.core, returns _P, _U.

local core = ...

local function collect_upvalues(func, found, seen)
    if seen[func] then
        return
    end
    seen[func] = true
    local i = 1
    while true do
        local name, value = debug.getupvalue(func, i)
        if name == nil then
            return
        end
        if type(value) == "table" then
            if found[name] == nil and name ~= "" and name ~= "_ENV" then
                found[name] = value
            end
        elseif type(value) == "function" then
            collect_upvalues(value, found, seen)
        end
        i = i + 1
    end
end

local per_protocol = {}
for name, protocol in pairs(core.proto) do
    local dispatch = type(name) == "string" and protocol.dispatch
    if type(dispatch) == "function" then
        local found = {}
        collect_upvalues(dispatch, found, {})
        per_protocol[name] = found
    end
end

local framework = {
    proto = core.proto,
    skynet = core.skynet,
    fork_queue = core.forks,
    wakeup_queue = core.wakeups,
    session_id_coroutine = core.sessions,
    sleep_session = core.sleeping,
}

return per_protocol, framework
