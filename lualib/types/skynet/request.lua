---@meta skynet.request

---Several calls at once: `for request, response in skynet.request { … }:select(timeout) do … end`.
---@class skynet.request
---@field timeout? boolean the time was over
---@operator call(table): skynet.request
local request = {}

---Adds a call.
---@param added table `{ address, typename, … }`
---@return skynet.request
function request:add(added) end

---Makes the calls, and gives each with its answer as it comes: a list of values, false after an error, nil if nobody lives there.
---@param timeout? integer hundredths of a second
---@return fun(): table?, table|false|nil
function request:select(timeout) end

---Ends it before all answers have come.
function request:close() end

---@param first? table
---@return skynet.request
local function new(first) end

return new
