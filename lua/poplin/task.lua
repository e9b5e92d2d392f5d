--- Tasks, the driver, and what a call does that has to wait.
--
-- A task is a coroutine that poplin started: `spawn`, and every callback of a server. The driver steps the event loop,
-- hands a server's questions to its callbacks and resumes the tasks whose connection has something new. A call that has
-- to wait
--
--   (a) where no task runs and no driver is active, drives, right there, also inside a coroutine of the script's own;
--   (b) in a task, yields to the driver;
--   (c) anywhere else raises an error, since a yield there would end up in hands that know nothing of it: in a
--       coroutine of the script's own on top of a task, in a function that `table.sort` or `string.gsub` calls, in a
--       finalizer.
--
-- What is meant to be a generator inside a task is made with `wrap`, which passes poplin's own yields upwards. poplin
-- never resumes a coroutine that it did not start.

local core = require "poplin.core"

local task = {}

local PAUSE = {} -- what poplin's own yields carry
local LONGEST = 2 ^ 31 - 1 -- milliseconds of one wait

local loop -- made at first use
local current -- the task that was resumed last and that still runs
local driving = false
local waiting = {} -- a link's id -> the tasks that wait for it
local queue, first, last = {}, 1, 0 -- tasks to be resumed, first come, first served
local watching = {} -- tasks that wait for whatever happens next, each until its `deadline`
local unsettled = false -- one of them has gone on, which may be what another waits for
local servers = {} -- those that run; a new table at each change, so that it can be walked meanwhile
local alive = 0 -- tasks that have not finished
local spawned = 0 -- those of them that the script spawned
local failed = {} -- tasks whose error nobody has seen
local trace -- the script's function that is shown what is said; nil: there is none
local tracing = false -- it is being called
local carriers = setmetatable({}, { __mode = "k" }) -- a coroutine of wrap -> the coroutine that resumed it

--- The event loop of this Lua state.
function task.loop()
  if not loop then
    loop = assert(core.loop())
  end
  return loop
end

-- ---- tasks ----

local Task = { __name = "poplin.task" }
Task.__index = Task

-- What may run out of memory comes first, here and below, so that all counts hold when it does.
local function enqueue(self)
  queue[last + 1] = self
  last = last + 1
end

local function wake(list)
  for i = 1, #list do
    enqueue(list[i])
  end
  for i = #list, 1, -1 do
    list[i] = nil
  end
end

-- Pending <close> variables of a coroutine that failed are closed only here.
local function finish(self, ok, ...)
  self.finished = true
  alive = alive - 1
  if not ok then
    self.traceback = debug.traceback(self.coroutine, tostring((...)))
    coroutine.close(self.coroutine)
  end
  if self.settle then
    self.settle(self, ok, ...)
    return
  end
  spawned = spawned - 1
  self.ok, self.results = ok, table.pack(...)
  if not ok and not self.joiners[1] then
    table.insert(failed, self)
    warn("poplin: a task failed: ", self.traceback)
  end
  wake(self.joiners)
end

-- A task that yields by itself only gives way to others.
local function after_resume(self, outer, ok, mark, ...)
  current = outer
  if coroutine.status(self.coroutine) ~= "suspended" then
    finish(self, ok, mark, ...)
  elseif mark ~= PAUSE then
    enqueue(self)
  end
end

local function resume(self, ...)
  local outer = current
  current = self
  after_resume(self, outer, coroutine.resume(self.coroutine, ...))
end

local function new(f, settle)
  return setmetatable({ coroutine = coroutine.create(f), finished = false, settle = settle, joiners = {} }, Task)
end

--- Starts a task at once, for poplin's own purposes: `settle(task, ok, ...)` is told how it ended.
function task.start(settle, f, ...)
  local self = new(f, settle)
  alive = alive + 1
  resume(self, ...)
  return self
end

--- Starts f(...) as a task at the driver's next step. Returns the task; `task:join()` waits for what f returns. An
-- error is raised there; where nobody joined, poplin warns of it, and `run` and `step` raise it once no spawned task is
-- left that could still join.
function task.spawn(f, ...)
  local arguments = table.pack(...)
  local self = new(function()
    return f(table.unpack(arguments, 1, arguments.n))
  end)
  enqueue(self)
  alive, spawned = alive + 1, spawned + 1
  return self
end

-- ---- the trace ----

-- An error in the function is nobody's: it is warned of, once, and the trace is off.
local function show(...)
  local ok, problem = pcall(trace, ...)
  if not ok then
    trace = nil
    loop:trace(false)
    warn("poplin: the trace function failed, and is off now: ", tostring(problem))
  end
end

local function show_all()
  local line, fields = loop:traced()
  while line do
    if trace then
      show(line, fields)
    end
    line, fields = loop:traced()
  end
end

--- Shows the script what was said since the last call, where it wants to see that.
function task.show()
  if not trace or tracing then
    return
  end
  tracing = true
  local ok, problem = pcall(show_all)
  tracing = false
  if not ok then
    error(problem, 0) -- no memory
  end
end

--- The function that is shown what is said, or nil.
function task.get_trace()
  return trace
end

--- Sets it; nil ends the trace.
function task.set_trace(f)
  if f ~= nil and type(f) ~= "function" then
    error("poplin.trace must be a function or nil", 3)
  end
  task.show()
  trace = f
  if f or loop then
    task.loop():trace(f ~= nil)
  end
end

-- ---- waiting ----

-- Whether the running coroutine is the task's own, or stands on it by wrap alone, and may yield.
local function may_pause()
  local running = coroutine.running()
  while running and coroutine.isyieldable(running) do
    if running == current.coroutine then
      return true
    end
    running = carriers[running]
  end
  return false
end

--- Whether a task runs.
function task.is_running()
  return current ~= nil
end

--- Raises an error where a call must not wait (c): to be called before anything is sent.
function task.check()
  if core.finalizing() then
    error("poplin: a finalizer (__gc) must not wait for the network; close the connection instead", 0)
  elseif tracing then
    error("poplin: the trace function must not wait for the network", 0)
  elseif current then
    if not may_pause() then
      error("poplin: this call has to wait, but stands in a coroutine that poplin did not start, or in a function that "
        .. "cannot yield (as under table.sort or string.gsub); make the generator with poplin.wrap, or fetch first", 0)
    end
  elseif driving then
    error("poplin: this call has to wait, but the driver is at work", 0)
  end
end

-- How long the next step may wait, where it is allowed so many milliseconds (-1: any).
local function patience(milliseconds)
  if first <= last or unsettled then
    return 0
  end
  for _, watcher in ipairs(watching) do
    local left = math.max(watcher.deadline - core.now(), 0)
    milliseconds = milliseconds < 0 and left or math.min(milliseconds, left)
  end
  return milliseconds
end

local function resume_queue()
  local final = last
  while first <= final do
    local next_task = queue[first]
    queue[first] = nil
    first = first + 1
    if not next_task.finished then
      resume(next_task)
    end
  end
end

-- They look last, at what all others have done.
local function resume_watchers()
  local woken = table.move(watching, 1, #watching, 1, {})
  for _, watcher in ipairs(woken) do
    watcher.deadline = nil
  end
  wake(watching)
  resume_queue()
  unsettled = false
  for _, watcher in ipairs(woken) do
    unsettled = unsettled or not watcher.deadline
  end
end

-- One step of the loop, and all that comes of it.
local function turn(milliseconds)
  local events = task.loop()
  assert(events:step(patience(milliseconds)))
  for _, server in ipairs(servers) do
    server:answer()
  end
  for id in events.ready, events do
    if waiting[id] then
      wake(waiting[id])
      waiting[id] = nil
    end
  end
  resume_queue()
  resume_watchers()
  task.show()
end

-- An error here is none of a task's: Ctrl-C, or no memory.
local function drive(milliseconds)
  driving = true
  local ok, problem = pcall(turn, milliseconds)
  driving, current = false, nil
  if not ok then
    error(problem, 0)
  end
end

--- Waits until the link has something new. To be called again until it has brought what is wanted.
function task.wait(link)
  task.check()
  if current then
    local id = link:id()
    local list = waiting[id] or {}
    waiting[id] = list
    list[#list + 1] = current
    coroutine.yield(PAUSE)
    return
  end
  local ok, problem = pcall(drive, -1)
  if not ok then
    link:cancel() -- an interrupted wait: without QUIT, so that nothing is deleted
    error(problem, 0)
  end
end

--- Waits until the driver has handled whatever happens next, for so many milliseconds at most. To be called again until
-- that was what is wanted.
function task.watch(milliseconds)
  task.check()
  if not current then
    drive(milliseconds)
    return
  end
  current.deadline = core.now() + milliseconds
  table.insert(watching, current)
  coroutine.yield(PAUSE)
end

--- Lets all who wait for the link ask again.
function task.wake(link)
  local id = link:id()
  local list = waiting[id]
  if list then
    waiting[id] = nil
    wake(list)
  end
end

-- ---- what a script does with tasks ----

local function outcome(self)
  for i, other in ipairs(failed) do
    if other == self then
      table.remove(failed, i)
      break
    end
  end
  if not self.ok then
    error(self.results[1], 0)
  end
  return table.unpack(self.results, 1, self.results.n)
end

--- Waits until the task has finished and returns what its function returned; its error is raised again.
function Task:join()
  while not self.finished do
    task.check()
    if current == self then
      error("poplin: a task cannot join itself", 2)
    elseif current then
      table.insert(self.joiners, current)
      coroutine.yield(PAUSE)
    else
      drive(-1)
    end
  end
  return outcome(self)
end

local function outside(name)
  task.check()
  if current then
    error("poplin." .. name .. " is for the main program; a task just calls, or yields", 3)
  end
end

local function raise_failure()
  local self = spawned == 0 and table.remove(failed, 1)
  if self then
    error(type(self.results[1]) == "string" and self.traceback or self.results[1], 0)
  end
end

--- Drives. Without f: until all tasks have finished and all servers were stopped. With f: starts f(...) as a task,
-- drives until it has finished, whatever else goes on, and returns what it returned.
function task.run(f, ...)
  outside("run")
  local self = f ~= nil and task.spawn(f, ...)
  while self and not self.finished or not self and (alive > 0 or servers[1]) do
    drive(-1)
    if not self then
      raise_failure()
    end
  end
  if self then
    return outcome(self)
  end
  raise_failure()
end

--- Drives once: waits up to `timeout` seconds (0: not at all; none: without limit) until something happens and handles
-- all of it. For a host with an event loop of its own: see `fileno` and `timeout`.
function task.step(timeout)
  outside("step")
  local milliseconds = timeout and math.ceil(math.max(timeout, 0) * 1000) or -1
  drive(math.tointeger(math.min(milliseconds, LONGEST)))
  raise_failure()
end

--- A descriptor that becomes readable when `step` has something to do.
function task.fileno()
  return task.loop():fileno()
end

--- Seconds after which `step` must be called even if the descriptor stays silent; nil: never. It is to be asked anew
-- after every call to poplin.
function task.timeout()
  if spawned == 0 and failed[1] then
    return 0 -- to be raised
  end
  local milliseconds = patience(task.loop():timeout())
  if milliseconds >= 0 then
    return milliseconds / 1000
  end
end

-- Passes on what f's coroutine yields, and poplin's own yields to the task below.
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
function task.wrap(f)
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

-- ---- servers ----

--- Has the driver call server:answer() after each step.
function task.add_server(server)
  servers = table.move(servers, 1, #servers, 1, {})
  table.insert(servers, server)
end

--- Takes that back.
function task.remove_server(server)
  local rest = {}
  for _, other in ipairs(servers) do
    if other ~= server then
      table.insert(rest, other)
    end
  end
  servers = rest
end

return task
