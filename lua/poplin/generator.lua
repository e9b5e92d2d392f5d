--- Generators through which poplin's own yields pass, to the task that they stand on.

local misuse = require "poplin.misuse"

local generator = {}

local PAUSE = {}
local carriers = setmetatable({}, { __mode = "k" }) -- a generator's coroutine -> the coroutine that resumed it

--- What poplin's own yields carry.
generator.PAUSE = PAUSE

--- Whether the running coroutine is this one, or stands on it by generators alone, and may yield.
function generator.may_pause(bottom)
  local running = coroutine.running()
  while running and coroutine.isyieldable(running) do
    if running == bottom then
      return true
    end
    running = carriers[running]
  end
  return false
end

-- Passes on what f's coroutine yields, and poplin's own yields to the coroutine below.
local function relay(state, ok, mark, ...)
  local co = state.coroutine
  if not ok then
    state.busy = false
    coroutine.close(co)
    error(mark, 0)
  elseif mark == PAUSE then
    coroutine.yield(PAUSE)
    carriers[co] = coroutine.running()
    return relay(state, coroutine.resume(co))
  end
  state.busy = false
  return mark, ...
end

--- As coroutine.wrap, for a generator whose body may wait for poplin inside a task.
function generator.wrap(f)
  if type(f) ~= "function" then
    misuse.error("poplin.wrap: a function is needed, not a %s", type(f))
  end
  local state = { coroutine = coroutine.create(f), busy = false }
  return function(...)
    if state.busy then
      error("poplin.wrap: this generator is at work in another task", 2)
    end
    state.busy = true
    carriers[state.coroutine] = coroutine.running()
    return relay(state, coroutine.resume(state.coroutine, ...))
  end
end

return generator
