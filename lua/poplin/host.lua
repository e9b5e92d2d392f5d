--- What the adapters for event loops (poplin.luv, poplin.cqueues, poplin.copas) share.
--
-- A host keeps two promises: it steps poplin when the descriptor is readable or the time-out has passed, and it asks
-- for the time-out anew before each of its own waits, since any call to poplin may have changed it. Everything else is
-- here: that there is one host at a time, what becomes of an error, and how a result gets out of a task.

local poplin = require "poplin"
local task = require "poplin.task"

local host = {}

local name -- of the one that hosts; nil: nobody does
local stop -- ends that
local calls = {} -- what waits in the host for a task, or in a task for the host: the set of their `settle`

--- Begins: `ended()` is to take back all that the adapter has in its host, and is called once.
-- Returns the function that ends the hosting; calling that twice is peaceful.
function host.begin(its_name, ended)
  if name then
    error("poplin is hosted by " .. name .. " already; end that first", 3)
  end
  local function own_stop() -- may run out of memory, and then nobody hosts
    if stop ~= own_stop then
      return
    end
    name, stop = nil, nil
    ended()
    for settle in pairs(calls) do
      calls[settle] = nil
      settle(false, "poplin: " .. its_name .. " ended to be its host before this call had its answer")
    end
  end
  name, stop = its_name, own_stop
  return own_stop
end

--- Steps once, without waiting. An error is a task's that nobody joined: `report` hands it to the host, and all else
-- goes on. Only after a fork, where nothing works any more, the hosting ends.
function host.step(report)
  local ok, problem = pcall(poplin.step, 0)
  if not ok then
    if stop and poplin.fileno() < 0 then
      stop()
    end
    report(problem)
  end
end

--- Whether a task of poplin's runs: whoever is in one just calls, and must not wait for the host.
host.in_task = task.is_running

-- A table would need memory, which may be what f failed for.
local function conclude(settle, ...)
  if calls[settle] then
    calls[settle] = nil
    settle(...)
  end
end

-- Calls f, and tells `settle` the outcome, unless that was told another one before.
local function settling(settle, f)
  calls[settle] = true
  return function(...)
    conclude(settle, pcall(f, ...))
  end
end

local function check(its_name)
  if not name then
    error("poplin has no host; call host() first", 4)
  elseif name ~= its_name then
    error("poplin is hosted by " .. name .. ", and not by " .. its_name, 4)
  end
end

--- For the host of this name: starts f(...) as a task. `settle(ok, ...)` is called once with its outcome, inside the
-- task, or with an error when the hosting ends before.
function host.start(its_name, settle, f, ...)
  check(its_name)
  poplin.spawn(settling(settle, f), ...)
end

--- In a task: runs f(...) in a coroutine of the host of this name, which `start` makes, and returns what it returned or
-- raises its error. Another one where the hosting ends before.
function host.await(its_name, start, f, ...)
  check(its_name)
  local arguments = table.pack(...)
  return host.returned(table.pack(poplin.suspend(function(resume)
    local run = settling(resume, f)
    start(function() run(table.unpack(arguments, 1, arguments.n)) end)
  end)))
end

--- Returns what the outcome of a task holds, or raises its error.
function host.returned(outcome)
  if not outcome[1] then
    error(outcome[2], 0)
  end
  return table.unpack(outcome, 2, outcome.n)
end

return host
