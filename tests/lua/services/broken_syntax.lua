-- Does not even compile.
local function
