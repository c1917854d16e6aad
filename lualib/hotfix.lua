-- What a patch can ask for besides its own statements, and what a service can say about being patched.

local core = require "skynet.core"

local hotfix = {}

local function register(name, func)
    if type(func) ~= "function" then
        error("hotfix." .. name .. " needs a function, and got " .. type(func), 3)
    end
    core.hooks[name] = func
end

-- Runs `func` once per instance, inside the transaction: after the new functions are in their places, before the patch is committed.
-- If it raises, all of the patch is undone.
function hotfix.migrate(func)
    core.hook("migrate", func)
end

-- Runs `func` after the migrations: if it raises or returns false, all of the patch is undone.
function hotfix.verify(func)
    core.hook("verify", func)
end

-- Runs `func` when this patch goes: when a newer version takes its place, or when it is rolled back.
function hotfix.on_unload(func)
    core.hook("unload", func)
end

-- A restart in place (a key in dev mode, `restart` on the console) gives a service a new virtual machine. `func` returns the state
-- that the new one is to have: any number of values, of the kinds that skynet.pack takes. It may not wait.
function hotfix.save(func)
    register("save", func)
end

-- Takes that state in the new virtual machine, once its start function has returned.
function hotfix.restore(func)
    register("restore", func)
end

-- Says whether this service takes patches (it does until it says no).
function hotfix.reloadable(flag)
    core.reloadable(flag ~= false)
end

return hotfix
