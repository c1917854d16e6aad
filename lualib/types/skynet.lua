---@meta skynet

-- What a service may call, for editors that read LuaLS annotations. It is never run.

---The actor library: messages, coroutines, time, services.
---@class skynet
---@field PTYPE_TEXT integer
---@field PTYPE_RESPONSE integer
---@field PTYPE_MULTICAST integer
---@field PTYPE_CLIENT integer
---@field PTYPE_SYSTEM integer
---@field PTYPE_HARBOR integer
---@field PTYPE_SOCKET integer
---@field PTYPE_ERROR integer
---@field PTYPE_QUEUE integer
---@field PTYPE_DEBUG integer
---@field PTYPE_LUA integer
---@field PTYPE_SNAX integer
---@field PTYPE_TRACE integer
local skynet = {}

---A service's address: its handle, or a name as `.db`.
---@alias skynet.address integer|string

---The name of a message's kind: `"lua"`, or one that was registered.
---@alias skynet.typename string|integer

---How messages of one kind are packed, unpacked and handled.
---@class skynet.protocol
---@field name string
---@field id integer
---@field pack? fun(...: any): any, integer?
---@field unpack? fun(msg: lightuserdata, sz: integer): ...
---@field dispatch? fun(session: integer, source: integer, ...: any)

-- Services ------------------------------------------------------------------------------------------------

---Gives the service its start function, which runs once the script has been read. Call it once, at the end.
---@param start fun()
function skynet.start(start) end

---Runs a function before the start function: what a module has to do at its start.
---@param func fun()
function skynet.init(func) end

---Runs a start function; `skynet.start` does that.
---@param start fun()
function skynet.init_service(start) end

---Starts a service and waits until its start function has returned. Raises if that fails.
---@param name string its script, as `"agent"` or `"game/agent"`
---@param ... string|number its arguments
---@return integer handle
function skynet.newservice(name, ...) end

---The one service of this name, started if it does not run yet.
---@param global string|boolean the name; `true` stands before it for what the whole network would share
---@param ... string|number
---@return integer handle
function skynet.uniqueservice(global, ...) end

---The one service of this name; waits until somebody has started it.
---@param global string|boolean
---@param ... string|number
---@return integer handle
function skynet.queryservice(global, ...) end

---Ends this service.
function skynet.exit() end

---Stops the node, in order.
---@param code? integer|boolean its exit code
function skynet.abort(code) end

---Calls a function when the node is told to stop; each service has five seconds for all of them.
---@param func fun()
function skynet.on_stop(func) end

---This service's handle.
---@return integer handle
function skynet.self() end

---A handle as the log shows it: `:0000000a`.
---@param addr skynet.address
---@return string
function skynet.address(addr) end

---The handle behind a name as `.db`; nil if nobody has it.
---@param name string
---@return integer? handle
function skynet.localname(name) end

---The node's number in a network, which is 0, and whether an address is of another node, which is false.
---@return integer, boolean
function skynet.harbor() end

-- Messages ------------------------------------------------------------------------------------------------

---Sets who handles messages of a kind, or tells it.
---@param typename skynet.typename
---@param func? fun(session: integer, source: integer, ...: any)
---@return function? previous
function skynet.dispatch(typename, func) end

---Sends a message and does not wait.
---@param addr skynet.address
---@param typename skynet.typename
---@param ... any
---@return integer? session nil if nobody lives there
function skynet.send(addr, typename, ...) end

---Sends a message and waits for the answer. Raises if there is none.
---@param addr skynet.address
---@param typename skynet.typename
---@param ... any
---@return any ...
function skynet.call(addr, typename, ...) end

---Answers the message that is handled, with values.
---@param ... any
---@return boolean? sent
function skynet.retpack(...) end

---Answers the message that is handled, with what is packed already.
---@param msg? lightuserdata|string
---@param sz? integer
---@return boolean? sent
function skynet.ret(msg, sz) end

---Says that the message that is handled gets no answer.
function skynet.ignoreret() end

---A function that answers the message that is handled later: `(true, …)`, or `(false)` for an error; `("TEST")` tells whether anybody still waits.
---@param pack? fun(...: any): any, integer?
---@return fun(ok: boolean|"TEST", ...: any): boolean?
function skynet.response(pack) end

---Session and source of the message that is handled.
---@return integer session, integer source
function skynet.context() end

---Several calls at once.
---@param request? table `{ address, typename, … }`
---@return skynet.request
function skynet.request(request) end

---Sends packed bytes.
---@param addr skynet.address
---@param typename skynet.typename
---@param msg lightuserdata|string
---@param sz? integer
---@return integer? session
function skynet.rawsend(addr, typename, msg, sz) end

---Sends packed bytes and waits for packed bytes.
---@param addr skynet.address
---@param typename skynet.typename
---@param msg lightuserdata|string
---@param sz? integer
---@return lightuserdata msg, integer sz
function skynet.rawcall(addr, typename, msg, sz) end

---Sends packed bytes in the name of another service.
---@param dest skynet.address
---@param source integer
---@param typename skynet.typename
---@param session integer
---@param msg lightuserdata|string
---@param sz? integer
function skynet.redirect(dest, source, typename, session, msg, sz) end

---A new session number.
---@return integer
function skynet.genid() end

---Makes a kind of messages known.
---@param class skynet.protocol
function skynet.register_protocol(class) end

---Sets what happens to messages of an unknown kind.
---@param unknown fun(session: integer, address: integer, msg: lightuserdata, sz: integer, kind: any)
---@return function previous
function skynet.dispatch_unknown_request(unknown) end

---Sets what happens to answers that nobody waits for.
---@param unknown fun(session: integer, address: integer, msg: lightuserdata, sz: integer)
---@return function previous
function skynet.dispatch_unknown_response(unknown) end

---Packs values.
---@param ... any nil, booleans, numbers, strings, tables of those
---@return lightuserdata msg, integer sz
function skynet.pack(...) end

---Packs values into a string.
---@param ... any
---@return string
function skynet.packstring(...) end

---The values that were packed.
---@param msg lightuserdata|string
---@param sz? integer
---@return any ...
function skynet.unpack(msg, sz) end

---Packed bytes as a string.
---@param msg lightuserdata|string
---@param sz? integer
---@return string
function skynet.tostring(msg, sz) end

---Gives packed bytes back that are not sent.
---@param msg lightuserdata|string
---@param sz? integer
function skynet.trash(msg, sz) end

-- Coroutines and time -------------------------------------------------------------------------------------

---Runs a function in a coroutine of its own, after what runs now.
---@param func fun(...: any)
---@param ... any
---@return thread
function skynet.fork(func, ...) end

---Calls a function after a time.
---@param ti integer hundredths of a second
---@param func fun()
---@return thread
function skynet.timeout(ti, func) end

---Waits.
---@param ti integer hundredths of a second
---@param token? any what `skynet.wakeup` names; this coroutine by default
---@return "BREAK"? woken it was woken before its time
function skynet.sleep(ti, token) end

---Lets others run.
---@return "BREAK"? woken
function skynet.yield() end

---Waits until somebody wakes it.
---@param token? any this coroutine by default
function skynet.wait(token) end

---Wakes who waits or sleeps.
---@param token any
---@return boolean? woken
function skynet.wakeup(token) end

---The time since the node started, in hundredths of a second.
---@return integer
function skynet.now() end

---The second (since 1970) in which the node started.
---@return integer
function skynet.starttime() end

---The time, in seconds since 1970.
---@return number
function skynet.time() end

---Nanoseconds since the node started.
---@return integer
function skynet.hpc() end

---As `pcall`, which may wait as well.
---@param f function
---@param ... any
---@return boolean ok, any ...
function skynet.pcall(f, ...) end

-- Environment and diagnosis -------------------------------------------------------------------------------

---A value of `[env]` in the config file.
---@param key string
---@return string?
function skynet.getenv(key) end

---Sets a value that is not set yet; raises if it is.
---@param key string
---@param value string|number|boolean
function skynet.setenv(key, value) end

---One line in the log.
---@param ... any
function skynet.error(...) end

---How many messages wait.
---@return integer
function skynet.mqlen() end

---A figure about this service.
---@param what "mqlen"|"message"|"cpu"|"time"|"mem"
---@return number
function skynet.stat(what) end

---Coroutines that wait: their number; with a table their tracebacks; with a session its traceback; with a coroutine its session.
---@param ret? table|integer|thread|"init"
---@return any
function skynet.task(ret) end

---Sets what the console's `info` shows.
---@param func fun(...: string): any
function skynet.info_func(func) end

return skynet
