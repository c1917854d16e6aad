---@meta hotfix

---What a patch can ask for besides its own statements, and what a service can say about being patched.
---@class hotfix
local hotfix = {}

---In a patch: runs a function once per instance, inside the transaction, after the functions are exchanged. If it raises, all is undone.
---@param func fun()
function hotfix.migrate(func) end

---In a patch: runs a function after the migrations. If it raises or returns false, all is undone.
---@param func fun(): boolean?
function hotfix.verify(func) end

---In a patch: runs a function when the patch goes, by a newer version or a rollback.
---@param func fun()
function hotfix.on_unload(func) end

---In a service: gives its state away before a restart in place. What the function returns is packed as by `skynet.pack`; it may not wait.
---@param func fun(): ...
function hotfix.save(func) end

---In a service: takes that state after the restart, once the start function has returned.
---@param func fun(...: any)
function hotfix.restore(func) end

---In a service: whether it takes patches.
---@param flag? boolean
function hotfix.reloadable(flag) end

return hotfix
