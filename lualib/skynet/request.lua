-- Several calls at once: `for req, resp in skynet.request { addr, type, ... } :select(timeout) do`.

local skynet = require "skynet"

local request = {}
request.__index = request
request.__call = function(self, added)
    return self:add(added)
end

local function new(first)
    local self = setmetatable({ _requests = {} }, request)
    if first then
        self:add(first)
    end
    return self
end

function request:add(added)
    assert(type(added) == "table" and added[1] ~= nil and added[2] ~= nil, "a request is { address, type, ... }")
    self._requests[#self._requests + 1] = added
    return self
end

-- Takes what there is: the next answered request and its answer, nil when all are through or the time is over.
local function next_answer(self)
    while not self._closed do
        local answer = table.remove(self._answers, 1)
        if answer then
            return answer.request, answer.response
        end
        if self._pending == 0 or self.timeout then
            return nil
        end
        self._waiting = coroutine.running()
        skynet.wait(self._waiting)
        self._waiting = nil
    end
end

local function wake(self)
    if self._waiting then
        skynet.wakeup(self._waiting)
    end
end

local function run(self, one)
    local results = table.pack(pcall(skynet.call, table.unpack(one, 1, one.n or #one)))
    if self._closed then
        return
    end
    self._pending = self._pending - 1
    local response = false
    if results[1] then
        response = table.pack(table.unpack(results, 2, results.n))
    elseif tostring(results[2]):find("call to invalid address", 1, true) then
        response = nil
    end
    table.insert(self._answers, { request = one, response = response })
    wake(self)
end

local function close(self)
    self._closed = true
    wake(self)
end

function request:select(timeout)
    assert(self._answers == nil, "select is called once")
    self._answers = {}
    self._pending = #self._requests
    for _, one in ipairs(self._requests) do
        skynet.fork(run, self, one)
    end
    if timeout then
        skynet.timeout(timeout, function()
            if not self._closed and self._pending > 0 then
                self.timeout = true
                wake(self)
            end
        end)
    end
    return next_answer, self, nil, setmetatable({}, { __close = function() close(self) end })
end

function request:close()
    if self._answers then
        close(self)
    end
end
request.__close = request.close

return new
