---@meta skynet.debug

---What the console asks a service.
---@class skynet.debug
local debug = {}

---Adds a command to those that a service answers.
---@param name string
---@param func fun(...: any)
function debug.reg_debugcmd(name, func) end

---Handles a message of the console's; the library does that.
---@param session integer
---@param source integer
---@param command string
---@param ... any
function debug.dispatch(session, source, command, ...) end

return debug
