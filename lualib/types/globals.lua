---@meta

-- Globals that a service finds besides Lua's own.

---The service's name, as `newservice` was given it.
---@type string
SERVICE_NAME = ""

---The folder of its script, with a slash at the end.
---@type string
SERVICE_PATH = ""
