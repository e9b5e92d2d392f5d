---@meta poplin.luv

-- poplin for the Lua language server: the adapter for luv.

---Client and server on libuv's loop, beside the program's own handles.
---@class poplin.luv
local luv = {}

---Hosts poplin on the default loop of this Lua state.
---@return fun() stop ends that
---@nodiscard
function luv.host() end

---Runs `f()` as a task, and `callback` when it has finished, in a callback of luv's own.
---@param f fun(): any
---@param callback fun(err: any, ...: any) is given nil and what `f` returned, or its error
function luv.call(f, callback) end

return luv
