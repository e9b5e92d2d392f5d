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
local generator = require "poplin.generator"
local misuse = require "poplin.misuse"
local queue = require "poplin.queue"
local sleepers = require "poplin.sleepers"
local trace = require "poplin.trace"

local task = {}

local PAUSE = generator.PAUSE
local LONGEST = 2 ^ 31 - 1 -- milliseconds of one wait, seconds of a sleep

local FAILURES_KEPT = 1000 -- a script may go on without end

local loop -- made at first use
local current -- the task that was resumed last and that still runs
local driving = false
local waiting = {} -- a link's id -> the tasks that wait for it
local watching = {} -- tasks that wait for whatever happens next, each until its `deadline`
local unsettled = false -- one of them has gone on, which may be what another waits for
local servers = {} -- those that run
local all = {} -- the set of tasks that have not finished
local shaken = false -- an error broke off a turn, and with it what it knew of some task
local alive = 0 -- tasks that have not finished
local spawned = 0 -- those of them that the script spawned
local failed = {} -- tasks whose error nobody has seen
local turns = 0 -- steps of the driver

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

-- Memory may run out anywhere: what keeps the counts needs none, since a task has all its fields from the beginning.
local NO_MEMORY = { false, "not enough memory", n = 2 }

local function finish(self, ok)
  if not ok and not self.results then
    self.results, self.traceback = NO_MEMORY, self.traceback or NO_MEMORY[2]
  end
  local results = self.results
  self.finished = true
  all[self] = nil
  if self.counted then
    alive = alive - 1
  end
  if self.settle then
    self.settle(self, table.unpack(results, 1, results.n))
    return
  end
  spawned = spawned - 1
  queue.add_all(self.joiners)
  if not results[1] and not self.awaited then
    if #failed == FAILURES_KEPT then
      table.remove(failed, 1)
    end
    table.insert(failed, self)
    warn("poplin: a task failed: ", self.traceback)
  end
end

-- A task that yields by itself only gives way to others. It stays in the queue until here: where memory runs out on the
-- way, it is resumed again.
local function after_resume(self, outer, ok, mark)
  current = outer
  queue.done(self)
  if coroutine.status(self.coroutine) ~= "suspended" then
    finish(self, ok)
  elseif mark ~= PAUSE then
    queue.add(self)
  end
end

local function resume(self, ...)
  local outer = current
  current = self
  after_resume(self, outer, coroutine.resume(self.coroutine, ...))
end

-- The traceback is made where the error is raised. Then <close> variables are closed in the task, where they may wait;
-- an error in one of them takes the place of that one.
local function new(f, settle)
  local self = setmetatable({
    finished = false, settle = settle, joiners = {}, results = false, awaited = false, problem = false,
    traceback = false, queued = false, following = false, counted = false,
  }, Task)
  local function note(problem)
    local traceback = debug.traceback(misuse.text_of(problem), 2)
    self.problem, self.traceback = problem, traceback:gsub("\n\t%[C%]: in function 'xpcall'\n[^\n]*$", "")
    return problem
  end
  self.coroutine = coroutine.create(function(...)
    if not self.counted then
      self.counted, alive = true, alive + 1
    end
    local results = table.pack(xpcall(f, note, ...))
    if not results[1] and not rawequal(results[2], self.problem) then
      self.traceback = misuse.text_of(results[2])
    end
    self.results = results
  end)
  all[self] = true
  return self
end

--- Starts a task at once, for poplin's own purposes: `settle(task, ok, ...)` is told how it ended.
function task.start(settle, f, ...)
  local self = new(f, settle)
  resume(self, ...)
  return self
end

local function check_callable(who, f)
  if type(f) ~= "function" and not (debug.getmetatable(f) or {}).__call then
    misuse.error("%s: a function is needed, not a %s", who, type(f))
  end
end

--- Starts f(...) as a task at the driver's next step. Returns the task; `task:join()` waits for what f returns. An
-- error is raised there; where nobody joined, poplin warns of it, and `run` and `step` raise it once no spawned task is
-- left that could still join.
function task.spawn(f, ...)
  check_callable("poplin.spawn", f)
  local arguments = table.pack(...)
  local self = new(function()
    return f(table.unpack(arguments, 1, arguments.n))
  end)
  queue.add(self)
  self.counted, alive, spawned = true, alive + 1, spawned + 1
  return self
end

--- Shows the script what was said since the last call, where it wants to see that.
function task.show()
  if loop then
    trace.show(loop)
  end
end

--- Sets the script's function that is shown what is said; nil ends the trace.
function task.set_trace(f)
  trace.set(f, (f ~= nil or loop) and task.loop())
end

-- ---- waiting ----

--- Whether a task runs.
function task.is_running()
  return current ~= nil
end

--- Raises an error where a call must not wait (c): to be called before anything is sent.
function task.check()
  if core.finalizing() then
    error("poplin: a finalizer (__gc) must not wait for the network; close the connection instead", 0)
  elseif trace.is_at_work() then
    error("poplin: the trace function must not wait for the network", 0)
  elseif current then
    if not generator.may_pause(current.coroutine) then
      error("poplin: this call has to wait, but stands in a coroutine that poplin did not start, or in a function that "
        .. "cannot yield (as under table.sort or string.gsub); make the generator with poplin.wrap, or fetch first", 0)
    end
  elseif driving then
    error("poplin: this call has to wait, but the driver is at work", 0)
  end
end

--- Moves the clock of this script's connections, servers and sleepers forward.
function task.advance(milliseconds)
  task.loop():advance(milliseconds)
  sleepers.advance(milliseconds)
end

-- The shorter one of a wait (-1: of any length) and the time that is left, which may have passed.
local function shorter(milliseconds, left)
  left = math.max(left, 0)
  return milliseconds < 0 and left or math.min(milliseconds, left)
end

-- How long the next step may wait, where it is allowed so many milliseconds (-1: any).
local function patience(milliseconds)
  if queue.last() or unsettled then
    return 0
  end
  for _, watcher in ipairs(watching) do
    milliseconds = shorter(milliseconds, watcher.deadline - core.now())
  end
  local wakes = sleepers.next()
  return wakes and shorter(milliseconds, wakes - sleepers.clock()) or milliseconds
end

local function resume_queue()
  local final, next_task = queue.last(), nil
  while next_task ~= final do
    next_task = queue.first()
    if next_task.finished then
      queue.done(next_task)
    else
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
  queue.add_all(watching)
  resume_queue()
  unsettled = false
  for _, watcher in ipairs(woken) do
    unsettled = unsettled or not watcher.deadline
  end
end

-- After an error that broke off a turn: all tasks ask again for what they wait for.
local function recover()
  local tasks = {}
  for self in pairs(all) do
    tasks[#tasks + 1] = self
  end
  shaken = false
  for _, self in ipairs(tasks) do
    if coroutine.status(self.coroutine) == "dead" then
      finish(self, self.results ~= false)
    else
      queue.add(self)
    end
  end
end

-- One step of the loop, and all that comes of it.
local function turn(milliseconds)
  if shaken then
    recover()
  end
  local events = task.loop()
  turns = turns + 1
  assert(events:step(patience(milliseconds)))
  for i = #servers, 1, -1 do -- some may be removed meanwhile
    if servers[i] then
      servers[i]:answer()
    end
  end
  for id in events.ready, events do
    if waiting[id] then
      queue.add_all(waiting[id])
      waiting[id] = nil
    end
  end
  sleepers.wake()
  resume_queue()
  resume_watchers()
  task.show()
end

-- An error here is none of a task's: Ctrl-C, or no memory. `since` are the turns that there had been when what is
-- waited for was looked for: were there any since, as a debug hook can make them, it may be there.
local function drive(milliseconds, since)
  driving = true
  local ok, problem = pcall(turn, (since or turns) == turns and milliseconds or 0)
  driving, current = false, nil
  if not ok then
    shaken, unsettled = true, true
    error(problem, 0)
  end
end

--- How often the driver has looked for what is new: to be asked before a link is.
function task.turns()
  return turns
end

--- Waits until the link has something new since so many turns. To be called again until it has brought what is wanted.
function task.wait(link, since)
  task.check()
  if current then
    local id = link:id()
    local list = waiting[id] or {}
    waiting[id] = list
    list[#list + 1] = current
    coroutine.yield(PAUSE)
    return
  end
  local ok, problem = pcall(drive, -1, since)
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

--- Waits so many seconds, while all else goes on.
function task.sleep(seconds)
  if math.type(seconds) == nil or not (seconds >= 0 and seconds <= LONGEST) then
    misuse.error("poplin.sleep: the time must be a number of seconds from 0 to %d, not %s", LONGEST, tostring(seconds))
  end
  task.check()
  local clock = sleepers.clock
  local wakes = clock() + math.ceil(seconds * 1000)
  if not current then
    repeat
      drive(math.max(wakes - clock(), 0))
    until clock() >= wakes
    return
  end
  sleepers.add(current, wakes)
  repeat
    coroutine.yield(PAUSE)
  until clock() >= wakes
end

--- In a task: calls begin(resume) and waits until resume(...) is called, wherever that be: returns what that was given.
function task.suspend(begin)
  check_callable("poplin.suspend", begin)
  task.check()
  if not current then
    misuse.error("poplin.suspend is for tasks: elsewhere there is nobody to go on meanwhile")
  end
  local self, waits, outcome = current, false, nil -- whatever is told later is not heard
  begin(function(...)
    local is_first = not outcome
    outcome = outcome or table.pack(...)
    if is_first and waits then
      queue.add(self)
    end
  end)
  waits = true
  while not outcome do
    coroutine.yield(PAUSE)
  end
  return table.unpack(outcome, 1, outcome.n)
end

--- Lets all who wait for the link ask again.
function task.wake(link)
  local id = link:id()
  local list = waiting[id]
  if list then
    waiting[id] = nil
    queue.add_all(list)
  end
end

-- ---- what a script does with tasks ----

-- What it returned, or its error: a text with its traceback, where that is wanted.
local function outcome(self, traced)
  for i, other in ipairs(failed) do
    if other == self then
      table.remove(failed, i)
      break
    end
  end
  if not self.results[1] then
    error(traced and type(self.results[2]) == "string" and self.traceback or self.results[2], 0)
  end
  return table.unpack(self.results, 2, self.results.n)
end

local function await(self)
  local since = turns
  while not self.finished do
    task.check()
    if current == self then
      error("poplin: a task cannot join itself", 3)
    elseif current then
      table.insert(self.joiners, current)
      self.awaited = true
      coroutine.yield(PAUSE)
    else
      self.awaited = true
      drive(-1, since)
    end
    since = turns
  end
end

--- Waits until the task has finished and returns what its function returned; its error is raised again.
function Task:join()
  await(self)
  return outcome(self)
end

local function outside(name)
  task.check()
  if current then
    error("poplin." .. name .. " is for the main program; a task just calls, or yields", 3)
  end
end

local function raise_failure()
  if spawned == 0 and failed[1] then
    outcome(failed[1], true)
  end
end

--- Drives. Without f: until all tasks have finished and all servers were stopped. With f: starts f(...) as a task,
-- drives until it has finished, whatever else goes on, and returns what it returned.
function task.run(f, ...)
  outside("run")
  if f ~= nil then
    check_callable("poplin.run", f)
    local self = task.spawn(f, ...)
    await(self)
    return outcome(self, true)
  end
  local since = turns
  while alive > 0 or servers[1] do
    drive(-1, since)
    since = turns
    raise_failure()
  end
  raise_failure()
end

--- Drives once: waits up to `timeout` seconds (0: not at all; none: without limit) until something happens and handles
-- all of it. For a host with an event loop of its own: see `fileno` and `timeout`.
function task.step(timeout)
  if timeout ~= nil and not (math.type(timeout) and timeout == timeout) then
    misuse.error("poplin.step: the time-out must be a number of seconds, or nil, not %s", tostring(timeout))
  end
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

-- ---- servers ----

--- Has the driver call server:answer() after each step.
function task.add_server(server)
  table.insert(servers, server)
end

--- Takes that back; takes no memory.
function task.remove_server(server)
  for i, other in ipairs(servers) do
    if other == server then
      table.remove(servers, i)
      return
    end
  end
end

return task
