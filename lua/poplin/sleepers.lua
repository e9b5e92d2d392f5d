--- The tasks that sleep, and the clock that they go by, which tests move.

local core = require "poplin.core"
local queue = require "poplin.queue"

local sleepers = {}

local sleeping = {} -- each until its `wakes`, the first to wake at the end
local ahead = 0 -- milliseconds by which a test has moved the clock

--- Milliseconds of the clock.
function sleepers.clock()
  return core.now() + ahead
end

--- Moves it forward.
function sleepers.advance(milliseconds)
  ahead = ahead + milliseconds
end

-- One that was woken by something else may still be there.
local function forget(task)
  for i = #sleeping, 1, -1 do
    if sleeping[i] == task then
      table.remove(sleeping, i)
    end
  end
end

--- Has the task be resumed when the clock says so.
function sleepers.add(task, wakes)
  if task.wakes then
    forget(task)
  end
  local place = #sleeping + 1
  while place > 1 and sleeping[place - 1].wakes <= wakes do
    place = place - 1
  end
  task.wakes = wakes
  table.insert(sleeping, place, task)
end

--- When the next one wakes; nil: none sleeps.
function sleepers.next()
  local task = sleeping[#sleeping]
  return task and task.wakes
end

--- Wakes those whose time has come.
function sleepers.wake()
  while sleeping[1] and sleeping[#sleeping].wakes <= sleepers.clock() do
    local task = sleeping[#sleeping]
    sleeping[#sleeping], task.wakes = nil, false
    queue.add(task)
  end
end

return sleepers
