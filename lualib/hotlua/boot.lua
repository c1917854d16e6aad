-- Runs first in every VM: `require` that may wait, and the frame around a service's script and start function.
-- Gets skynet.core.

local core = ...
local skynet = core.skynet
local running, traceback = core.running, core.traceback
local loaded = core.modules

-- Modules that are being loaded: name → { owner = who loads it, tokens of those who wait for it }.
local loading = {}
-- Coroutine → functions given to skynet.init by the module (or script) that it loads just now.
local init_lists = {}

-- Lets the probe at the end of a file find the function it calls; the file takes it away with its first instruction.
local function arm(keep)
    if keep then
        rawset(_G, "__hotlua_keep", keep)
    end
end

local function find_loader(name)
    local tried = ""
    for _, searcher in ipairs(core.searchers()) do
        local loader, extra, keep = searcher(name)
        if type(loader) == "function" then
            return loader, extra, keep
        end
        if type(loader) == "string" then
            tried = tried .. loader:gsub("^%s*", "\n\t", 1)
        end
    end
    error("module '" .. name .. "' not found:" .. tried, 3)
end

local function load_module(name, co)
    local loader, extra, keep = find_loader(name)
    local outer = init_lists[co]
    local inits = {}
    init_lists[co] = inits
    arm(keep)
    local ok, result = xpcall(loader, traceback, name, extra)
    init_lists[co] = outer
    if not ok then
        error("error loading module '" .. name .. "':\n\t" .. tostring(result), 3)
    end
    if result ~= nil then
        loaded[name] = result
    elseif loaded[name] == nil then
        loaded[name] = true
    end
    for _, init in ipairs(inits) do
        init()
    end
    return loaded[name], extra
end

function require(name)
    local value = loaded[name]
    if value ~= nil then
        return value
    end
    local co = running()
    local entry = loading[name]
    if entry then
        if entry.owner == co then
            error("module '" .. name .. "' is being loaded already: a circle of requires", 2)
        end
        -- Somebody else loads it and waits for something meanwhile.
        local session = skynet.genid()
        entry[#entry + 1] = session
        core.suspend(session, session)
        return require(name)
    end
    entry = { owner = co }
    loading[name] = entry
    local ok, result, extra = pcall(load_module, name, co)
    loading[name] = nil
    local wakeups = core.wakeups
    for _, token in ipairs(entry) do
        wakeups.t = wakeups.t + 1
        wakeups[wakeups.t] = token
        core.stir()
    end
    if not ok then
        error(result, 0)
    end
    return result, extra
end

core.require = require

local function run_script(preload, preload_label, preload_keep, main, label, keep, ...)
    if preload then
        arm(preload_keep)
        preload(preload_label)
    end
    arm(keep)
    main(...)
end

-- After a restart in place: gives the service the state that it had before, if it wants it.
local function take_over()
    local restore = core.hooks.restore
    if restore and core.has_state() then
        restore(core.take_state())
    end
end

-- Runs the script of the service, after the file that every service runs first; a failure is logged and told to whoever launched it.
function core.hooks.script(...)
    local co = running()
    init_lists[co] = {}
    local ok, why = xpcall(run_script, traceback, ...)
    core.script_inits = init_lists[co]
    init_lists[co] = nil
    if not ok then
        skynet.error("lua loader error : " .. tostring(why))
        return core.failed(why)
    end
    if core.loaded() then
        return
    end
    -- It has no start function.
    ok, why = xpcall(take_over, traceback)
    if not ok then
        skynet.error("restore failed: " .. tostring(why))
        return core.failed(why)
    end
    core.started()
end

-- Runs `func` before the start function if a module or a script that is being loaded asks for it, else at once.
function skynet.init(func)
    local inits = init_lists[running()]
    if inits then
        inits[#inits + 1] = func
    else
        func()
    end
end

local function prepare(start)
    for _, init in ipairs(core.script_inits or {}) do
        init()
    end
    core.script_inits = nil
    start()
    take_over()
end

function skynet.init_service(start)
    core.start_thread = running()
    local ok, why = xpcall(prepare, traceback, start)
    core.start_thread = nil
    if ok then
        core.started()
    else
        skynet.error("init service failed: " .. tostring(why))
        core.failed(why)
        skynet.exit()
    end
end
