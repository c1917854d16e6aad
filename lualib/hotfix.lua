-- What a patch can ask for besides its own statements, and what a service can say about being patched.

local core = require "skynet.core"

local hotfix = {}

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

-- Says whether this service takes patches (it does until it says no).
function hotfix.reloadable(flag)
    core.reloadable(flag ~= false)
end

return hotfix
