-- The library of every service. What happens with each message is done in Rust (see the scheduler); the policy stands here.

local core = require "skynet.core"

local running = coroutine.running
local assert, error, type, tostring, select = assert, error, type, tostring, select
local traceback = debug.traceback

local proto = core.proto
local session_id_coroutine = core.sessions
local sleep_session = core.sleeping
local fork_queue = core.forks
local wakeup_queue = core.wakeups
local init_lists = core.init_lists
local hooks = core.hooks

local skynet = {
    PTYPE_TEXT = 0,
    PTYPE_RESPONSE = 1,
    PTYPE_MULTICAST = 2,
    PTYPE_CLIENT = 3,
    PTYPE_SYSTEM = 4,
    PTYPE_HARBOR = 5,
    PTYPE_SOCKET = 6,
    PTYPE_ERROR = 7,
    PTYPE_QUEUE = 8,
    PTYPE_DEBUG = 9,
    PTYPE_LUA = 10,
    PTYPE_SNAX = 11,
    PTYPE_TRACE = 12,
}

skynet.pack = core.pack
skynet.packstring = core.packstring
skynet.unpack = core.unpack
skynet.tostring = core.tostring
skynet.trash = core.trash
skynet.genid = core.session
skynet.self = core.address
skynet.now = core.now
skynet.starttime = core.starttime
skynet.hpc = core.hpc
skynet.error = core.log
skynet.abort = core.abort
skynet.exit = core.exit
skynet.ret = core.ret
skynet.retpack = core.retpack
skynet.context = core.context
skynet.ignoreret = core.ignoreret
skynet.stat = core.stat
skynet.getenv = core.getenv

-- Protocols ---------------------------------------------------------------------------------------------------------------------

function skynet.register_protocol(class)
    local name, id = class.name, class.id
    assert(proto[name] == nil and proto[id] == nil)
    assert(type(name) == "string" and type(id) == "number" and id >= 0 and id <= 255)
    proto[name] = class
    proto[id] = class
end

function skynet.dispatch(typename, func)
    local p = proto[typename]
    if func then
        local previous = p.dispatch
        p.dispatch = func
        return previous
    end
    return p and p.dispatch
end

local function name_of_kind(kind)
    local p = proto[kind]
    return p and p.name or kind
end

local function unknown_request(_, address, msg, sz, name)
    core.log(string.format("Unknown request (%s): %s", name, core.tostring(msg, sz)))
    error(string.format("Unknown session : %d from %x", 0, address))
end

local function unknown_response(session, address, msg, sz)
    core.log(string.format("Response message : %s", core.tostring(msg, sz)))
    error(string.format("Unknown session : %d from %x", session, address))
end

function hooks.unknown_request(session, address, msg, sz, kind)
    return unknown_request(session, address, msg, sz, name_of_kind(kind))
end

function hooks.unknown_response(session, address, msg, sz)
    return unknown_response(session, address, msg, sz)
end

function skynet.dispatch_unknown_request(unknown)
    local previous = unknown_request
    unknown_request = unknown
    return previous
end

function skynet.dispatch_unknown_response(unknown)
    local previous = unknown_response
    unknown_response = unknown
    return previous
end

-- Messages ----------------------------------------------------------------------------------------------------------------------

local standard_pack = core.pack

function skynet.send(addr, typename, ...)
    local p = proto[typename]
    if p.pack == standard_pack then
        return core.send(addr, p.id, ...)
    end
    return core.rawsend(addr, p.id, p.pack(...))
end

function skynet.rawsend(addr, typename, msg, sz)
    return core.rawsend(addr, proto[typename].id, msg, sz)
end

function skynet.call(addr, typename, ...)
    local p = proto[typename]
    if p.pack == standard_pack and p.unpack == core.unpack then
        return core.call(addr, p.id, ...)
    end
    return p.unpack(core.rawcall(addr, p.id, p.pack(...)))
end

function skynet.rawcall(addr, typename, msg, sz)
    return core.rawcall(addr, proto[typename].id, msg, sz)
end

function skynet.redirect(dest, source, typename, session, msg, sz)
    return core.redirect(dest, source, proto[typename].id, session, msg, sz)
end

function skynet.response(pack)
    pack = pack or standard_pack
    local session, source = core.defer()
    if session == 0 then
        -- Nobody waits for the answer to a `send`.
        return function() end
    end
    return function(ok, ...)
        if ok == "TEST" then
            return session ~= nil and core.alive(session, source)
        end
        if not session then
            error("Can't response more than once", 2)
        end
        local answered = session
        session = nil
        if ok then
            return core.answer(answered, source, true, pack(...))
        end
        return core.answer(answered, source, false)
    end
end

function skynet.request(request)
    return require "skynet.request" (request)
end

-- Coroutines and time -----------------------------------------------------------------------------------------------------------

function skynet.fork(func, ...)
    local co = core.coroutine(func, ...)
    local tail = fork_queue.t + 1
    fork_queue.t = tail
    fork_queue[tail] = co
    core.stir()
    return co
end

function skynet.timeout(ti, func)
    local session = core.timer(ti)
    assert(session)
    local co = core.coroutine(func)
    session_id_coroutine[session] = co
    return co
end

local function check_token(token)
    if sleep_session[token] ~= nil then
        error("token duplicative", 3)
    end
    return token
end

function skynet.sleep(ti, token)
    token = check_token(token or running())
    core.may_wait()
    if core.suspend(core.timer(ti), token) then
        return "BREAK"
    end
end

function skynet.yield()
    return skynet.sleep(0)
end

function skynet.wait(token)
    core.suspend(core.session(), check_token(token or running()))
end

function skynet.wakeup(token)
    if sleep_session[token] then
        local tail = wakeup_queue.t + 1
        wakeup_queue.t = tail
        wakeup_queue[tail] = token
        core.stir()
        return true
    end
end

function skynet.time()
    return skynet.now() / 100 + skynet.starttime()
end

-- Services ----------------------------------------------------------------------------------------------------------------------

function skynet.init(func)
    local inits = init_lists[running()]
    if inits then
        inits[#inits + 1] = func
    else
        func()
    end
end

local start_thread

function skynet.init_service(start)
    start_thread = running()
    local ok, why = xpcall(function()
        for _, init in ipairs(core.script_inits or {}) do
            init()
        end
        core.script_inits = nil
        start()
        core.take_over()
    end, traceback)
    start_thread = nil
    if ok then
        core.started()
    else
        core.log("init service failed: " .. tostring(why))
        core.failed(why)
        core.exit()
    end
end

-- Where the start function is, while it runs.
function hooks.start_place()
    return start_thread and traceback(start_thread)
end

function skynet.start(start)
    core.has_start = true
    core.starting()
    skynet.timeout(0, function()
        skynet.init_service(start)
    end)
end

skynet.newservice = core.newservice

function skynet.address(addr)
    if type(addr) == "number" then
        return string.format(":%08x", addr)
    end
    return tostring(addr)
end

function skynet.localname(name)
    return core.find(name)
end

function skynet.harbor()
    return 0, false
end

function skynet.setenv(key, value)
    if not core.setenv(key, value) then
        error("Can't setenv exist key : " .. tostring(key), 2)
    end
end

function skynet.mqlen()
    return core.stat "mqlen"
end

-- Calls `func` when the node is told to stop; the node waits for it a while.
local stop_functions = {}

function skynet.on_stop(func)
    stop_functions[#stop_functions + 1] = func
end

function hooks.stop()
    for _, func in ipairs(stop_functions) do
        local ok, why = xpcall(func, traceback)
        if not ok then
            core.log("error while stopping: " .. tostring(why))
        end
    end
    core.exit()
end

function skynet.uniqueservice(global, ...)
    if global == true then
        return skynet.call(".service", "lua", "GLAUNCH", ...)
    end
    return skynet.call(".service", "lua", "LAUNCH", global, ...)
end

function skynet.queryservice(global, ...)
    if global == true then
        return skynet.call(".service", "lua", "GQUERY", ...)
    end
    return skynet.call(".service", "lua", "QUERY", global, ...)
end

-- Diagnosis ---------------------------------------------------------------------------------------------------------------------

-- Without argument the number of coroutines that wait; with a table their tracebacks by coroutine; with a session its traceback;
-- with a coroutine its session; with "init" the traceback of the start function.
function skynet.task(ret)
    if type(ret) == "thread" then
        for session, co in pairs(session_id_coroutine) do
            if co == ret then
                return session
            end
        end
    elseif ret == "init" then
        return start_thread and traceback(start_thread)
    elseif type(ret) == "table" then
        for session, co in pairs(session_id_coroutine) do
            ret[string.format("%s session: %d", tostring(co), session)] = traceback(co)
        end
    elseif ret == nil then
        local count = 0
        for _ in pairs(session_id_coroutine) do
            count = count + 1
        end
        return count
    else
        local co = session_id_coroutine[ret]
        return co and traceback(co) or "No session"
    end
end

local info_func

function skynet.info_func(func)
    info_func = func
end

-- What the debug command INFO answers.
function core.info(...)
    if info_func then
        return info_func(...)
    end
end

skynet.pcall = pcall

skynet.register_protocol {
    name = "lua",
    id = skynet.PTYPE_LUA,
    pack = skynet.pack,
    unpack = skynet.unpack,
}

skynet.register_protocol {
    name = "response",
    id = skynet.PTYPE_RESPONSE,
}

skynet.register_protocol {
    name = "error",
    id = skynet.PTYPE_ERROR,
    unpack = function(...) return ... end,
}

skynet.register_protocol {
    name = "debug",
    id = skynet.PTYPE_DEBUG,
    pack = skynet.pack,
    unpack = skynet.unpack,
    dispatch = function(session, source, ...)
        return require "skynet.debug".dispatch(session, source, ...)
    end,
}

-- The names that a patch written for skynet's inject finds in `_U`.
local function framework()
    return {
        proto = proto,
        skynet = skynet,
        fork_queue = fork_queue,
        wakeup_queue = wakeup_queue,
        session_id_coroutine = session_id_coroutine,
        sleep_session = sleep_session,
    }
end

function hooks.framework()
    return framework()
end

return skynet
