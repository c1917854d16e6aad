-- reason: somebody complained
-- Read a patch as lines at the end of the service's file: `words`, `id` and `count` are the service's own.

function line()
    return "good day from greeter " .. id .. ", number " .. count
end
