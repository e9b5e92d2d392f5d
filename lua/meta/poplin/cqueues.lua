---@meta poplin.cqueues

-- poplin for the Lua language server: the adapter for cqueues.

---Client and server on a controller of cqueues', beside its own coroutines.
---@class poplin.cqueues
local adapter = {}

---Hosts poplin on this controller.
---@param controller any as `cqueues.new()` makes one
---@return fun() stop ends that
---@nodiscard
function adapter.host(controller) end

---In a coroutine of a controller: runs `f(...)` as a task, while the other coroutines go on. Its error is raised.
---@param f function
---@param ... any
---@return any ... what `f` returned
function adapter.call(f, ...) end

---In a task: runs `f(...)` in a coroutine of the controller's, which may wait for whatever cqueues can. Its error is raised.
---@param f function
---@param ... any
---@return any ... what `f` returned
function adapter.await(f, ...) end

return adapter
