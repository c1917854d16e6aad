-- reason: somebody complained
---@diagnostic disable: undefined-global, lowercase-global
-- Read a patch as lines at the end of the service's file: `line`, `id` and `count` are the service's own.

function line()
    return "good day from greeter " .. id .. ", number " .. count
end
