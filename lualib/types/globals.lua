---@meta

-- Globals that a service finds besides Lua's own.

---The service's name, as `newservice` was given it.
---@type string
SERVICE_NAME = ""

---The folder of its script, with a slash at the end.
---@type string
SERVICE_PATH = ""

---In a patch: by protocol, the tables that its dispatch function reaches, by their names. Elsewhere nil.
---@type table<string, table<string, table>>
_P = {}

---In a patch: what the library itself keeps. Elsewhere nil.
---@type table<string, any>
_U = {}
