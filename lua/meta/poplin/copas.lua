---@meta poplin.copas

-- poplin for the Lua language server: the adapter for copas.

---Client and server beside copas' own threads and servers.
---@class poplin.copas
local adapter = {}

---Hosts poplin.
---@return fun() stop ends that
---@nodiscard
function adapter.host() end

---In a thread of copas': runs `f(...)` as a task, while the other threads go on. Its error is raised.
---@param f function
---@param ... any
---@return any ... what `f` returned
function adapter.call(f, ...) end

---In a task: runs `f(...)` in a thread of copas', which may wait for whatever copas can. Its error is raised.
---@param f function
---@param ... any
---@return any ... what `f` returned
function adapter.await(f, ...) end

return adapter
