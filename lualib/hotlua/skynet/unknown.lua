-- A part of `skynet`: what becomes of messages that nobody expects.

local core = ...
local skynet, hooks = core.skynet, core.hooks

local function unknown_request(_, address, msg, sz, name)
    skynet.error(string.format("Unknown request (%s): %s", name, skynet.tostring(msg, sz)))
    error(string.format("Unknown session : %d from %x", 0, address))
end

local function unknown_response(session, address, msg, sz)
    skynet.error(string.format("Response message : %s", skynet.tostring(msg, sz)))
    error(string.format("Unknown session : %d from %x", session, address))
end

function hooks.unknown_request(session, address, msg, sz, kind)
    local p = core.proto[kind]
    return unknown_request(session, address, msg, sz, p and p.name or kind)
end

function hooks.unknown_response(session, address, msg, sz)
    return unknown_response(session, address, msg, sz)
end

local part = {}

function part.dispatch_unknown_request(unknown)
    local previous = unknown_request
    unknown_request = unknown
    return previous
end

function part.dispatch_unknown_response(unknown)
    local previous = unknown_response
    unknown_response = unknown
    return previous
end

return part
