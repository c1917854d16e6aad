---@meta skynet.manager

-- `require "skynet.manager"` adds these to the table of `skynet`, and returns it.

---@class skynet
local skynet = {}

---Gives this service a name: `.db` within the node.
---@param name string
function skynet.register(name) end

---Gives a service a name.
---@param name string
---@param handle integer
function skynet.name(name, handle) end

---Ends a service at once; whoever waits for its answer gets an error.
---@param service skynet.address
function skynet.kill(service) end

---Starts a service without waiting for its start function.
---@param kind "snlua"
---@param ... string|number script and arguments
---@return integer? handle
function skynet.launch(kind, ...) end

return skynet
